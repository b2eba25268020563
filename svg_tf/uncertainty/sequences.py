"""Test clips of moving digits with their ground truth, as long as needed."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data.moving_mnist import MovingMNIST, Truth, render

_BATCH_SIZE = 20

Batch = tuple[np.ndarray, Truth]  # frames uint8 [B, T, W, W, 1] and their truth in NumPy arrays


def random_motions(config: Config, n_sequences: int, n_frames: int) -> Iterator[Batch]:
    """Yield the first test clips, extended to n_frames, in batches of 20."""
    source = MovingMNIST(config.replace(n_eval=n_frames), "test")
    for first in range(0, n_sequences, _BATCH_SIZE):
        indices = tf.range(first, min(first + _BATCH_SIZE, n_sequences), dtype=tf.int64)
        frames, truth = source.frames_and_truth(indices)
        yield frames.numpy(), Truth(*(array.numpy() for array in truth))


def common_motion(config: Config, clip: int, n_sets: int, n_frames: int, seed: int) -> Iterator[Batch]:
    """Yield the motion of one test clip with n_sets random sets of test digits, in batches of 20.

    No digit is used twice if there are enough.
    """
    source = MovingMNIST(config.replace(n_eval=n_frames), "test")
    digits = source.digits.numpy()
    truth = Truth(*(array.numpy() for array in source.frames_and_truth(tf.constant([clip], tf.int64))[1]))
    shape = (n_sets, config.num_digits)
    which = np.random.default_rng(seed).choice(len(digits), shape, replace=n_sets * config.num_digits > len(digits))
    for first in range(0, n_sets, _BATCH_SIZE):
        chosen = which[first : first + _BATCH_SIZE]
        positions, velocities, hits = (np.repeat(array, len(chosen), axis=0) for array in truth[:3])
        frames = render(tf.constant(digits[chosen]), tf.constant(positions), config.image_width)
        yield frames.numpy(), Truth(positions, velocities, hits, chosen)


def turns(wall_hits: np.ndarray) -> np.ndarray:
    """Return the frames that first show the velocity drawn at a wall, bool [B, T, N], from `Truth.wall_hits`.

    A digit that hits a wall in frame t-1 is set back to the wall, as its old velocity implies, and leaves with a
    random velocity. So the prior of frame t, p(z[t] | x[0..t-1]), has seen the hit but not the new velocity.
    """
    hits = np.any(wall_hits, axis=-1)
    return np.concatenate([np.zeros_like(hits[:, :1]), hits[:, :-1]], axis=1)
