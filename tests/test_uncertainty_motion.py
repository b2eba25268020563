"""Generated motion around a wall hit, measured by template matching and compared with the rules."""

import numpy as np
import pytest
import tensorflow as tf

from svg_tf import rollout
from svg_tf.config import Config, ConfigError
from svg_tf.data.digits import load_digits
from svg_tf.data.moving_mnist import MovingMNIST, Truth
from svg_tf.uncertainty import motion, sequences
from svg_tf.uncertainty.motion import energy_distance

ONE = Config(
    digits="embedded", num_digits=1, digit_size=16, image_width=32, max_speed=2, n_past=4, n_future=8, n_eval=12
)
TWO = ONE.replace(num_digits=2, max_speed=3)
CLIPS = 20


@pytest.fixture(scope="module")
def example():
    return motion.find_hit(ONE, CLIPS)


def test_the_example_is_the_first_hit_of_a_first_digit_that_the_context_does_not_show(example):
    clip, hit = example
    ((_, truth),) = sequences.random_motions(ONE, CLIPS, ONE.n_frames)
    hits = np.flatnonzero(truth.wall_hits[clip, :, 0].any(-1))
    assert hit == hits[hits >= ONE.n_past - 1][0] and hit + 1 < ONE.n_frames
    with pytest.raises(ConfigError, match="no first digit hits a wall in 2 clips; raise --n_sequences"):
        motion.find_hit(ONE.replace(image_width=128, max_speed=1, n_future=2), 2)


def test_a_model_that_follows_the_rules_is_close_to_them(example, monkeypatch):
    source, (clip, hit) = MovingMNIST(ONE.replace(n_eval=ONE.n_frames), "test"), example

    def clip_itself(*_):
        frames, truth = source.frames_and_truth(tf.constant([clip], tf.int64))
        yield frames.numpy(), Truth(*(array.numpy() for array in truth))

    def generate(model, context, n_future, seeds):
        futures = source.futures(tf.constant(clip), 4, seeds[0] + 1).numpy()
        return rollout.Rollout(futures[np.newaxis] / np.float32(255), None)

    monkeypatch.setattr(sequences, "common_motion", clip_itself)
    monkeypatch.setattr(rollout, "generate", generate)
    steps = motion.compare(None, ONE, clip, hit, 1, 500, seed=0)
    assert [each.frame for each in steps] == list(range(max(4, hit - 1), min(12, hit + 5)))
    for each in steps:
        assert each.found == 1.0 and each.distance < 0.05 > each.same
        kinds = {tuple(step) for step in each.model.tolist()}
        assert kinds <= {tuple(step) for step in each.rules.tolist()}
        assert (len(kinds) == 1) == (each.frame <= hit)  # chance begins in the frame after the hit


def test_two_samples_of_one_distribution_are_close_and_others_are_not():
    a, b = np.random.default_rng(0).integers(-2, 3, [2, 3_000, 2])
    assert 0 <= energy_distance(a, b) < 0.01
    assert energy_distance(a, b + [1, 0]) > 0.2
    assert energy_distance(np.zeros([3, 2], int), np.full([4, 2], [3, 4])) == pytest.approx(10)
    # A point and a coin toss: |A - B| is 1, and two tosses are 2 apart in half of the cases: 2 - 0 - 1.
    assert energy_distance(np.zeros([2, 2], int), np.array([[1, 0], [-1, 0]])) == pytest.approx(1)


@pytest.mark.parametrize(("config", "exact"), [(ONE, 1.0), (TWO, 0.95)], ids=["one", "two"])
def test_digits_are_located_along_their_motion(config, exact):
    ((frames, truth),) = sequences.random_motions(config, 20, 20)
    digits = np.repeat(load_digits(config, "test")[truth.digits], 20, axis=0) / np.float32(255)
    places, scores = motion.locate(frames.reshape(-1, 32, 32) / np.float32(255), digits)
    off = abs(places - truth.positions.reshape(places.shape)).max(-1)
    assert (off == 0).mean() >= exact and (off <= 1).mean() > 0.99
    assert (scores > motion.FOUND).mean() > 0.99


def test_a_faint_and_noisy_digit_is_found_and_an_empty_frame_is_not():
    digit, rng = load_digits(ONE, "test")[3] / np.float32(255), np.random.default_rng(0)
    frames = np.zeros([16, 32, 32], np.float32)
    for y in range(16):
        frames[y, y : y + 16, 5:21] = digit
    noisy = np.clip(0.5 * frames + 0.05 * rng.standard_normal(frames.shape), 0, 1).astype(np.float32)
    places, scores = motion.locate(noisy, np.broadcast_to(digit, [16, 1, 16, 16]))
    assert places[:, 0].tolist() == [[y, 5] for y in range(16)] and scores.min() > motion.FOUND
    empty = np.concatenate([np.zeros([1, 32, 32]), np.full([1, 32, 32], 0.3), rng.random([4, 32, 32])])
    _, scores = motion.locate(empty.astype(np.float32), np.broadcast_to(digit, [6, 1, 16, 16]))
    assert np.isfinite(scores).all() and scores.max() < motion.FOUND
