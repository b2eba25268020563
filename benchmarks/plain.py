"""Plain forms of the model's optimisations, to measure what each gains.

They compute the same function of the same weights, except that FrameByFrame normalizes the batch of one time step.
"""

from functools import partial

import keras
import tensorflow as tf

from svg_tf import losses
from svg_tf.models.batch_norm import BatchNorm
from svg_tf.models.skips import SkipConv
from svg_tf.models.svg import SVG, Outputs


class FrameByFrame(SVG):
    """Each network sees one frame at a time, as in the original implementation."""

    def _forward(self, frames, noise, training, inputs=None) -> Outputs:
        batch, steps = tf.shape(frames)[1], []
        encoded = [self.encode(frames[t : t + 1], training) for t in range(frames.shape[0])]
        networks = (self.posterior, self.prior, self.frame_predictor)
        states = {each: each.initial_state(batch) for each in networks if each is not None}
        for t in range(1, frames.shape[0]):
            z = posterior = prior = None
            if self.posterior is not None:
                posterior, states[self.posterior] = self.posterior(encoded[t][0], states[self.posterior])
                z = posterior[0] if noise is None else losses.sample(posterior, noise[t - 1 : t])
            if self.prior is not None:
                prior, states[self.prior] = self.prior(encoded[t - 1][0], states[self.prior])
            state = states[self.frame_predictor]
            g, states[self.frame_predictor] = self.frame_predictor(encoded[t - 1][0], z, state)
            skips = encoded[min(t, self.own_skips or t) - 1][1]
            predictions = self.decoder(g, self.decoder.project_skips(skips), training=training)
            steps.append(Outputs(predictions, encoded[t][0], g, z, posterior, prior))
        joined = tf.nest.map_structure(lambda *parts: None if parts[0] is None else tf.concat(parts, axis=0), *steps)
        return joined._replace(h=tf.concat([encoded[0][0], joined.h], axis=0))


def concatenate_skips(model: SVG) -> SVG:
    """Make the decoder convolve concat([maps, skip]) and return the model."""
    for layer in model._flatten_layers():
        if isinstance(layer, SkipConv):
            layer.project = tf.identity  # type: ignore[method-assign]
            layer.call = partial(_concatenated, layer)  # type: ignore[method-assign]
    return model


def keras_batch_norm(model: SVG) -> SVG:
    """Replace the fused batch normalization by Keras' own and return the model."""
    for layer in model._flatten_layers():
        if isinstance(layer, BatchNorm):
            layer.call = partial(keras.layers.BatchNormalization.call, layer)  # type: ignore[method-assign]
    return model


def _concatenated(layer: SkipConv, maps: tf.Tensor, skip: tf.Tensor) -> tf.Tensor:
    """Convolve maps [N * B, H, W, C] with skips [K, B, H, W, C'] concatenated -> [N * B, H', W', filters]."""
    frames = tf.shape(maps)[0] // tf.shape(skip)[1]
    which = tf.minimum(tf.range(frames), tf.shape(skip)[0] - 1)
    skips = tf.reshape(tf.gather(skip, which), [-1, *skip.shape[2:]])
    both = tf.concat([maps, tf.cast(skips, maps.dtype)], axis=-1)
    transposed = isinstance(layer.conv, keras.layers.Conv2DTranspose)
    kernel = tf.concat([layer.conv.kernel, layer.skip_conv.kernel], axis=3 if transposed else 2)  # the input channels
    kernel = tf.cast(kernel, both.dtype)
    if transposed:
        size = [tf.shape(both)[0], *(2 * side for side in both.shape[1:3]), layer.conv.filters]
        outputs = tf.nn.conv2d_transpose(both, kernel, size, layer.conv.strides, "SAME")
    else:
        outputs = tf.nn.conv2d(both, kernel, layer.conv.strides, "SAME")
    return tf.nn.bias_add(outputs, tf.cast(layer.conv.bias, outputs.dtype))
