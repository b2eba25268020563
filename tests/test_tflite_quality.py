import numpy as np
import pytest

from svg_tf.tflite.quality import Quality

TRUTH = np.random.default_rng(0).random((4, 12, 8, 8, 1), np.float32)
REFERENCE = TRUTH + np.float32(0.1)


def test_errors_are_those_of_their_definitions():
    frames = REFERENCE.copy()
    frames[:, :10] += 0.01
    frames[:, 10:] += 0.5  # past the ten steps that are compared
    quality = Quality.of(frames, REFERENCE, TRUTH[:, :6])
    assert quality.psnr_to_tensorflow == pytest.approx(40, abs=1e-3)
    assert quality.max_error == pytest.approx(0.01, abs=1e-6)
    assert quality.psnr == pytest.approx(-20 * np.log10(0.11), abs=1e-4)
    assert quality.psnr_loss == pytest.approx(20 * np.log10(1.1), abs=1e-4)
    assert quality.psnr_loss_error == pytest.approx(0, abs=1e-3)  # each clip loses the same


def test_the_standard_error_of_the_loss_is_that_of_a_simulation():
    rng = np.random.default_rng(1)

    def drawn(clips):
        scale = rng.uniform(0.05, 0.15, [2, clips, 1, 1, 1, 1]).astype(np.float32)
        truth = np.zeros([clips, 2, 4, 4, 1], np.float32)
        return Quality.of(truth + scale[0], truth + scale[1], truth)

    losses = [drawn(40).psnr_loss for _ in range(400)]
    assert drawn(4000).psnr_loss_error * 10 == pytest.approx(np.std(losses), rel=0.15)


def test_a_file_is_refused_for_frames_that_are_not_tensorflows():
    def fault(error, variant):
        return Quality.of(REFERENCE + np.float32(error), REFERENCE, TRUTH).fault(variant, 100.0)

    assert fault(1e-6, "float32") is None
    assert "are 60.0 dB from TensorFlow's" in fault(1e-3, "float32")
    assert fault(1e-3, "float16") is None and fault(1e-2, "dynamic_int8") is None
    assert "at least 20" in fault(0.2, "dynamic_int8") and "at least 15" in fault(0.2, "int8")


def test_a_file_is_refused_for_what_it_loses_against_the_truth():
    quality = Quality.of(REFERENCE + np.float32(0.002), REFERENCE, TRUTH)
    assert 0.1 < quality.psnr_loss < 0.2
    assert "0.172 ± 0.000 dB below float32's, more than the tolerance of 0.1 dB" in quality.fault("int8", 0.1)
    assert quality.fault("int8", 0.2) is None
    assert Quality.of(REFERENCE - np.float32(0.002), REFERENCE, TRUTH).fault("int8", 0.1) is None  # it gains


def test_equal_frames_have_finite_scores():
    assert Quality.of(TRUTH, TRUTH, TRUTH) == (200.0, 0.0, 200.0, 0.0, 0.0)


def test_a_single_clip_has_no_standard_error():
    quality = Quality.of(REFERENCE[:1] + np.float32(0.002), REFERENCE[:1], TRUTH[:1])
    assert quality.psnr_loss_error is None and quality.loss == "0.172"
