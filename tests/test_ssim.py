"""Tests of svg_tf/metrics/ssim.py."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from skimage.metrics import structural_similarity

from svg_tf.metrics import ssim as ssim_module
from svg_tf.metrics.ssim import ssim, ssim_svg

_CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data"


def _frames(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def _distorted(truth, amount=0.1, seed=1):
    noise = amount * np.random.default_rng(seed).standard_normal(truth.shape)
    return np.clip(truth + noise, 0, 1).astype(np.float32)


def _expected(truth, prediction):
    """Return scikit-image's map in float64, cropped to the positions where the window fits."""
    _, similarity = structural_similarity(
        truth.astype(np.float64),
        prediction.astype(np.float64),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=-1,
        full=True,
    )
    return similarity[5:-5, 5:-5].mean()


def _expected_svg(truth, prediction):
    """Return scikit-image's SSIM as the authors' script calls it; the data range of 2 was the default for floats."""
    return structural_similarity(
        truth.astype(np.float64), prediction.astype(np.float64), data_range=2, channel_axis=-1, win_size=7
    )


@pytest.mark.parametrize("shape", [[16, 24, 1], [32, 16, 3], [7, 7, 1], [64, 64, 1]])
def test_ssim_svg_agrees_with_scikit_image(shape):
    truth = _frames(2, 3, *shape)
    samples = np.stack([_distorted(truth, amount, seed) for seed, amount in enumerate((0.01, 0.1, 0.5))])
    scores = ssim_svg(truth, samples)
    for place in np.ndindex(3, 2, 3):
        np.testing.assert_allclose(scores[place], _expected_svg(truth[place[1:]], samples[place]), atol=1e-6)


def test_the_data_range_of_ssim_svg_is_2():
    # Two flat frames have a closed form, where the constant 0.01^2 is multiplied by 2^2.
    truth = np.full([16, 16, 1], 0.5, np.float32)
    x, y, c1 = 0.5, 0.25, 4e-4
    np.testing.assert_allclose(ssim_svg(truth, truth / 2), (2 * x * y + c1) / (x * x + y * y + c1), atol=1e-6)
    noisy = _distorted(_frames(16, 16, 1))
    assert ssim_svg(_frames(16, 16, 1), noisy) > ssim(_frames(16, 16, 1), noisy)


@pytest.mark.parametrize("function", [ssim, ssim_svg])
def test_half_black_and_half_white_frames_score_to_1e_5(function):
    truth = np.zeros([4, 32, 32, 1], np.float32)
    truth[:, :, 16:] = 1
    amounts = (0, 0.003, 0.03, 0.1)
    predictions = np.stack([_distorted(frame, amount, 3) for frame, amount in zip(truth, amounts, strict=True)])
    expected = _expected if function is ssim else _expected_svg
    scores = function(truth, predictions)
    for score, frame, prediction in zip(scores, truth, predictions, strict=True):
        np.testing.assert_allclose(score, expected(frame, prediction), atol=1e-5)


@pytest.mark.parametrize("shape", [[16, 24, 1], [32, 16, 3], [11, 11, 1]])
def test_ssim_agrees_with_scikit_image(shape):
    truth = _frames(2, 3, *shape)
    prediction = _distorted(truth)
    scores = ssim(truth, prediction)
    assert scores.dtype == tf.float32
    for place in np.ndindex(2, 3):
        np.testing.assert_allclose(scores[place], _expected(truth[place], prediction[place]), atol=1e-6)


@pytest.mark.parametrize("level", [0.02, 0.5, 1.0])
def test_flat_frames_have_their_closed_form(level):
    truth = np.full([16, 16, 1], level, np.float32)
    prediction = np.float32(0.99) * truth
    x, y = np.float64(level), np.float64(prediction.flat[0])
    expected = (2 * x * y + 1e-4) / (x * x + y * y + 1e-4)
    np.testing.assert_allclose(ssim(truth, prediction), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["bair", "kth/clips"])
def test_real_frames_agree_with_scikit_image(name):
    paths = sorted((_CLIPS / name).glob("*/*.png"))[::5]
    if not paths:
        pytest.skip(f"there are no clips in shared/data/{name}")
    frames = np.stack([np.asarray(Image.open(path), np.float32) / 255 for path in paths])
    frames = frames.reshape(*frames.shape[:3], -1)
    for function, reference in ((ssim, _expected), (ssim_svg, _expected_svg)):
        expected = [reference(truth, prediction) for truth, prediction in zip(frames, frames[1:], strict=False)]
        np.testing.assert_allclose(function(frames[:-1], frames[1:]), expected, atol=1e-6)


def test_samples_agree_with_tensorflow():
    truth = _frames(4, 32, 32, 3)
    samples = np.stack([_distorted(truth, amount) for amount in (0.1, 0.2)])
    np.testing.assert_allclose(ssim(truth, samples), tf.image.ssim(truth, samples, 1.0), atol=1e-5)


def test_identical_frames_score_one_and_negatives_score_below_zero():
    truth = _frames(2, 16, 16, 1)
    np.testing.assert_array_equal(ssim(truth, truth), [1, 1])
    assert np.all(ssim(truth, 1 - truth) < 0)


def test_groups_need_not_divide_the_samples(monkeypatch):
    monkeypatch.setattr(ssim_module, "_GROUP_PIXELS", 13 * 16 * 16)
    truth = _frames(2, 3, 16, 16, 1)
    samples = np.stack([_distorted(truth, 0.1 * number, number) for number in range(1, 5)])
    scores = ssim(truth, samples)
    assert scores.shape == [4, 2, 3]
    for place in np.ndindex(4, 2, 3):
        np.testing.assert_allclose(scores[place], _expected(truth[place[1:]], samples[place]), atol=1e-6)


def test_frames_broadcast_and_graphs_give_the_same_score():
    truth, predictions = _frames(1, 16, 16, 1), _frames(3, 16, 16, 1, seed=1)
    expected = [_expected(truth[0], prediction) for prediction in predictions]
    np.testing.assert_allclose(ssim(truth, predictions), expected, atol=1e-6)
    np.testing.assert_allclose(ssim(predictions, truth), expected, atol=1e-6)
    assert ssim(truth[0], predictions[0]).shape == []
    unknown = tf.function(ssim, input_signature=[tf.TensorSpec([None, None, 1])] * 2)
    np.testing.assert_allclose(unknown(truth[0], predictions[0]), expected[0], atol=1e-6)


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (_frames(10, 32, 1), _frames(10, 32, 1), "10x32 pixels.*at least 11x11"),
        (_frames(2, 16, 16, 1), _frames(2, 16, 16, 3), "do not match"),
    ],
)
def test_frames_that_do_not_match_are_refused(truth, prediction, message):
    with pytest.raises(ValueError, match=message):
        ssim(truth, prediction)
    with pytest.raises(ValueError, match="6x32 pixels.*at least 7x7"):
        ssim_svg(_frames(6, 32, 1), _frames(6, 32, 1))
