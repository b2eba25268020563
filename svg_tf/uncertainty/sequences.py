"""Sequences of moving digits with what is known of them: many motions, or many digits on one motion.

The frames are those of the test split, drawn as long as one wants: a clip's first frames do not depend on its length.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data.digits import load_digits
from svg_tf.data.moving_mnist import MovingMNIST, Truth, render

_AT_ONCE = 20  # sequences in a batch, which bounds the memory
_SPLIT = "test"

Batch = tuple[np.ndarray, Truth]  # frames uint8 [B, T, W, W, 1] and their truth, in NumPy arrays


def random_motions(config: Config, n_sequences: int, n_frames: int, at_once: int = _AT_ONCE) -> Iterator[Batch]:
    """The first clips of the test split, each with its own digits and motion, in batches of at_once or fewer.

    Raises:
        DataError: the digits are missing or damaged.
    """
    source = MovingMNIST(config.replace(n_eval=n_frames), _SPLIT)
    for first in range(0, n_sequences, at_once):
        frames, truth = source.frames_and_truth(tf.range(first, min(first + at_once, n_sequences), dtype=tf.int64))
        yield frames.numpy(), Truth(*(array.numpy() for array in truth))


def common_motion(
    config: Config, clip: int, n_sets: int, n_frames: int, seed: int, at_once: int = _AT_ONCE
) -> Iterator[Batch]:
    """The motion of one clip of the test split with n_sets random sets of test digits, likewise in batches.

    No digit is used twice where there are enough of them.

    Raises:
        DataError: the digits are missing or damaged.
    """
    digits = load_digits(config, _SPLIT)  # [K, D, D]
    source = MovingMNIST(config.replace(n_eval=n_frames), _SPLIT)
    truth = Truth(*(array.numpy() for array in source.frames_and_truth(tf.constant([clip], tf.int64))[1]))
    shape = (n_sets, config.num_digits)
    few = n_sets * config.num_digits > len(digits)
    which = np.random.default_rng(seed).choice(len(digits), shape, replace=few)
    for first in range(0, n_sets, at_once):
        chosen = which[first : first + at_once]
        positions, velocities, hits = (np.repeat(array, len(chosen), axis=0) for array in truth[:3])
        frames = render(tf.constant(digits[chosen]), tf.constant(positions), config.image_width)
        yield frames.numpy(), Truth(positions, velocities, hits, chosen)


def turns(wall_hits: np.ndarray) -> np.ndarray:
    """The frames that chance decides: those that first show the velocity a digit took at a wall.

    A digit that hits a wall in frame t-1 is set back to it there, where its old velocity says it must be, and leaves
    with a new one: frame t-1 follows from the frames before, frame t does not. The prior of frame t,
    p(z[t] | x[0..t-1]), has seen the hit and not where it leads.

    Args:
        wall_hits: bool [B, T, N, 2], as in Truth.

    Returns:
        bool [B, T, N]; frame 0 shows no turn.
    """
    hits = np.any(wall_hits, axis=-1)
    return np.concatenate([np.zeros_like(hits[:, :1]), hits[:, :-1]], axis=1)
