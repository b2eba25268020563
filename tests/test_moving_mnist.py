"""Tests of svg_tf/data/moving_mnist.py against a plain transcription of the original's rules, and of philox.py."""

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data.digits import load_digits
from svg_tf.data.moving_mnist import MovingMNIST, walk
from svg_tf.data.philox import random_bits

SMALL = Config(digits="embedded", digit_size=16, image_width=32, n_past=2, n_future=6, n_eval=20)


def indices(count, first=0):
    return tf.range(first, first + count, dtype=tf.int64)


def path_by_the_rules(position, velocity, draw, n_frames, span, max_speed, stochastic):
    """Return positions, velocities and wall hits of a digit; draw(name, frame, low, high) is in low..high-1."""
    (sy, sx), (dy, dx) = position, velocity
    frames = []
    for t in range(n_frames):
        sy, sx = sy + dy, sx + dx
        y_hit, x_hit = not 0 <= sy < span, not 0 <= sx < span
        if y_hit:
            low, sy = sy < 0, 0 if sy < 0 else span - 1
            if stochastic:
                dy = draw("y away", t, 1, max_speed + 1) if low else draw("y away", t, -max_speed, 0)
                dx = draw("y along", t, -max_speed, max_speed + 1)
            else:
                dy = -dy
        if x_hit:
            low, sx = sx < 0, 0 if sx < 0 else span - 1
            if stochastic:
                dx = draw("x away", t, 1, max_speed + 1) if low else draw("x away", t, -max_speed, 0)
                dy = draw("x along", t, -max_speed, max_speed + 1)
            else:
                dx = -dx
        frames.append(((sy, sx), (dy, dx), (y_hit, x_hit)))
    return map(np.array, zip(*frames, strict=True))


@pytest.mark.parametrize("stochastic", [True, False])
@pytest.mark.parametrize(("span", "max_speed"), [(32, 4), (3, 7)])
def test_every_path_is_that_of_the_rules_with_the_same_draws(stochastic, span, max_speed):
    rng = np.random.default_rng(0)
    positions = rng.integers(0, span, (8, 3, 2), np.int32)
    velocities = rng.integers(-max_speed, max_speed + 1, (8, 3, 2), np.int32)
    redraws = rng.integers(0, 2**32, (8, 40, 3, 4))
    motion = "stochastic" if stochastic else "deterministic"
    config = Config(num_digits=1, image_width=64, digit_size=64 - span, max_speed=max_speed, motion=motion)
    arrays = walk(*map(tf.constant, (positions, velocities, redraws)), config)
    for b, n in np.ndindex(8, 3):

        def draw(name, t, low, high, b=b, n=n):
            bits = redraws[b, t, n, ("y away", "x away", "y along", "x along").index(name)]
            # Away from the far wall the generator counts 1, 2, ... downwards: -1, -2, ...
            return high - 1 - bits % (high - low) if high == 0 else low + bits % (high - low)

        path = path_by_the_rules(positions[b, n], velocities[b, n], draw, 40, span, max_speed, stochastic)
        for array, values in zip(arrays, path, strict=True):
            np.testing.assert_array_equal(array[b, :, n], values)


@pytest.mark.parametrize(("num_digits", "image_width", "digit_size"), [(2, 64, 32), (3, 32, 31)])
def test_frames_are_the_clipped_sum_of_the_digits_at_their_positions(num_digits, image_width, digit_size):
    config = SMALL.replace(num_digits=num_digits, image_width=image_width, digit_size=digit_size)
    frames, truth = MovingMNIST(config, "validation").frames_and_truth(indices(6, first=3))
    images = load_digits(config, "validation")
    canvas = np.zeros((6, config.n_frames, image_width, image_width, 1), np.int64)
    for b, t, n in np.ndindex(6, config.n_frames, num_digits):
        y, x = truth.positions[b, t, n].numpy()
        canvas[b, t, y : y + digit_size, x : x + digit_size, 0] += images[truth.digits[b, n]]
    assert frames.dtype == tf.uint8
    np.testing.assert_array_equal(frames, np.minimum(canvas, 255))


def test_eager_and_xla_draw_the_same_clips():
    generator = MovingMNIST(SMALL, "train")
    batch = tf.constant([0, 5, 2**31 + 1, 2**40], tf.int64)
    eager = tf.nest.flatten(generator.frames_and_truth(batch))
    compiled = tf.nest.flatten(tf.function(generator.frames_and_truth, jit_compile=True)(batch))
    for array, expected in zip(compiled, eager, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_a_clip_depends_neither_on_its_batch_nor_on_its_length_and_in_training_only_on_the_seed():
    clips = MovingMNIST(SMALL, "test").frames(indices(5)).numpy()
    assert clips.shape == (5, 20, 32, 32, 1) and len({clip.tobytes() for clip in clips}) == 5
    short = MovingMNIST(SMALL.replace(n_eval=9), "test").frames(tf.constant([3, 0], tf.int64))
    np.testing.assert_array_equal(clips[[3, 0], :9], short)
    for split, same in (("train", False), ("validation", True), ("test", True)):
        configs = SMALL, SMALL.replace(seed=2**31 - 1)
        frames, others = (MovingMNIST(config, split).frames(indices(2)).numpy() for config in configs)
        assert [np.array_equal(a, b) for a, b in zip(frames, others, strict=True)] == [same] * 2


@pytest.mark.parametrize("draws", [1, 130])
def test_a_row_of_bits_equals_tensorflows_philox(draws):
    seeds = np.random.default_rng(draws).integers(-(2**63), 2**63 - 1, [5, 2], dtype=np.int64)
    seeds[0] = [0, 0]
    expected = [tf.random.stateless_uniform([draws], seed, None, None, tf.uint32, alg="philox") for seed in seeds]
    np.testing.assert_array_equal(
        random_bits(tf.constant(seeds[:, 0]), tf.constant(seeds[:, 1]), draws), np.stack(expected)
    )
