import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from svg_tf.metrics.mse import mse
from svg_tf.metrics.psnr import decibels, psnr


def _frames(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def test_a_constant_error_scores_its_closed_form():
    truth = np.full([2, 8, 8, 1], 0.5, np.float32)
    prediction = truth + np.array([0.1, 0.01], np.float32).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(psnr(truth, prediction), [20, 40], atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_frame_scores_as_scikit_image_has_it(channels):
    truth, prediction = _frames(2, 3, 16, 12, channels), _frames(2, 3, 16, 12, channels, seed=1)
    scores = psnr(truth, prediction)
    assert scores.dtype == tf.float32
    for place in np.ndindex(2, 3):
        expected = peak_signal_noise_ratio(truth[place], prediction[place], data_range=1)
        np.testing.assert_allclose(scores[place], expected, rtol=1e-6)


def test_identical_frames_score_100_decibel_and_nothing_scores_more():
    truth = _frames(2, 8, 8, 3)
    np.testing.assert_allclose(psnr(truth, truth), 100, atol=1e-4)
    np.testing.assert_allclose(psnr(truth, truth + 1e-6), 100, atol=1e-4)


def test_a_truth_scores_all_its_samples():
    truth, samples = _frames(2, 3, 8, 8, 1), _frames(4, 2, 3, 8, 8, 1, seed=1)
    scores = psnr(truth, samples)
    assert scores.shape == [4, 2, 3]
    for number, sample in enumerate(samples):
        np.testing.assert_allclose(scores[number], psnr(truth, sample), rtol=1e-6)


def test_one_frame_scores_a_scalar_and_a_graph_scores_the_same():
    truth, prediction = _frames(8, 8, 1), _frames(8, 8, 1, seed=1)
    traced = tf.function(psnr, input_signature=[tf.TensorSpec([None, None, 1])] * 2)
    assert psnr(truth, prediction).shape == []
    np.testing.assert_allclose(traced(truth, prediction), psnr(truth, prediction), rtol=1e-6)


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (np.zeros([2, 8, 8, 1], np.uint8), _frames(2, 8, 8, 1), "truth is uint8"),
        (_frames(2, 8, 8, 1), np.zeros([2, 8, 8, 1], np.int32), "prediction is int32"),
        (_frames(2, 8, 8, 1), _frames(2, 8, 8, 3), "do not match"),
        (_frames(2, 8, 8, 1), _frames(3, 8, 8, 1), "do not match"),
        (_frames(2, 8, 8, 1), _frames(2, 8, 1, 1), "do not match"),
        (_frames(8, 8), _frames(8, 8), r"truth has shape \(8, 8\)"),
        (_frames(0, 8, 8, 1), _frames(0, 8, 8, 1), "at least one"),
    ],
)
def test_frames_that_cannot_be_compared_are_refused(truth, prediction, message):
    with pytest.raises(ValueError, match=message):
        psnr(truth, prediction)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_error_of_every_frame_is_as_scikit_image_has_it(channels):
    truth, samples = _frames(2, 3, 16, 12, channels), _frames(4, 2, 3, 16, 12, channels, seed=1)
    errors = mse(truth, samples)
    assert errors.dtype == tf.float32 and errors.shape == [4, 2, 3]
    for place in np.ndindex(4, 2, 3):
        np.testing.assert_allclose(errors[place], mean_squared_error(truth[place[1:]], samples[place]), rtol=1e-5)


def test_decibels_of_errors_keep_their_precision_and_end_at_100():
    errors = np.array([1.0, 0.1, 1e-10, 1e-12, 0.0])
    np.testing.assert_allclose(decibels(errors), [0, 10, 100, 100, 100], rtol=1e-12)
    assert decibels(errors).dtype == tf.float64
