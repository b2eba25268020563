"""Tests of svg_tf/uncertainty/tracking.py on digits whose places are known."""

from pathlib import Path

import numpy as np
import pytest

from svg_tf.config import Config
from svg_tf.data.digits import load_digits
from svg_tf.uncertainty import sequences, tracking

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"
ONE = Config(digits="embedded", num_digits=1, digit_size=16, image_width=32)
TWO = Config(digits="embedded", num_digits=2, digit_size=32, image_width=64)


def true_frames(config, clips=20, frames=10):
    """Frames in [0, 1], the digits in them and their places, of all frames of some test clips."""
    images, shape = load_digits(config, "test"), (clips * frames, config.num_digits)
    ((videos, truth),) = sequences.random_motions(config, clips, frames)
    digits = np.repeat(images[truth.digits], frames, axis=0) / np.float32(255)
    return videos.reshape(-1, *videos.shape[2:4]) / np.float32(255), digits, truth.positions.reshape(*shape, 2)


def place(digit, y, x, width=32):
    frame = np.zeros([1, width, width], np.float32)
    frame[0, y : y + digit.shape[0], x : x + digit.shape[1]] = digit
    return frame


@pytest.fixture(scope="module")
def digit():
    return load_digits(ONE, "test")[3] / np.float32(255)


def test_a_single_digit_is_found_exactly_along_its_whole_motion():
    frames, digits, places = true_frames(ONE)
    found, scores = tracking.locate(frames, digits)
    np.testing.assert_array_equal(found, places)
    np.testing.assert_allclose(scores, 1, atol=1e-4)


@pytest.mark.parametrize(
    "config",
    [
        TWO,
        pytest.param(
            TWO.replace(digits="mnist", data_dir=str(MNIST)),
            marks=pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST's files are not here"),
        ),
    ],
    ids=["embedded", "mnist"],
)
def test_two_digits_are_found_to_a_pixel_though_they_overlap(config):
    frames, digits, places = true_frames(config)
    assert (abs(places[:, 0] - places[:, 1]).max(-1) < 16).mean() > 0.4  # many do
    found, scores = tracking.locate(frames, digits)
    off = abs(found - places).max(-1)
    assert (off == 0).mean() > 0.98
    assert (off <= 1).mean() > 0.99
    assert (scores > tracking.FOUND).mean() > 0.99


@pytest.mark.parametrize("corner", [(0, 0), (0, 16), (16, 0), (16, 16), (7, 3)])
def test_a_digit_is_found_everywhere_in_the_frame(digit, corner):
    found, _ = tracking.locate(place(digit, *corner), digit[np.newaxis, np.newaxis])
    assert found.tolist() == [[list(corner)]]


def test_every_digit_is_told_from_the_other(digit):
    other = load_digits(ONE, "test")[5] / np.float32(255)
    frame = place(digit, 2, 14) + place(other, 15, 1)
    found, scores = tracking.locate(frame, np.stack([digit, other])[np.newaxis])
    assert found.tolist() == [[[2, 14], [15, 1]]]
    assert scores.min() > 0.95


def test_a_faint_and_noisy_digit_is_found_as_well(digit):
    rng = np.random.default_rng(0)
    frames = np.concatenate([place(digit, y, 5) for y in range(16)])
    noisy = np.clip(0.5 * frames + 0.05 * rng.standard_normal(frames.shape), 0, 1).astype(np.float32)
    found, scores = tracking.locate(noisy, np.broadcast_to(digit, [16, 1, 16, 16]))
    assert found[:, 0].tolist() == [[y, 5] for y in range(16)]
    assert scores.min() > tracking.FOUND


def test_a_frame_without_the_digit_is_not_taken_for_it(digit):
    rng = np.random.default_rng(0)
    empty = np.zeros([1, 32, 32], np.float32)
    frames = np.concatenate([empty, empty + 0.3, rng.random([4, 32, 32], np.float32)])
    _, scores = tracking.locate(frames, np.broadcast_to(digit, [6, 1, 16, 16]))
    assert np.isfinite(scores).all()
    assert scores.max() < tracking.FOUND


def test_frames_are_located_each_by_itself_in_any_number(digit, monkeypatch):
    frames, digits, _ = true_frames(TWO, clips=3)
    whole = tracking.locate(frames, digits)
    monkeypatch.setattr(tracking, "_AT_ONCE", 7)
    for array, expected in zip(tracking.locate(frames, digits), whole, strict=True):
        np.testing.assert_array_equal(array, expected)
