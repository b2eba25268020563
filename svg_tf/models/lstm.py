"""The three recurrent networks: posterior, prior and frame predictor.

Sequences are time first, [T, N, F]. A state is an argument and a result; a sequence of one frame is a single step,
so training, reconstruction, generation and export walk over time by the same code. All of it is float32: these
networks do about a hundredth of the work, and the KL of two close Gaussians needs the digits.
"""

import math

import keras
import tensorflow as tf

from svg_tf.models.layers import SeedGenerator, normal_weights

LSTMState = tuple[tf.Tensor, tf.Tensor]  # hidden and cell, float32 [N, R] each
StackState = tuple[LSTMState, ...]


class LSTM(keras.layers.Layer):
    """One LSTM layer (Hochreiter & Schmidhuber, 1997; gates in the order i, f, g, o; no extra forget bias).

    The inputs' projection does not depend on the state, so it is one product for all time steps.
    """

    def __init__(self, units: int, *, seed: SeedGenerator, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.units = units
        self.unrolled = False  # laid out over time without a loop, for converters that cannot take one
        bound = 1.0 / math.sqrt(units)
        self._uniform = keras.initializers.RandomUniform(-bound, bound, seed=seed)

    def build(self, input_shape):
        for name, shape in (
            ("kernel", [input_shape[-1], 4 * self.units]),
            ("recurrent_kernel", [self.units, 4 * self.units]),
            ("bias", [4 * self.units]),
        ):
            setattr(self, name, self.add_weight(shape=shape, initializer=self._uniform, name=name))

    def initial_state(self, batch_size: int | tf.Tensor) -> LSTMState:
        """Zeros, float32 [N, R] twice."""
        return tf.zeros([batch_size, self.units]), tf.zeros([batch_size, self.units])

    def call(self, inputs: tf.Tensor, state: LSTMState) -> tuple[tf.Tensor, LSTMState]:
        """inputs: float32 [T, N, F], state -> outputs float32 [T, N, R], the state after the last of them."""
        gates = tf.einsum("tnf,fg->tng", inputs, self.kernel.value) + self.bias  # [T, N, 4R]
        if gates.shape[0] == 1:
            state = self.step(state, gates[0])
            return state[0][tf.newaxis], state
        if self.unrolled:
            outputs = []
            for t in range(gates.shape[0]):
                state = self.step(state, gates[t])
                outputs.append(state[0])
            return tf.stack(outputs), state
        hidden, cell = tf.scan(self.step, gates, initializer=tuple(state))  # [T, N, R] each
        return hidden, (hidden[-1], cell[-1])

    def step(self, state: LSTMState, projected_inputs: tf.Tensor) -> LSTMState:
        """One time step: the state and the inputs' share of the gates, float32 [N, 4R] -> the next state."""
        hidden, cell = state
        gates = projected_inputs + tf.matmul(hidden, self.recurrent_kernel.value)
        write, keep, candidate, read = tf.split(gates, 4, axis=-1)
        cell = tf.sigmoid(keep) * cell + tf.sigmoid(write) * tf.tanh(candidate)
        return tf.sigmoid(read) * tf.tanh(cell), cell


class LSTMStack(keras.layers.Layer):
    """A linear embedding and a stack of LSTM layers: float32 [T, N, F] -> float32 [T, N, R]."""

    def __init__(self, rnn_size: int, layers: int, *, seed: SeedGenerator, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.embed = _linear(rnn_size, seed, "embed")
        self.cells = [LSTM(rnn_size, seed=seed, name=f"lstm_{index}") for index in range(layers)]
        self.heads: list[keras.layers.Dense] = []

    def build(self, input_shape):
        # By hand: Keras would trace the loop over time, and weights cannot be drawn inside it.
        self.embed.build(input_shape)
        hidden_shape = [*input_shape[:-1], self.embed.units]
        for layer in [*self.cells, *self.heads]:
            layer.build(hidden_shape)

    def initial_state(self, batch_size: int | tf.Tensor) -> StackState:
        """The state before the first frame, a pair of zeros float32 [N, R] for each layer."""
        return tuple(cell.initial_state(batch_size) for cell in self.cells)

    def walk(self, inputs: tf.Tensor, state: StackState) -> tuple[tf.Tensor, StackState]:
        """inputs: float32 [T, N, F], state -> outputs float32 [T, N, R], next state."""
        outputs, states = self.embed(inputs), []
        for cell, cell_state in zip(self.cells, state, strict=True):
            outputs, cell_state = cell(outputs, cell_state)
            states.append(cell_state)
        return outputs, tuple(states)


class GaussianLSTM(LSTMStack):
    """The posterior, h[t] -> q(z[t] | x[0..t]), and the learned prior, h[t-1] -> p(z[t] | x[0..t-1])."""

    def __init__(self, z_dim: int, rnn_size: int, layers: int, *, seed: SeedGenerator, **kwargs):
        super().__init__(rnn_size, layers, seed=seed, **kwargs)
        self.mean = _linear(z_dim, seed, "mean")
        self.logvar = _linear(z_dim, seed, "logvar")
        self.heads = [self.mean, self.logvar]

    def call(self, h: tf.Tensor, state: StackState) -> tuple[tuple[tf.Tensor, tf.Tensor], StackState]:
        """h: float32 [T, N, G], state -> (mean, logvar) float32 [T, N, Z] each, next state."""
        outputs, state = self.walk(h, state)
        return (self.mean(outputs), self.logvar(outputs)), state


class FramePredictor(LSTMStack):
    """h[t-1], z[t] -> g[t]."""

    def __init__(self, g_dim: int, rnn_size: int, layers: int, *, seed: SeedGenerator, **kwargs):
        super().__init__(rnn_size, layers, seed=seed, **kwargs)
        self.code = _linear(g_dim, seed, "code")
        self.heads = [self.code]

    def call(self, inputs: tf.Tensor, state: StackState) -> tuple[tf.Tensor, StackState]:
        """inputs: float32 [T, N, G + Z], state -> g float32 [T, N, G] in (-1, 1), next state."""
        outputs, state = self.walk(inputs, state)
        return tf.tanh(self.code(outputs)), state


def _linear(units: int, seed: SeedGenerator, name: str) -> keras.layers.Dense:
    return keras.layers.Dense(units, kernel_initializer=normal_weights(seed), dtype="float32", name=name)
