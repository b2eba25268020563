"""The plain forms of what the model does cleverly, to measure what each trick is worth.

They compute the same function of the same weights, but where batch normalisation sees other batches.
"""

from functools import partial
from typing import Any

import keras
import tensorflow as tf

from svg_tf import losses
from svg_tf.models.batch_norm import BatchNorm
from svg_tf.models.layers import SkipConv
from svg_tf.models.lstm import StackState
from svg_tf.models.svg import SVG, Outputs, time_major


class FrameByFrame(SVG):
    """Every network sees one frame at a time, as the original implementation has it."""

    def call(self, frames: tf.Tensor, noise: tf.Tensor | None = None, training: bool = False) -> Outputs:
        """As SVG.call; batch normalisation then sees the batch of one time step."""
        frames = time_major(frames)
        batch = tf.shape(frames)[1]
        encoded = [self.encode(frames[t : t + 1], training) for t in range(frames.shape[0])]
        networks = (self.posterior, self.prior, self.frame_predictor)
        states: dict[Any, StackState] = {each: each.initial_state(batch) for each in networks if each is not None}
        steps = []
        for t in range(1, frames.shape[0]):
            inputs, z, posterior, prior = encoded[t - 1][0], None, None, None
            if self.posterior is not None:
                posterior, states[self.posterior] = self.posterior(encoded[t][0], states[self.posterior])
                z = posterior[0] + losses.stddev(posterior[1]) * (0.0 if noise is None else noise[t - 1 : t])
            if self.prior is not None:
                prior, states[self.prior] = self.prior(inputs, states[self.prior])
            if z is not None:
                inputs = tf.concat([inputs, z], axis=-1)
            g, states[self.frame_predictor] = self.frame_predictor(inputs, states[self.frame_predictor])
            skips = encoded[min(t, self.skip_frames or t) - 1][1]
            predictions = self.decoder(g, self.decoder.project_skips(skips), training=training)
            steps.append(Outputs(predictions, inputs, g, z, posterior, prior))
        h = tf.concat([code for code, _ in encoded], axis=0)
        joined = [_join([getattr(step, name) for step in steps]) for name in Outputs._fields]
        return Outputs(*joined)._replace(h=h)


def concatenate_skips(model: SVG) -> SVG:
    """Makes the decoder convolve [maps, skip], with the skip of every frame laid beside its maps."""
    for layer in model._flatten_layers():
        if isinstance(layer, SkipConv):
            layer.project = tf.identity  # type: ignore[method-assign]  # of this one layer, for a measurement
            layer.call = partial(_concatenated, layer)  # type: ignore[method-assign]  # likewise
    return model


def keras_batch_norm(model: SVG) -> SVG:
    """Makes batch normalisation that of Keras, composed of single operations."""
    for layer in model._flatten_layers():
        if isinstance(layer, BatchNorm):
            plain_call = partial(keras.layers.BatchNormalization.call, layer)
            layer.call = plain_call  # type: ignore[method-assign]  # likewise
    return model


def _concatenated(layer: SkipConv, maps: tf.Tensor, skip: tf.Tensor) -> tf.Tensor:
    """Maps [N * B, H, W, C] and skips [K, B, H, W, C'] -> [N * B, H', W', filters]."""
    frames = tf.shape(maps)[0] // tf.shape(skip)[1]
    which = tf.minimum(tf.range(frames), tf.shape(skip)[0] - 1)
    beside = tf.reshape(tf.gather(skip, which), [-1, *skip.shape[2:]])
    both = tf.concat([maps, tf.cast(beside, maps.dtype)], axis=-1)
    axis = 3 if isinstance(layer.conv, keras.layers.Conv2DTranspose) else 2  # that of the inputs' channels
    kernel = tf.concat([layer.conv.kernel, layer.skip_conv.kernel], axis=axis)
    kernel = tf.cast(kernel, both.dtype)
    if axis == 2:
        outputs = tf.nn.conv2d(both, kernel, layer.conv.strides, "SAME")
    else:
        size = [tf.shape(both)[0], *(2 * side for side in both.shape[1:3]), layer.conv.filters]
        outputs = tf.nn.conv2d_transpose(both, kernel, size, layer.conv.strides, "SAME")
    return tf.nn.bias_add(outputs, tf.cast(layer.conv.bias, outputs.dtype))


def _join(parts: list) -> Any:
    """Tensors of single steps, or pairs of them, along time; None where there is none."""
    if parts[0] is None:
        return None
    return tf.nest.map_structure(lambda *tensors: tf.concat(tensors, axis=0), *parts)
