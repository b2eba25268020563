"""Batch normalization with TensorFlow's fused kernel, synchronized over replicas that share a batch."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import keras
import tensorflow as tf

from svg_tf.models import replicas

_FROZEN = ContextVar("frozen", default=False)


@contextlib.contextmanager
def frozen_statistics() -> Iterator[None]:
    """Keep the moving statistics unchanged during a forward pass in training mode, for passes that are repeated."""
    token = _FROZEN.set(True)
    try:
        yield
    finally:
        _FROZEN.reset(token)


@keras.saving.register_keras_serializable(package="svg_tf")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalization over all axes but the last, with the original implementation's constants.

    Replaces the forward pass of `keras.layers.BatchNormalization`, which is composed of a dozen operations that each
    read or write the whole tensor: the fused kernel took 0.041 s instead of 0.142 s for 100x64x64x64 on two CPU cores.
    The moving variance is unbiased, as in PyTorch. Statistics, scale and shift are float32 in every compute dtype.
    Replicas that share a batch are normalized with the statistics of the whole batch.
    """

    def __init__(
        self,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        gamma_initializer: str | keras.initializers.Initializer | None = None,
        seed: int | keras.random.SeedGenerator | None = None,
        **kwargs,
    ):
        """Create the layer.

        Args:
            momentum: share of the moving statistics that each batch keeps.
            epsilon: added to the variance.
            gamma_initializer: of the scale; None: N(1, 0.02), as in the original implementation.
            seed: of the default gamma_initializer.
            **kwargs: arguments of `keras.layers.BatchNormalization`.
        """
        gamma_initializer = gamma_initializer or keras.initializers.RandomNormal(1.0, 0.02, seed=seed)
        super().__init__(momentum=momentum, epsilon=epsilon, gamma_initializer=gamma_initializer, **kwargs)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalize float [..., C] with the statistics of the batch (training) or the moving ones."""
        training = training and self.trainable
        maps = inputs if inputs.shape.rank == 4 else inputs[:, tf.newaxis, tf.newaxis, :]
        gamma, beta = self.gamma.value, self.beta.value
        if training and replicas.count() > 1:
            outputs, mean, variance = _synchronized(maps, gamma, beta, self.epsilon)
        else:
            moving = {} if training else {"mean": self.moving_mean.value, "variance": self.moving_variance.value}
            outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                maps, gamma, beta, epsilon=self.epsilon, is_training=bool(training), **moving
            )
        if training and not _FROZEN.get():
            self.moving_mean.assign(self.momentum * self.moving_mean + (1.0 - self.momentum) * mean)
            self.moving_variance.assign(self.momentum * self.moving_variance + (1.0 - self.momentum) * variance)
        return outputs if inputs.shape.rank == 4 else outputs[:, 0, 0, :]


def _synchronized(
    maps: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalize this replica's part of a batch with the whole batch's statistics; return them too, float32 [C]."""
    values = tf.cast(maps, tf.float32)
    mean, variance = keras.ops.moments(values, axes=[0, 1, 2], synchronized=True)
    outputs = tf.nn.batch_normalization(values, mean, variance, beta, gamma, epsilon)
    count = tf.cast(tf.reduce_prod(tf.shape(maps)[:-1]) * replicas.count(), tf.float32)
    unbiased = variance * count / (count - 1.0)
    return tf.cast(outputs, maps.dtype), tf.stop_gradient(mean), tf.stop_gradient(unbiased)


def rematerialize(block: Callable[..., tf.Tensor], *inputs: tf.Tensor, remat: bool) -> tf.Tensor:
    """Return block(*inputs); with remat, recompute it in the backward pass instead of storing its activations.

    Gradient checkpointing (Chen et al., 2016): same values and gradients, less memory, more time. The recomputation
    does not update the moving statistics of batch normalization a second time.
    """
    if not remat:
        return block(*inputs)
    passes = itertools.count()

    def run(*inputs):
        with contextlib.nullcontext() if next(passes) == 0 else frozen_statistics():
            return block(*inputs)

    return tf.recompute_grad(run)(*inputs)
