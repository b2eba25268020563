"""Tests of svg_tf/metrics/psnr.py."""

import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from svg_tf.metrics.psnr import decibels, mse, psnr


def _frames(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def test_a_constant_error_has_its_closed_form():
    truth = np.full([2, 8, 8, 1], 0.5, np.float32)
    prediction = truth + np.array([0.1, 0.01], np.float32).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(psnr(truth, prediction), [20, 40], atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_frame_of_each_sample_agrees_with_scikit_image(channels):
    truth, samples = _frames(3, 16, 12, channels), _frames(4, 3, 16, 12, channels, seed=1)
    scores, errors = psnr(truth, samples), mse(truth, samples)
    assert scores.dtype == errors.dtype == tf.float32 and scores.shape == [4, 3]
    for place in np.ndindex(4, 3):
        pair = truth[place[1:]], samples[place]
        np.testing.assert_allclose(scores[place], peak_signal_noise_ratio(*pair, data_range=1), rtol=1e-6)
        np.testing.assert_allclose(errors[place], mean_squared_error(*pair), rtol=1e-5)


def test_identical_frames_score_100_db_and_nothing_scores_more():
    truth = _frames(2, 8, 8, 3)
    np.testing.assert_allclose(psnr(truth, truth), 100, atol=1e-4)
    np.testing.assert_allclose(psnr(truth, truth + 1e-6), 100, atol=1e-4)
    errors = np.array([1.0, 0.1, 1e-10, 1e-12, 0.0])
    np.testing.assert_allclose(decibels(errors), [0, 10, 100, 100, 100], rtol=1e-12)


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (np.zeros([2, 8, 8, 1], np.uint8), _frames(2, 8, 8, 1), "truth is uint8"),
        (_frames(2, 8, 8, 1), _frames(2, 8, 8, 3), "do not match"),
        (_frames(2, 8, 8, 1), _frames(3, 8, 8, 1), "do not match"),
        (_frames(8, 8), _frames(8, 8), r"truth has shape \(8, 8\)"),
        (_frames(0, 8, 8, 1), _frames(0, 8, 8, 1), "at least one"),
    ],
)
def test_frames_that_do_not_match_are_refused(truth, prediction, message):
    with pytest.raises(ValueError, match=message):
        psnr(truth, prediction)
