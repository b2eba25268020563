"""The objective: the evidence lower bound of Denton & Fergus (2018), equation 6, in the original's reductions."""

from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

# Beyond these a float32 KL or its gradient's square overflows: exp(2 * 40) is still finite.
LOGVAR_LIMIT = 20.0


class Losses(NamedTuple):
    """float32 scalars. `loss = reconstruction_loss + beta * kl`."""

    loss: tf.Tensor
    reconstruction_loss: tf.Tensor
    kl: tf.Tensor


def stddev(logvar: tf.Tensor) -> tf.Tensor:
    """Sigma from log sigma^2, float32 of the same shape; the logarithm is limited to -20..20."""
    return tf.exp(0.5 * tf.clip_by_value(logvar, -LOGVAR_LIMIT, LOGVAR_LIMIT))


def gaussian(mean: tf.Tensor, logvar: tf.Tensor) -> tfp.distributions.Distribution:
    """N(mean, diag(exp(logvar))), a distribution over the last axis."""
    return tfp.distributions.Independent(tfp.distributions.Normal(mean, stddev(logvar)), 1)


def reconstruction_loss(frames: tf.Tensor, predictions: tf.Tensor) -> tf.Tensor:
    """Squared error, summed over time steps and averaged over the rest: float32 [T, B, H, W, C] twice -> scalar.

    In time-major order; the original adds one `nn.MSELoss` a step.
    """
    steps = tf.cast(tf.shape(frames)[0], tf.float32)
    return steps * tf.reduce_mean(tf.math.squared_difference(frames, predictions))


def kl_divergence(posterior: tuple[tf.Tensor, tf.Tensor], prior: tuple[tf.Tensor, tf.Tensor] | None) -> tf.Tensor:
    """KL(q || p), summed over z and time steps, averaged over the batch: (mean, logvar) float32 [T, B, Z] -> scalar.

    A prior of None is N(0, I), that of SVG-FP.
    """
    if prior is None:
        prior = (tf.zeros_like(posterior[0]), tf.zeros_like(posterior[1]))
    divergence = tfp.distributions.kl_divergence(gaussian(*posterior), gaussian(*prior))  # [T, B]
    return tf.reduce_sum(tf.reduce_mean(divergence, axis=1))
