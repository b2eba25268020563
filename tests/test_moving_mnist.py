"""Tests of svg_tf/data/moving_mnist.py against a plain transcription of the original's rules, and of philox.py."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data.digits import load_digits
from svg_tf.data.moving_mnist import MovingMNIST, render, trajectories
from svg_tf.data.philox import random_bits

SMALL = Config(digits="embedded", digit_size=16, image_width=32, n_past=2, n_future=6, n_eval=20)
PAPER = Config(digits="embedded")
CLIPS = 4_000


def indices(count, first=0):
    return tf.range(first, first + count, dtype=tf.int64)


def path_by_the_rules(randint, n_frames, span, max_speed=4, stochastic=True):
    """Compute one digit's path, branch by branch. randint(name, frame, low, high) draws in low..high-1.

    Returns:
        positions, velocities and wall hits, each [T, 2] in (y, x).
    """
    sy, sx = randint("sy", 0, 0, span), randint("sx", 0, 0, span)
    dy, dx = randint("dy", 0, -max_speed, max_speed + 1), randint("dx", 0, -max_speed, max_speed + 1)
    positions, velocities, hits = [], [], []
    for t in range(n_frames):
        y_hit, x_hit = not 0 <= sy < span, not 0 <= sx < span
        if sy < 0:
            sy = 0
            if stochastic:
                dy, dx = randint("y away", t, 1, max_speed + 1), randint("y along", t, -max_speed, max_speed + 1)
            else:
                dy = -dy
        elif sy >= span:
            sy = span - 1
            if stochastic:
                dy, dx = randint("y away", t, -max_speed, 0), randint("y along", t, -max_speed, max_speed + 1)
            else:
                dy = -dy
        if sx < 0:
            sx = 0
            if stochastic:
                dx, dy = randint("x away", t, 1, max_speed + 1), randint("x along", t, -max_speed, max_speed + 1)
            else:
                dx = -dx
        elif sx >= span:
            sx = span - 1
            if stochastic:
                dx, dy = randint("x away", t, -max_speed, 0), randint("x along", t, -max_speed, max_speed + 1)
            else:
                dx = -dx
        positions.append((sy, sx))
        velocities.append((dy, dx))
        hits.append((y_hit, x_hit))
        sy, sx = sy + dy, sx + dx
    return np.array(positions), np.array(velocities), np.array(hits)


@pytest.mark.parametrize("stochastic", [True, False])
@pytest.mark.parametrize(("span", "max_speed"), [(32, 4), (5, 4), (1, 1), (3, 7)])
def test_every_path_is_that_of_the_rules_with_the_same_draws(stochastic, span, max_speed):
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 2**32, (8, 3, 4))
    redraws = rng.integers(0, 2**32, (8, 40, 3, 4))
    arrays = trajectories(tf.constant(starts), tf.constant(redraws), span, max_speed, stochastic)
    for b, n in np.ndindex(8, 3):

        def randint(name, t, low, high, b=b, n=n):
            if name in ("sy", "sx", "dy", "dx"):
                return low + starts[b, n, ("sy", "sx", "dy", "dx").index(name)] % (high - low)
            bits = redraws[b, t, n, ("y away", "x away", "y along", "x along").index(name)]
            # Away from the far wall the generator counts 1, 2, ... downwards: -1, -2, ...
            return high - 1 - bits % (high - low) if high == 0 else low + bits % (high - low)

        expected = path_by_the_rules(randint, 40, span, max_speed, stochastic)
        for array, values in zip(arrays, expected, strict=True):
            np.testing.assert_array_equal(array[b, :, n], values)


def test_positions_are_uniform_at_first_and_wall_hits_as_frequent_as_by_the_rules():
    generator = MovingMNIST(PAPER, "test")
    truth = tf.function(lambda i: generator.frames_and_truth(i)[1])(indices(CLIPS))
    # By the original's rules a digit hits a wall in 3.576 of 30 frames, counting a corner once (3.69 if twice).
    hits = truth.wall_hits.numpy().any(-1).sum(1)
    assert hits.mean() == pytest.approx(3.576, abs=4 * hits.std() / np.sqrt(hits.size))
    for values, expected in ((truth.positions, range(32)), (truth.velocities, range(-4, 5))):
        for axis in (0, 1):
            found, counts = np.unique(values[:, 0, :, axis], return_counts=True)
            mean, freedom = 2 * CLIPS / len(expected), len(expected) - 1
            assert found.tolist() == list(expected)
            assert abs((((counts - mean) ** 2 / mean).sum() - freedom) / np.sqrt(2 * freedom)) < 4


def test_every_digit_of_the_split_is_chosen_equally_often():
    generator = MovingMNIST(PAPER, "test")
    chosen = tf.function(lambda i: generator.frames_and_truth(i)[1].digits)(indices(CLIPS)).numpy()
    counts = np.bincount(chosen.ravel(), minlength=270)
    assert len(counts) == 270
    freedom, mean = 269, CLIPS * 2 / 270
    assert abs((((counts - mean) ** 2 / mean).sum() - freedom) / np.sqrt(2 * freedom)) < 4
    assert abs(np.corrcoef(chosen.T)[0, 1]) < 4 / np.sqrt(CLIPS)


@pytest.mark.parametrize(
    ("num_digits", "image_width", "digit_size"), [(1, 32, 16), (2, 64, 32), (3, 32, 31), (4, 32, 5), (2, 128, 32)]
)
def test_frames_are_the_clipped_sum_of_the_digits_at_their_positions(num_digits, image_width, digit_size):
    config = dataclasses.replace(SMALL, num_digits=num_digits, image_width=image_width, digit_size=digit_size)
    frames, truth = MovingMNIST(config, "validation").frames_and_truth(indices(6, first=3))
    images = load_digits(config, "validation")
    canvas = np.zeros((6, config.n_frames, image_width, image_width, 1), np.int64)
    for b, t, n in np.ndindex(6, config.n_frames, num_digits):
        y, x = truth.positions[b, t, n].numpy()
        canvas[b, t, y : y + digit_size, x : x + digit_size, 0] += images[truth.digits[b, n]]
    assert frames.dtype == tf.uint8
    np.testing.assert_array_equal(frames, np.minimum(canvas, 255))


def test_a_sum_of_bright_pixels_does_not_wrap_around():
    digits = tf.constant([[[[100]], [[100]], [[100]]]], tf.uint8)  # [B, N, D, D] = [1, 3, 1, 1]
    positions = tf.constant([[[[1, 2]] * 3, [[1, 2], [1, 2], [0, 0]]]])
    frames = render(digits, positions, 4)[0, ..., 0].numpy()
    assert (frames[0, 1, 2], frames[1, 1, 2], frames[1, 0, 0]) == (255, 200, 100)
    assert (frames > 0).sum() == 3


@pytest.mark.parametrize("motion", ["stochastic", "deterministic"])
def test_eager_graph_and_xla_draw_the_same_clips(motion):
    generator = MovingMNIST(dataclasses.replace(SMALL, motion=motion), "train")
    batch = tf.constant([0, 5, 2**31 + 1, 2**40], tf.int64)
    eager = tf.nest.flatten(generator.frames_and_truth(batch))
    for jit_compile in (False, True):
        compiled = tf.function(generator.frames_and_truth, jit_compile=jit_compile)
        for array, expected in zip(tf.nest.flatten(compiled(batch)), eager, strict=True):
            np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(generator.frames(batch), eager[0])


def test_a_clip_is_the_same_in_any_batch():
    generator = MovingMNIST(SMALL, "train")
    together = generator.frames(tf.constant([7, 1000, 3, 7], tf.int64)).numpy()
    for row, index in enumerate([7, 1000, 3, 7]):
        np.testing.assert_array_equal(together[row], generator.frames(tf.constant([index], tf.int64))[0])
    assert len({clip.tobytes() for clip in together}) == 3


@pytest.mark.parametrize("num_digits", [1, 2, 3])
def test_a_clips_first_frames_do_not_depend_on_its_length(num_digits):
    config = dataclasses.replace(SMALL, num_digits=num_digits)
    short = MovingMNIST(dataclasses.replace(config, n_eval=9), "test").frames(indices(5))
    np.testing.assert_array_equal(MovingMNIST(config, "test").frames(indices(5))[:, :9], short)


def test_training_clips_follow_the_seed_and_the_others_do_not():
    other = dataclasses.replace(SMALL, seed=2**31 - 1)
    for split, same in (("train", False), ("validation", True), ("test", True)):
        frames, others = (MovingMNIST(config, split).frames(indices(5)).numpy() for config in (SMALL, other))
        assert [np.array_equal(a, b) for a, b in zip(frames, others, strict=True)] == [same] * 5


def test_the_paths_of_the_splits_differ():
    starts = [
        MovingMNIST(SMALL, split).frames_and_truth(indices(9))[1].positions[:, :2]
        for split in ("train", "validation", "test")
    ]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not (starts[a] == starts[b]).numpy().all(axis=(1, 2, 3)).any()


def test_clips_have_n_eval_frames_in_the_test_and_n_frames_otherwise():
    shapes = {split: MovingMNIST(SMALL, split).frames(indices(3)).shape for split in ("train", "validation", "test")}
    assert shapes == {"train": (3, 8, 32, 32, 1), "validation": (3, 8, 32, 32, 1), "test": (3, 20, 32, 32, 1)}


@pytest.mark.parametrize("draws", [1, 11, 130])
def test_a_row_of_bits_equals_tensorflows_philox(draws):
    seeds = np.random.default_rng(draws).integers(-(2**63), 2**63 - 1, [5, 2], dtype=np.int64)
    seeds[0] = [0, 0]
    expected = [tf.random.stateless_uniform([draws], seed, None, None, tf.uint32, alg="philox") for seed in seeds]
    np.testing.assert_array_equal(
        random_bits(tf.constant(seeds[:, 0]), tf.constant(seeds[:, 1]), draws), np.stack(expected)
    )


def test_clips_are_drawn_without_a_loop_over_the_clips():
    graph = tf.function(MovingMNIST(SMALL, "train").frames).get_concrete_function(tf.TensorSpec([2], tf.int64)).graph
    loops = [operation for operation in graph.get_operations() if "While" in operation.type]
    assert len(loops) == 1  # over time
    assert not any("StatelessRandom" in operation.type for operation in graph.get_operations())
