"""The objective: the evidence lower bound of Denton & Fergus (2018), equation 6, with the original's reductions."""

from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

# Outside this range a float32 KL divergence, or the square of its gradient, overflows.
LOGVAR_LIMIT = 20.0


class Losses(NamedTuple):
    """Parts of the objective, float32 scalars: `loss = reconstruction_loss + beta * kl`."""

    loss: tf.Tensor
    reconstruction_loss: tf.Tensor
    kl: tf.Tensor


def stddev(logvar: tf.Tensor) -> tf.Tensor:
    """Return sigma for log sigma^2, float32 of the same shape; the logarithm is clipped to -20..20."""
    return tf.exp(0.5 * tf.clip_by_value(logvar, -LOGVAR_LIMIT, LOGVAR_LIMIT))


def sample(gaussian: tuple[tf.Tensor, tf.Tensor], noise: tf.Tensor) -> tf.Tensor:
    """Return mean + sigma * noise for (mean, logvar) float32 [..., Z] and N(0, 1) noise that broadcasts to it."""
    mean, logvar = gaussian
    return mean + stddev(logvar) * noise


def gaussian(mean: tf.Tensor, logvar: tf.Tensor) -> tfp.distributions.Distribution:
    """Return N(mean, diag(exp(logvar))), a distribution over the last axis."""
    return tfp.distributions.Independent(tfp.distributions.Normal(mean, stddev(logvar)), 1)


def reconstruction_loss(frames: tf.Tensor, predictions: tf.Tensor) -> tf.Tensor:
    """Return the squared error, summed over time steps and averaged over all other axes.

    The original adds one `nn.MSELoss` per step.

    Args:
        frames: float32 [T, B, H, W, C].
        predictions: float32 [T, B, H, W, C].
    """
    steps = tf.cast(tf.shape(frames)[0], tf.float32)
    return steps * tf.reduce_mean(tf.math.squared_difference(frames, predictions))


def kl_divergence(posterior: tuple[tf.Tensor, tf.Tensor], prior: tuple[tf.Tensor, tf.Tensor] | None) -> tf.Tensor:
    """Return KL(q || p), summed over z and time steps and averaged over the batch.

    Args:
        posterior: mean and logvar of q, float32 [T, B, Z] each.
        prior: mean and logvar of p; None: N(0, I), the prior of SVG-FP.
    """
    if prior is None:
        prior = (tf.zeros_like(posterior[0]), tf.zeros_like(posterior[1]))
    divergence = tfp.distributions.kl_divergence(gaussian(*posterior), gaussian(*prior))  # [T, B]
    return tf.reduce_sum(tf.reduce_mean(divergence, axis=1))
