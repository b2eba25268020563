"""The perfect predictor: futures of digits by the rules of their motion, given the context."""

import numpy as np
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data.moving_mnist import Truth, walk

_walk = tf.function(walk, reduce_retracing=True)


def continued(config: Config, truth: Truth, n_samples: int, n_frames: int, seed: int, stochastic: bool) -> np.ndarray:
    """Draws the futures that the context leaves open.

    They start a frame before the context's last: the velocity in that frame shows in the last one, whereas a
    velocity drawn in the last one shows in no frame of the context.

    Args:
        config: n_past, image_width, digit_size and max_speed are read.
        truth: of B clips, in NumPy arrays.
        n_samples: futures of each clip, S.
        n_frames: T, frames of the result, context included.
        seed: of the draws.
        stochastic: by the rules of the data; else every wall mirrors.

    Returns:
        Positions int32 [S, B, T, N, 2], those of the context as they were.
    """
    known = config.n_past - 1  # frames before the context's last
    places, velocities = truth.positions[:, known - 1], truth.velocities[:, known - 1]  # [B, N, 2]
    batch, digits = places.shape[:2]
    shape = [n_samples * batch, n_frames - known, digits, 4]
    redraws = np.random.default_rng(seed).integers(0, 1 << 32, shape)
    futures, _, _ = _walk(
        tf.constant(np.tile(places, [n_samples, 1, 1])),
        tf.constant(np.tile(velocities, [n_samples, 1, 1])),
        tf.constant(redraws),
        span=config.image_width - config.digit_size,
        max_speed=config.max_speed,
        stochastic=stochastic,
    )  # [S * B, T - known, N, 2]
    futures = futures.numpy().reshape(n_samples, batch, -1, digits, 2)
    context = np.broadcast_to(truth.positions[:, :known], [n_samples, batch, known, digits, 2])
    return np.concatenate([context, futures], axis=2)


def steps_after(positions: np.ndarray, clip: np.ndarray, digit: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """How far digits move from a frame to the next: positions [S, B, T, N, 2], indices [H] -> int [S, H, 2]."""
    return positions[:, clip, frame + 1, digit] - positions[:, clip, frame, digit]
