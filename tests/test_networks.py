"""Encoders, decoders and their layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from svg_tf.models import dcgan, skips, vgg
from svg_tf.models.batch_norm import BatchNorm
from svg_tf.models.layers import PixelConv

BACKBONES = [pytest.param(dcgan, id="dcgan"), pytest.param(vgg, id="vgg")]


def _seed():
    return keras.random.SeedGenerator(0)


def _random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize(("width", "channels"), [(32, 1), (64, 3), (128, 1)])
def test_shapes(backbone, width, channels):
    encoder = backbone.Encoder(width, 6, 2, seed=_seed())
    decoder = backbone.Decoder(width, channels, 2, seed=_seed())
    h, encoded = encoder(np.zeros([2, width, width, channels], np.float32))
    assert h.shape == (2, 6)
    top = width if backbone is vgg else width // 2
    expected = [(2, top >> k, top >> k, min(2 * 2**k, 16)) for k in range(len(encoded))]
    assert [tuple(skip.shape) for skip in encoded] == expected
    assert expected[-1][1] == (8 if backbone is vgg else 4)
    terms = decoder.project_skips([skip[tf.newaxis] for skip in encoded])
    assert decoder(_random(3, 2, 6), terms).shape == (3, 2, width, width, channels)


@pytest.mark.parametrize("kind", ["conv", "transposed", "pixels"])
def test_the_split_convolution_equals_the_convolution_of_the_concatenation(kind):
    transposed = kind != "conv"
    layer = skips.SkipConv(kind, 5, seed=_seed(), name="split")
    maps, skip = _random(3 * 2, 8, 8, 4), _random(3, 2, 8, 8, 6, seed=1)
    variables = [tf.Variable(maps), tf.Variable(skip)]

    def plain():
        """One convolution of [maps, skip] by the joined kernel."""
        joined = tf.concat([variables[0], tf.reshape(variables[1], [6, 8, 8, 6])], axis=-1)
        kernel = tf.concat([layer.conv.kernel, layer.skip_conv.kernel], axis=3 if transposed else 2)
        if transposed:
            outputs = tf.nn.conv2d_transpose(joined, kernel, [6, 16, 16, 5], 2, "SAME")
        else:
            outputs = tf.nn.conv2d(joined, kernel, 1, "SAME")
        return outputs + layer.conv.bias

    def split():
        return layer(variables[0], layer.project(variables[1]))

    split()  # makes the weights
    results = []
    for form in (plain, split):
        with tf.GradientTape() as tape:
            outputs = form()
            loss = tf.reduce_sum(tf.sin(outputs))
        results.append([outputs, *tape.gradient(loss, [*variables, *layer.trainable_variables])])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("terms", [1, 3, 5])
def test_frames_without_their_own_skip_share_the_last(terms):
    outputs, own = _random(5 * 2, 3, 3, 4), _random(terms, 2, 3, 3, 4, seed=1)
    result = skips.add_terms(tf.constant(outputs), tf.constant(own)).numpy().reshape(5, 2, 3, 3, 4)
    for frame in range(5):
        expected = outputs.reshape(5, 2, 3, 3, 4)[frame] + own[min(frame, terms - 1)]
        np.testing.assert_allclose(result[frame], expected, rtol=1e-6)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_shared_skips_equal_repeated_ones(backbone):
    decoder = backbone.Decoder(32, 1, 2, seed=_seed())
    encoder = backbone.Encoder(32, 6, 2, seed=_seed())
    g, frames = _random(4, 3, 6), np.random.default_rng(1).random((2, 3, 32, 32, 1), np.float32)
    _, encoded = encoder(frames.reshape(6, 32, 32, 1))
    encoded = [tf.reshape(skip, [2, 3, *skip.shape[1:]]) for skip in encoded]
    repeated = [tf.concat([skip, skip[1:], skip[1:]], axis=0) for skip in encoded]  # frames 0, 1, 1, 1
    shared = decoder(g, decoder.project_skips(encoded), training=True)
    np.testing.assert_allclose(shared, decoder(g, decoder.project_skips(repeated), training=True), atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 5, 7, 3), (20, 3)])
@pytest.mark.parametrize("training", [False, True])
def test_batch_normalization_equals_keras(shape, training):
    fused, plain = BatchNorm(seed=_seed()), keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    x = tf.Variable(2 + 3 * _random(*shape))
    for layer in (fused, plain):
        layer.build(shape)
    plain.set_weights([w + 0.1 for w in fused.get_weights()])
    fused.set_weights(plain.get_weights())
    results = []
    for layer in (fused, plain):
        with tf.GradientTape() as tape:
            y = layer(x, training=training)
            loss = tf.reduce_sum(tf.sin(y))
        results.append([y, *tape.gradient(loss, [x, *layer.trainable_variables])])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(fused.moving_mean, plain.moving_mean, rtol=1e-5)
    samples = np.prod(shape[:-1])
    if training:  # the stored variance is the unbiased one
        biased = (np.array(fused.moving_variance) - 0.9 * 1.1) / 0.1 * (samples - 1) / samples
        np.testing.assert_allclose(biased, np.var(x.numpy(), axis=tuple(range(len(shape) - 1))), rtol=1e-3)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_initial_weights_have_the_published_distribution(backbone):
    seed = _seed()
    decoder, encoder = backbone.Decoder(64, 1, 16, seed=seed), backbone.Encoder(64, 64, 16, seed=seed)
    _, encoded = encoder(np.zeros([1, 64, 64, 1], np.float32))
    decoder(np.zeros([1, 1, 64], np.float32), decoder.project_skips([skip[tf.newaxis] for skip in encoded]))
    kernels = [w.numpy() for w in encoder.weights + decoder.weights if w.path.endswith("kernel") and w.shape[-1] > 8]
    for kernel in kernels:
        assert abs(kernel.mean()) < 0.004 and 0.016 < kernel.std() < 0.025
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels), "two layers have the same weights"
    gammas = np.concatenate([w.numpy() for w in encoder.weights + decoder.weights if w.path.endswith("gamma")])
    assert abs(gammas.mean() - 1) < 0.01 and 0.01 < gammas.std() < 0.03
    biases = [w.numpy() for w in encoder.weights + decoder.weights if w.path.endswith(("bias", "beta"))]
    assert not any(bias.any() for bias in biases)


@pytest.mark.parametrize("rows", [None, 4, 6])
def test_leading_rows_have_the_gradient_of_a_slice(rows):
    x = tf.Variable(_random(6, 3))
    results = []
    for branch in (skips.with_leading_rows, lambda x, rows: (x, x[:rows])):
        with tf.GradientTape() as tape:
            whole, leading = branch(tf.sin(x), rows)
            loss = tf.reduce_sum(whole**2) + tf.reduce_sum(leading**3)
        results.append([whole, leading, tape.gradient(loss, x)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("filters", [1, 3])
def test_the_pixel_layer_equals_conv2d_transpose(filters):
    layer, plain = PixelConv(filters), keras.layers.Conv2DTranspose(filters, 4, 2, padding="same")
    x = tf.Variable(_random(3, 5, 6, 7))
    for one in (layer, plain):
        one.build(x.shape)
    plain.set_weights([_random(*w.shape, seed=1) for w in layer.get_weights()])
    layer.set_weights(plain.get_weights())
    results = []
    for one in (layer, plain):
        with tf.GradientTape() as tape:
            y = one(x)
            loss = tf.reduce_sum(tf.sin(y))
        results.append([y, *tape.gradient(loss, [x, *one.trainable_variables])])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
