"""The LSTM layers and the networks made of them."""

import keras
import numpy as np
import tensorflow as tf

from svg_tf.models.lstm import LSTM, FramePredictor, GaussianLSTM


def _seed():
    return keras.random.SeedGenerator(0)


def _inputs(frames=5, batch=3, features=4, seed=0):
    return np.random.default_rng(seed).standard_normal((frames, batch, features)).astype(np.float32)


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
    inputs, z = _inputs(), _inputs(features=2, seed=1)
    for network, arguments in (
        (GaussianLSTM(3, 8, 2, seed=_seed()), (inputs,)),
        (FramePredictor(3, 2, 8, 2, seed=_seed()), (inputs, z)),
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


def test_unrolling_changes_no_output():
    inputs = _inputs()
    outputs = [LSTM(6, unroll=unroll, seed=3)(inputs, LSTM(6).initial_state(3))[0] for unroll in (False, True)]
    np.testing.assert_allclose(*outputs, atol=1e-6)
