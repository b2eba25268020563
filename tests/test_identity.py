"""Tests of svg_tf/metrics/identity.py."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from svg_tf.config import Config
from svg_tf.data.digits import load_digits
from svg_tf.data.moving_mnist import MovingMNIST
from svg_tf.metrics.identity import DigitIdentity

CONFIG = Config(digits="embedded", num_digits=1, digit_size=16, image_width=32, max_speed=2, n_past=5, n_eval=15)


@pytest.fixture(scope="module")
def identity():
    return DigitIdentity(CONFIG)


def _labels():
    """Return the labels of the embedded test digits, by their pixels."""
    stored = datasets.load_digits()
    labels = {
        image.astype(np.uint8).tobytes(): label for image, label in zip(stored.images, stored.target, strict=True)
    }
    images = load_digits(CONFIG.replace(digit_size=8), "test")
    return np.array([labels[np.rint(image * (16 / 255)).astype(np.uint8).tobytes()] for image in images])


def test_97_percent_of_the_true_test_frames_get_their_label_at_every_place(identity):
    digits, labels = load_digits(CONFIG, "test") / np.float32(255), _labels()
    for y, x in ((0, 0), (7, 9), (16, 15)):
        frames = np.zeros([len(digits), 32, 32, 1], np.float32)
        frames[:, y : y + 16, x : x + 16, 0] = digits
        assert (identity.classify(frames) == labels).mean() >= 0.97


def test_a_clip_keeps_its_digit_until_another_digit_takes_its_place(identity):
    clips, truth = MovingMNIST(CONFIG, "test").frames_and_truth(tf.range(20, dtype=tf.int64))
    clips, labels = clips.numpy() / np.float32(255), _labels()[truth.digits.numpy()[:, 0]]
    first, other = clips[0], clips[np.argmax(labels != labels[0])]
    mixed = np.concatenate([first[5:9], other[9:]])
    samples = np.stack([first[5:], mixed, 0.5 * first[5:], np.zeros_like(mixed)])
    kept = identity.measure(first[:5], None, samples)
    assert kept.dtype == np.float32
    np.testing.assert_array_equal(kept, [[1] * 10, [1] * 4 + [0] * 6, [1] * 10, [0] * 10])  # faint, then black
    blurred = tf.nn.avg_pool2d(clips[:, -1], 3, 1, "SAME").numpy()
    assert (identity.classify(blurred) == identity.classify(clips[:, -1])).mean() >= 0.95
    assert np.mean([identity.measure(clip[:5], None, clip[np.newaxis, 5:]) for clip in clips]) == 1
