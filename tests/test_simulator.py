"""Tests of simulated futures, MovingMNIST.futures, and of svg_tf/data/reflected_mnist.py."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data.moving_mnist import MovingMNIST
from svg_tf.data.reflected_mnist import ReflectedMNIST, reflect

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"

CONFIG = Config(
    digits="embedded", num_digits=2, digit_size=16, image_width=32, max_speed=3, n_past=4, n_eval=20, n_future=5
)
SEEDS = np.arange(100, 140)
PUBLISHED = "1ebad34e9d6bfbc6"  # SHA-256 of the first 100 clips, as the authors' script draws them


@pytest.fixture
def fake_mnist(tmp_path):
    """Make a configuration whose MNIST digits are squares of different brightness: fake_mnist(n_eval=25)."""
    for stem, count in (("train-images", 60_000), ("t10k-images", 10_000)):
        images = np.zeros([count, 28, 28], np.uint8)
        images += (40 + np.arange(count, dtype=np.uint8) % 200)[:, None, None]
        with gzip.open(tmp_path / f"{stem}-idx3-ubyte.gz", "wb", compresslevel=1) as file:
            file.write(struct.pack(">4I", 0x803, count, 28, 28) + images.tobytes())
    return lambda **changes: Config(**{"n_past": 5, "n_eval": 25, "data_dir": str(tmp_path), **changes})


def _futures(config, clip, seeds=SEEDS):
    source = MovingMNIST(config, "test")
    futures = source.futures(tf.constant(clip, tf.int64), config.n_past, tf.constant(seeds, tf.int64))
    return source.frames(tf.constant([clip], tf.int64)).numpy()[0], futures.numpy()


def test_without_chance_the_simulator_predicts_the_truth():
    frames, futures = _futures(CONFIG.replace(motion="deterministic"), clip=3)
    assert futures.shape == (40, 16, 32, 32, 1)
    for future in futures:
        np.testing.assert_array_equal(future, frames[4:])


def test_all_futures_are_the_truth_until_a_wall_is_hit_and_then_differ():
    source, firsts = MovingMNIST(CONFIG, "test"), set()
    futures_of = tf.function(lambda clip: source.futures(clip, CONFIG.n_past, tf.constant(SEEDS, tf.int64)))
    clips, truths = tf.nest.map_structure(lambda x: x.numpy(), source.frames_and_truth(tf.range(30, dtype=tf.int64)))
    for clip in range(30):
        futures = futures_of(tf.constant(clip, tf.int64)).numpy()
        # The velocity drawn at a wall in the last context frame shows in the next frame only.
        hits = np.flatnonzero(truths.wall_hits[clip, CONFIG.n_past - 1 :].any(axis=(1, 2)))
        certain = hits[0] if len(hits) else 16  # frames after the context, including that of the hit
        agree = (futures == clips[clip, CONFIG.n_past :]).all(axis=(2, 3, 4))  # [S, T]
        assert agree[:, :certain].all()
        assert certain >= 15 or not agree[:, certain:].all()
        firsts.add(int(certain))
    assert {0, 1, 2} <= firsts  # including hits in the last context frame and in the one after it


def test_a_future_depends_on_its_seed_and_clip_alone():
    _, futures = _futures(CONFIG, 2)
    np.testing.assert_array_equal(_futures(CONFIG.replace(seed=5), 2, SEEDS[7:9])[1], futures[7:9])
    assert len({future.tobytes() for future in futures}) > 20


def test_reflections_of_hand_computed_steps():
    draws = iter([(2, -3), (-3, 1), (1, 2), (1, 1), (1, 2), (1, 1)])

    def velocity():
        return next(draws)

    # No hit: a position on the wall is inside.
    assert reflect((0.0, 36.0, -1, 2), 36, velocity) == (0.0, 36.0, -1, 2)
    # Two pixels beyond the wall at 0 are half a step of -4: from (0, 11) half a step of (2, -3) remains.
    assert reflect((-2.0, 12.0, -4, 2), 36, velocity) == (1.0, 9.5, 2, -3)
    # At 36 the component across the wall points away from it, whatever sign is drawn.
    assert reflect((12.0, 37.0, 0, 2), 36, velocity) == (10.5, 35.5, -3, -1)
    # A corner is both walls.
    assert reflect((38.0, 38.0, 4, 4), 36, velocity) == (35.5, 35.0, -1, -2)
    assert reflect((-3.0, 39.0, -3, 3), 36, velocity) == (1.0, 35.0, 1, -1)
    # From (34, 34.5) y = 36 is crossed first, at (36, 35.5) with half a step left: (-1, 2) for it leads to
    # (35.5, 36.5), past x = 36 at (35.75, 36) with a quarter left, for which it is (1, -1).
    assert reflect((38.0, 36.5, 4, 2), 36, velocity) == (36.0, 35.75, 1, -1)


def test_reflected_clips_show_their_digits_in_any_order(fake_mnist):
    source = ReflectedMNIST(fake_mnist())
    assert source.test_clips == 5_000
    clips = source.frames(np.array([0, 3])).numpy()
    assert clips.shape == (2, 25, 64, 64, 1) and clips.dtype == np.uint8
    np.testing.assert_array_equal(ReflectedMNIST(fake_mnist()).frames(np.array([3])).numpy()[0], clips[1])
    longer = ReflectedMNIST(fake_mnist(n_eval=40)).frames(np.array([3])).numpy()[0]
    np.testing.assert_array_equal(longer[:25], clips[1])
    # Two squares, whose brightness adds up where they overlap.
    first, second = (int(source._digits[source._order[6 + n]][0, 0]) for n in (0, 1))
    assert {0, first, second} <= set(np.unique(clips[1]).tolist()) <= {0, first, second, min(255, first + second)}


def test_reflected_futures_are_the_truth_until_a_wall_is_hit(fake_mnist):
    source = ReflectedMNIST(fake_mnist())
    seen = set()
    for clip in range(12):
        frames = source.frames(np.array([clip])).numpy()[0]
        futures = source.futures(clip, 5, SEEDS[:12]).numpy()
        assert futures.shape == (12, 20, 64, 64, 1)
        velocities = source._motions(clip)[:, 3:, 2:]
        turned = (velocities[:, 1:] != velocities[:, :-1]).any(axis=(0, 2))  # from frame 4 on, the last context frame
        certain = max(np.flatnonzero(turned)[0] - 1, 0)
        expected = np.broadcast_to(frames[5 : 5 + certain], futures[:, :certain].shape)
        np.testing.assert_array_equal(futures[:, :certain], expected)
        seen.add(bool(turned[0]))
        assert len({future.tobytes() for future in futures}) > 6
        np.testing.assert_array_equal(source.futures(clip, 5, SEEDS[3:5]).numpy(), futures[3:5])
    assert seen == {True, False}


@pytest.mark.skipif(not MNIST.is_dir(), reason="the real MNIST files are not available")
def test_the_reflected_test_set_is_the_published_one():
    """The checksum is that of the clips that the authors' script draws."""
    source = ReflectedMNIST(Config(n_past=5, n_eval=25, data_dir=str(MNIST)))
    clips = source.frames(np.arange(100)).numpy()
    assert hashlib.sha256(clips.tobytes()).hexdigest()[:16] == PUBLISHED
