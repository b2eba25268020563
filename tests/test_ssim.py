"""Tests of svg_tf/metrics/ssim.py."""

import math

import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import structural_similarity

from svg_tf.metrics import ssim as ssim_module
from svg_tf.metrics.ssim import ssim, ssim_svg


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


VARIANTS = [(ssim, _expected), (ssim_svg, _expected_svg)]


@pytest.mark.parametrize("shape", [[16, 24, 1], [32, 16, 3], [11, 11, 1]])
@pytest.mark.parametrize(("function", "expected"), VARIANTS, ids=["ssim", "ssim_svg"])
def test_samples_agree_with_scikit_image_in_groups_of_any_size(function, expected, shape, monkeypatch):
    monkeypatch.setattr(ssim_module, "_GROUP_PIXELS", 3 * 2 * math.prod(shape))  # groups of two and one sample
    truth = _frames(3, *shape)
    samples = np.stack([_distorted(truth, amount, seed) for seed, amount in enumerate((0.01, 0.1, 0.5))])
    scores = function(truth, samples)
    assert scores.dtype == tf.float32 and scores.shape == [3, 3]
    for place in np.ndindex(3, 3):
        np.testing.assert_allclose(scores[place], expected(truth[place[1]], samples[place]), atol=1e-6)


@pytest.mark.parametrize(("function", "expected"), VARIANTS, ids=["ssim", "ssim_svg"])
def test_half_black_and_half_white_frames_score_to_1e_5(function, expected):
    truth = np.zeros([4, 32, 32, 1], np.float32)
    truth[:, :, 16:] = 1
    amounts = (0, 0.003, 0.03, 0.1)
    predictions = np.stack([_distorted(frame, amount, 3) for frame, amount in zip(truth, amounts, strict=True)])
    for score, *pair in zip(function(truth, predictions), truth, predictions, strict=True):
        np.testing.assert_allclose(score, expected(*pair), atol=1e-5)


@pytest.mark.parametrize(("function", "c1"), [(ssim, 1e-4), (ssim_svg, 4e-4)], ids=["ssim", "ssim_svg"])
def test_flat_frames_have_their_closed_form(function, c1):
    truth = np.array([0.02, 0.5, 1.0], np.float32).reshape(3, 1, 1, 1) * np.ones([1, 16, 16, 1], np.float32)
    x = truth[:, 0, 0, 0].astype(np.float64)
    for share in (0.5, 0.99):
        y = share * x  # the data range, 1 or 2, scales the constant
        np.testing.assert_allclose(
            function(truth, np.float32(share) * truth), (2 * x * y + c1) / (x**2 + y**2 + c1), atol=1e-6
        )


def test_frames_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="10x32 pixels.*at least 11x11"):
        ssim(_frames(1, 10, 32, 1), _frames(1, 10, 32, 1))
    with pytest.raises(ValueError, match="6x32 pixels.*at least 7x7"):
        ssim_svg(_frames(1, 6, 32, 1), _frames(1, 6, 32, 1))
    with pytest.raises(ValueError, match="do not match"):
        ssim(_frames(2, 16, 16, 1), _frames(4, 16, 16, 1))
