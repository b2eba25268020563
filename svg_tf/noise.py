"""Standard normal noise as a pure function of a seed.

Replaces `tf.random.stateless_normal`, which draws other numbers with XLA than without. The bits of the Philox generator
are the same in both, so a Box-Muller transform of them gives the same frames.
"""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

TRAINING_STREAM = 0
VALIDATION_STREAM = 1
_ROLLOUT_KEY = 0x5756_4753
_UNIFORM_KEY = 0x5353 << 32  # above the first word of every seed of step_noise


def standard_normal(shape: Sequence[int | tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
    """Return N(0, 1) noise, float32 of the given shape, for a seed int64 [2] (Box & Muller, 1958).

    Numbers are drawn in order: a shorter first axis gives the same leading numbers.
    """
    bits = tf.random.stateless_uniform(
        [*shape, 2], seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )  # [..., 2]
    # A float32 holds 24 bits exactly. The offset keeps the argument of the logarithm above 0.
    uniform = tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24
    radius = tf.sqrt(-2.0 * tf.math.log(uniform[..., 0] + 2.0**-25))
    return radius * tf.cos(2.0 * math.pi * uniform[..., 1])


def step_noise(shape: Sequence[int | tf.Tensor], seed: int, stream: int, step: tf.Tensor) -> tf.Tensor:
    """Return the noise of one training or validation step, float32 of the given shape."""
    return standard_normal(shape, tf.stack([tf.constant(seed * 2 + stream, tf.int64), tf.cast(step, tf.int64)]))


def step_uniform(shape: Sequence[int | tf.Tensor], seed: int, step: tf.Tensor) -> tf.Tensor:
    """Return uniform numbers in [0, 1) for one training step, float32 of the given shape."""
    key = tf.stack([tf.constant(seed + _UNIFORM_KEY, tf.int64), tf.cast(step, tf.int64)])
    return tf.random.stateless_uniform(shape, key, alg="philox")


def sample_seeds(seed: int, clips: Sequence[int], n_samples: int) -> np.ndarray:
    """Return a different seed for each sample of each clip, int64 [B, S].

    Args:
        seed: 0 to 2**31 - 1.
        clips: number of each clip, 0 to 2**20 - 1; the samples of a clip depend on its number, not on its batch.
        n_samples: S, 1 to 4096.

    Raises:
        ValueError: an argument is out of its range.
    """
    numbers = np.asarray(clips, np.int64)
    if not (0 <= seed < 2**31 and 0 < n_samples <= 2**12 and np.all((numbers >= 0) & (numbers < 2**20))):
        raise ValueError(
            f"seed is {seed} and n_samples {n_samples}; the seed must be below 2**31, n_samples 1 to 4096 and clip "
            "numbers below 2**20."
        )
    return (seed << 32) + (numbers[:, np.newaxis] << 12) + np.arange(n_samples)


def rollout_noise(seeds: tf.Tensor, steps: int | tf.Tensor, z_dim: int) -> tf.Tensor:
    """Return the noise of samples: seeds int64 [B, S] -> float32 [steps, B, S, Z].

    The noise of a sample depends on its own seed only; more steps append to it.
    """
    flat = tf.reshape(seeds, [-1])  # [B * S]
    noise = tf.map_fn(
        lambda seed: standard_normal([steps, z_dim], tf.stack([seed, tf.constant(_ROLLOUT_KEY, tf.int64)])),
        flat,
        fn_output_signature=tf.TensorSpec([None, z_dim], tf.float32),
    )  # [B * S, steps, Z]
    noise = tf.reshape(noise, [tf.shape(seeds)[0], tf.shape(seeds)[1], steps, z_dim])
    return tf.transpose(noise, [2, 0, 1, 3])
