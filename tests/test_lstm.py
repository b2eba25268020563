"""The LSTM layers and the networks made of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from svg_tf.models.lstm import LSTM, ConvLSTM, FramePredictor, GaussianLSTM


def _seed():
    return keras.random.SeedGenerator(0)


def _inputs(frames=5, batch=3, features=4, seed=0):
    return np.random.default_rng(seed).standard_normal((frames, batch, features)).astype(np.float32)


def _maps(frames=4, batch=2, channels=3, seed=0):
    return np.random.default_rng(seed).standard_normal((frames, batch, 8, 8, channels)).astype(np.float32)


def _run(layer, inputs):
    return layer(inputs, layer.initial_state(inputs.shape[1]))


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_lstm_agrees_with_its_equations_in_numpy():
    lstm, inputs = LSTM(6, seed=_seed()), _inputs()
    outputs, (hidden, cell) = lstm(inputs, lstm.initial_state(3))
    kernel, recurrent, bias = (np.float64(w.numpy()) for w in (lstm.kernel, lstm.recurrent_kernel, lstm.bias))
    h, c = np.zeros((3, 6)), np.zeros((3, 6))
    for t, x in enumerate(inputs):
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        np.testing.assert_allclose(outputs[t], h, atol=1e-6)
    np.testing.assert_allclose(hidden, h, atol=1e-6)
    np.testing.assert_allclose(cell, c, atol=1e-6)


def test_lstm_weights_are_drawn_within_the_bound():
    lstm = LSTM(16, seed=_seed())
    lstm.build([None, None, 4])
    for weight in lstm.weights:
        assert np.abs(weight).max() <= 0.25
        assert np.std(weight) > 0.1  # U(-1/4, 1/4) has 0.144; a bias of zeros or ones would not


def test_a_sequence_equals_repeated_steps():
    inputs, z, maps = _inputs(), _inputs(features=2, seed=1), _maps(frames=5, batch=3)
    for network, arguments in (
        (GaussianLSTM(3, 8, 2, seed=_seed()), (inputs,)),
        (FramePredictor(3, 2, 8, 2, seed=_seed()), (inputs, z)),
        (GaussianLSTM(3, 4, 1, maps=True, seed=_seed()), (maps,)),
        (FramePredictor(3, 2, 4, 2, maps=True, seed=_seed()), (maps, z)),
    ):
        state = network.initial_state(3)
        whole, end = network(*arguments, state)
        for t in range(len(inputs)):
            step, state = network(*(x[t : t + 1] for x in arguments), state)
            for one, all_ in zip(tf.nest.flatten(step), tf.nest.flatten(whole), strict=True):
                np.testing.assert_allclose(one[0], all_[t], atol=1e-6)
        for one, other in zip(tf.nest.flatten(state), tf.nest.flatten(end), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_later_inputs_change_no_earlier_output():
    network, inputs = GaussianLSTM(3, 8, 1, seed=_seed()), _inputs()
    (before, _), _ = network(inputs, network.initial_state(3))
    changed = inputs.copy()
    changed[3:] += 1
    (after, _), _ = network(changed, network.initial_state(3))
    np.testing.assert_array_equal(before[:3], after[:3])
    assert np.abs(before[3:] - after[3:]).max() > 1e-5


def test_the_convolutional_layer_equals_keras_convlstm2d():
    layer, inputs = ConvLSTM(5, seed=3), _maps()
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


@pytest.mark.parametrize(("kind", "inputs"), [(LSTM, _inputs()), (ConvLSTM, _maps())], ids=["vector", "maps"])
def test_xla_and_unrolling_change_no_output(kind, inputs):
    layer, unrolled = kind(5, seed=3), kind(5, unroll=True, seed=3)
    outputs, _ = _run(layer, inputs)
    compiled = tf.function(lambda x: _run(layer, x)[0], jit_compile=True)(inputs)
    np.testing.assert_allclose(outputs, compiled, atol=1e-5)
    np.testing.assert_allclose(outputs, _run(unrolled, inputs)[0], atol=1e-6)


def test_a_shifted_input_shifts_the_output():
    """Translation equivariance, away from the border that the zeros of the padding reach in two steps."""
    layer, inputs = ConvLSTM(5, seed=3), np.zeros([2, 1, 8, 8, 3], np.float32)
    inputs[:, :, 3:5, 3:5] = _maps(2, 1)[:, :, 3:5, 3:5]
    outputs, _ = _run(layer, inputs)
    shifted, _ = _run(layer, np.roll(inputs, 1, axis=3))
    difference = np.abs(np.roll(outputs, 1, axis=3) - shifted)[:, :, 2:6, 3:6].max()
    assert difference < 1e-6
    assert np.abs(outputs - shifted).max() > 1e-3


def test_the_frame_predictor_on_maps_uses_z_differently_at_each_position():
    predictor = FramePredictor(3, 2, 4, 1, maps=True, seed=3)
    g, _ = predictor(np.zeros([1, 2, 8, 8, 3], np.float32), np.ones([1, 2, 2], np.float32), predictor.initial_state(2))
    assert np.abs(g[0, 0, 2, 2] - g[0, 0, 4, 4]).max() > 1e-4
