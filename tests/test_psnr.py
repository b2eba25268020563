"""Tests of svg_tf/metrics/psnr.py."""

import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from svg_tf.metrics.psnr import decibels, mse, psnr, psnr_video


def _frames(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def test_constant_errors_have_their_closed_form():
    truth = np.full([2, 8, 8, 1], 0.5, np.float32)
    prediction = truth + np.array([0.1, 0.01], np.float32).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(psnr(truth, prediction), [20, 40], atol=1e-4)
    np.testing.assert_allclose(psnr_video(truth, prediction), [-10 * np.log10(0.5 * (1e-2 + 1e-4))] * 2, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_frame_of_each_sample_agrees_with_scikit_image(channels):
    truth, samples = _frames(3, 16, 12, channels), _frames(4, 3, 16, 12, channels, seed=1)
    scores, errors = psnr(truth, samples), mse(truth, samples)
    of_video = np.broadcast_to(-10 * np.log10(np.mean(errors, axis=1, keepdims=True)), [4, 3])
    np.testing.assert_allclose(psnr_video(truth, samples), of_video, rtol=1e-5)
    assert scores.dtype == errors.dtype == tf.float32 and scores.shape == [4, 3]
    for place in np.ndindex(4, 3):
        pair = truth[place[1:]], samples[place]
        np.testing.assert_allclose(scores[place], peak_signal_noise_ratio(*pair, data_range=1), rtol=1e-6)
        np.testing.assert_allclose(errors[place], mean_squared_error(*pair), rtol=1e-5)


def test_identical_frames_score_100_db_and_nothing_scores_more():
    truth = _frames(2, 8, 8, 3)
    for metric in (psnr, psnr_video):
        np.testing.assert_allclose(metric(truth, truth), [100, 100], atol=1e-4)
    errors = np.array([1.0, 0.1, 1e-10, 1e-12, 0.0])
    np.testing.assert_allclose(decibels(errors), [0, 10, 100, 100, 100], rtol=1e-12)


def test_frames_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match=r"truth is uint8; .*Divide uint8 by 255"):
        psnr(np.zeros([2, 8, 8, 1], np.uint8), _frames(2, 8, 8, 1))
    with pytest.raises(ValueError, match="differ in H, W or C"):
        psnr(_frames(2, 8, 8, 1), _frames(2, 8, 8, 3))
