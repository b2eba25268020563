"""Batch normalisation in one pass over memory, and over the batch that several replicas share."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import keras
import tensorflow as tf

from svg_tf.models import replicas

_HELD = ContextVar("held", default=False)


@contextlib.contextmanager
def statistics_held() -> Iterator[None]:
    """Inside, a training pass leaves the stored statistics as they are: it repeats one that has moved them."""
    token = _HELD.set(True)
    try:
        yield
    finally:
        _HELD.reset(token)


class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation over all axes but the last, by TensorFlow's fused kernel.

    Keras' own layer composes it of a dozen operations, each of which reads or writes the whole tensor; the fused
    kernel made a training step of the published models several times cheaper here. The arithmetic is that of the
    original implementation: epsilon 1e-5, a tenth of each batch's statistics into the stored ones, the stored
    variance without bias. Statistics, scale and shift are float32 whatever the compute dtype. Replicas that share a
    batch normalise by the statistics of the whole of it.
    """

    def __init__(self, *, seed: keras.random.SeedGenerator, **kwargs):
        super().__init__(
            momentum=0.9,
            epsilon=1e-5,
            gamma_initializer=keras.initializers.RandomNormal(1.0, 0.02, seed=seed),
            **kwargs,
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Float [..., C] -> float [..., C], by the batch's statistics (training) or the stored ones."""
        maps = inputs if inputs.shape.rank == 4 else inputs[:, tf.newaxis, tf.newaxis, :]
        if training and replicas.count() > 1:
            outputs, mean, variance = synchronised(maps, self.gamma.value, self.beta.value, self.epsilon)
        else:
            statistics = {} if training else {"mean": self.moving_mean.value, "variance": self.moving_variance.value}
            outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                maps, self.gamma.value, self.beta.value, epsilon=self.epsilon, is_training=bool(training), **statistics
            )
        if training and not _HELD.get():
            self.moving_mean.assign(self.momentum * self.moving_mean + (1.0 - self.momentum) * mean)
            self.moving_variance.assign(self.momentum * self.moving_variance + (1.0 - self.momentum) * variance)
        return outputs if inputs.shape.rank == 4 else outputs[:, 0, 0, :]


def synchronised(
    maps: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Batch normalisation of a part by the statistics of all replicas' parts, in a replica's context.

    The replicas exchange 2 C numbers on the way forth, their means and variances, which make those of the whole
    (Chan, Golub and LeVeque, 1983), and 2 C on the way back, the sums in the gradient (Ioffe & Szegedy, 2015).

    Args:
        maps: float [N, H, W, C], of the same N on all replicas.
        gamma: scale, float32 [C].
        beta: shift, float32 [C].
        epsilon: added to the variance.

    Returns:
        The outputs, like maps; the mean and the variance without bias of the whole batch, float32 [C] each, through
        which no gradient flows.
    """

    @tf.custom_gradient
    def normalise(maps, gamma, beta):
        values = tf.cast(maps, tf.float32)
        own = tf.stack(tf.nn.moments(values, [0, 1, 2]))  # [2, C]
        means, variances = tf.unstack(replicas.gather(own), axis=1)  # [R, C] each
        mean = tf.reduce_mean(means, axis=0)
        variance = tf.reduce_mean(variances + tf.math.squared_difference(means, mean), axis=0)
        rescale = tf.math.rsqrt(variance + epsilon)
        outputs = tf.nn.batch_normalization(values, mean, variance, beta, gamma, epsilon)
        count = tf.cast(tf.reduce_prod(tf.shape(maps)[:-1]), tf.float32)
        whole = count * replicas.count()

        def backward(upstream, *_):
            upstream = tf.cast(upstream, tf.float32)
            normalised = (values - mean) * rescale
            shift = tf.reduce_sum(upstream, axis=[0, 1, 2])
            scale = tf.reduce_sum(upstream * normalised, axis=[0, 1, 2])
            mean_shift, mean_scale = tf.unstack(replicas.average([tf.stack([shift, scale]) / count])[0])
            gradient = gamma * rescale * (upstream - mean_shift - normalised * mean_scale)
            return tf.cast(gradient, maps.dtype), scale, shift

        return (tf.cast(outputs, maps.dtype), mean, variance * whole / (whole - 1.0)), backward

    outputs, mean, variance = normalise(maps, gamma, beta)
    return outputs, tf.stop_gradient(mean), tf.stop_gradient(variance)
