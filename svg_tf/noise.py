"""Standard normal noise that is a pure function of its seed.

The bits are Philox's and the normals Box and Muller's: `tf.random.stateless_normal` draws other numbers under XLA
than without it, whereas Philox's bits are the same in both, so a program gives the same frames in both.
"""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

TRAINING_STREAM = 0
VALIDATION_STREAM = 1
_ROLLOUT_KEY = 0x5756_4753


def standard_normal(shape: Sequence[int | tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
    """N(0, 1) noise, float32 of the given shape, for a seed of int64 [2] (Box & Muller, 1958).

    The first axis can be cut short without a change to the rest: it is drawn in order.
    """
    bits = tf.random.stateless_uniform(
        [*shape, 2], seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )  # [..., 2]
    # 24 bits are what a float32 holds exactly; the radius' logarithm needs a number above 0.
    uniform = tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24
    radius = tf.sqrt(-2.0 * tf.math.log(uniform[..., 0] + 2.0**-25))
    return radius * tf.cos(2.0 * math.pi * uniform[..., 1])


def step_noise(shape: Sequence[int | tf.Tensor], seed: int, stream: int, step: tf.Tensor) -> tf.Tensor:
    """The noise of one training or validation step of a run: float32 of the given shape."""
    return standard_normal(shape, tf.stack([tf.constant(seed * 2 + stream, tf.int64), tf.cast(step, tf.int64)]))


def sample_seeds(seed: int, clips: Sequence[int], n_samples: int) -> np.ndarray:
    """One seed for each sample of each clip: int64 [B, S], all different.

    Args:
        seed: 0 to 2**31 - 1.
        clips: the number of each clip of the batch, 0 to 2**20 - 1, so that a clip's samples do not depend on the
            batch that it is in.
        n_samples: S, up to 4096.
    """
    numbers = np.asarray(clips, np.int64)
    if not (0 <= seed < 2**31 and 0 < n_samples <= 2**12 and np.all((numbers >= 0) & (numbers < 2**20))):
        raise ValueError(
            f"seed {seed} must lie below 2**31, n_samples {n_samples} in 1 to 4096 and the clips' numbers below 2**20"
        )
    return (seed << 32) + (numbers[:, np.newaxis] << 12) + np.arange(n_samples)


def rollout_noise(seeds: tf.Tensor, steps: int | tf.Tensor, z_dim: int) -> tf.Tensor:
    """The noise of samples: seeds int64 [B, S] -> float32 [steps, S, B, Z].

    A sample's noise depends on its own seed alone, and that of its first steps not on how many follow.
    """
    flat = tf.reshape(tf.transpose(seeds), [-1])  # [S * B]
    noise = tf.map_fn(
        lambda seed: standard_normal([steps, z_dim], tf.stack([seed, tf.constant(_ROLLOUT_KEY, tf.int64)])),
        flat,
        fn_output_signature=tf.TensorSpec([None, z_dim], tf.float32),
    )  # [S * B, steps, Z]
    noise = tf.reshape(noise, [tf.shape(seeds)[1], tf.shape(seeds)[0], steps, z_dim])
    return tf.transpose(noise, [2, 0, 1, 3])
