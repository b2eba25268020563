import keras
import numpy as np
import pytest
import tensorflow as tf

from svg_tf.models.pixel_conv import PixelConv


@pytest.mark.parametrize("filters", [1, 3])
@pytest.mark.parametrize("use_bias", [True, False])
def test_frames_and_gradients_are_those_of_the_transposed_convolution(filters, use_bias):
    rng = np.random.default_rng(0)
    maps, weights = (
        tf.constant(rng.standard_normal([2, 5, 7, 6]), tf.float32),
        rng.standard_normal([2, 10, 14, filters]),
    )
    layers = [PixelConv(filters, use_bias=use_bias)]
    layers.append(keras.layers.Conv2DTranspose(filters, 4, 2, padding="same", use_bias=use_bias))
    found = []
    for layer in layers:
        layer.build(maps.shape)
        for variable in layer.trainable_variables:
            variable.assign(np.random.default_rng(1).standard_normal(variable.shape))
        with tf.GradientTape() as tape:
            tape.watch(maps)
            outputs = layer(maps)
            total = tf.reduce_sum(outputs * weights)
        found.append([outputs, *tape.gradient(total, [maps, *layer.trainable_variables])])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
