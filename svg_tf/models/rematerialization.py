"""Memory for time: tensors that the backward pass makes again instead of keeping them (Chen et al., 2016)."""

import itertools
from collections.abc import Callable

import tensorflow as tf

from svg_tf.models.batch_norm import statistics_held


def apply(block: Callable[..., tf.Tensor], *inputs: tf.Tensor, remat: bool) -> tf.Tensor:
    """block(*inputs); with remat only the inputs are kept for the backward pass, to the same values and gradients.

    Batch normalisation inside moves its stored statistics the first time only.
    """
    if not remat:
        return block(*inputs)
    passes = itertools.count()

    def once_more(*inputs):
        if next(passes) == 0:
            return block(*inputs)
        with statistics_held():
            return block(*inputs)

    return tf.recompute_grad(once_more)(*inputs)
