"""The convolutional recurrence."""

import keras
import numpy as np
import tensorflow as tf

from svg_tf.models.lstm import ConvLSTM, FramePredictor


def _inputs(frames=4, batch=2, channels=3, seed=0):
    return np.random.default_rng(seed).standard_normal((frames, batch, 8, 8, channels)).astype(np.float32)


def _run(layer, inputs):
    return layer(inputs, layer.initial_state(inputs.shape[1]))


def test_the_layer_equals_keras_convlstm2d():
    layer, inputs = ConvLSTM(5, seed=3), _inputs()
    outputs, (hidden, cell) = _run(layer, inputs)
    plain = keras.layers.ConvLSTM2D(
        5,
        3,
        padding="same",
        recurrent_activation="sigmoid",
        unit_forget_bias=False,
        return_sequences=True,
        return_state=True,
    )
    plain.build((2, 4, 8, 8, 3))
    plain.set_weights(layer.get_weights())
    expected, expected_hidden, expected_cell = plain(inputs.swapaxes(0, 1))
    np.testing.assert_allclose(outputs.numpy().swapaxes(0, 1), expected, atol=1e-5)
    np.testing.assert_allclose(hidden, expected_hidden, atol=1e-5)
    np.testing.assert_allclose(cell, expected_cell, atol=1e-5)


def test_xla_and_unrolling_change_no_output():
    layer, unrolled, inputs = ConvLSTM(5, seed=3), ConvLSTM(5, unroll=True, seed=3), _inputs()
    outputs, _ = _run(layer, inputs)
    compiled = tf.function(lambda x: _run(layer, x)[0], jit_compile=True)(inputs)
    np.testing.assert_allclose(outputs, compiled, atol=1e-5)
    np.testing.assert_allclose(outputs, _run(unrolled, inputs)[0], atol=1e-6)


def test_a_shifted_input_shifts_the_output():
    """Translation equivariance, away from the border that the zeros of the padding reach in two steps."""
    layer, inputs = ConvLSTM(5, seed=3), np.zeros([2, 1, 8, 8, 3], np.float32)
    inputs[:, :, 3:5, 3:5] = _inputs(2, 1)[:, :, 3:5, 3:5]
    outputs, _ = _run(layer, inputs)
    shifted, _ = _run(layer, np.roll(inputs, 1, axis=3))
    difference = np.abs(np.roll(outputs, 1, axis=3) - shifted)[:, :, 2:6, 3:6].max()
    assert difference < 1e-6
    assert np.abs(outputs - shifted).max() > 1e-3


def test_the_frame_predictor_uses_z_at_each_position():
    predictor = FramePredictor(3, 2, 4, 1, maps=True, seed=3)
    h = np.zeros([3, 2, 8, 8, 3], np.float32)
    z = np.random.default_rng(1).standard_normal((3, 2, 2)).astype(np.float32)
    state = predictor.initial_state(2)
    g, end = predictor(h, z, state)
    assert g.shape == h.shape and np.abs(g[0, 0, 0, 0] - g[0, 0, 4, 4]).max() > 1e-4
    for t in range(3):
        step, state = predictor(h[t : t + 1], z[t : t + 1], state)
        np.testing.assert_allclose(step[0], g[t], atol=1e-6)
    for one, other in zip(tf.nest.flatten(state), tf.nest.flatten(end), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
