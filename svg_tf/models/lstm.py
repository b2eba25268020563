"""The recurrent networks on code vectors: posterior, prior and frame predictor.

Sequences are time-major, [T, N, F]. The state of a recurrence is an argument and a result, and a sequence of one frame
is a single step, so training, reconstruction, generation and export share this code. Everything here is float32: these
networks are about 1 % of the arithmetic, and the KL divergence of two close Gaussians needs the precision.
"""

import math

import keras
import tensorflow as tf

from svg_tf.models.layers import Configured, SeedGenerator, normal_weights

LSTMState = tuple[tf.Tensor, tf.Tensor]  # hidden and cell, float32 [N, R] each
StackState = tuple[LSTMState, ...]
Gaussian = tuple[tf.Tensor, tf.Tensor]  # mean and logvar, float32 [..., Z] each


@keras.saving.register_keras_serializable(package="svg_tf")
class LSTM(Configured):
    """One LSTM layer (Hochreiter & Schmidhuber, 1997) that projects the inputs of all time steps at once.

    Gates are in Keras' order i, f, g, o, without an extra forget bias. Replaces `keras.layers.LSTM`, which disables XLA
    when a GPU is visible and does not take and return its state as one structure.
    """

    def __init__(self, units: int, *, unroll: bool = False, seed: int | SeedGenerator | None = None, **kwargs):
        """Create the layer.

        Args:
            units: size of the hidden state, R.
            unroll: unroll the loop over time, for converters without loops.
            seed: of the initial weights, U(-1/sqrt(units), 1/sqrt(units)).
            **kwargs: arguments of `keras.layers.Layer`.
        """
        super().__init__({"units": units, "unroll": unroll}, seed=seed, **{"dtype": "float32", **kwargs})
        self.units = units
        self.unroll = unroll
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
        """Return zeros, float32 [N, R] twice."""
        return tf.zeros([batch_size, self.units]), tf.zeros([batch_size, self.units])

    def project(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the inputs' part of the gates of all time steps: float32 [T, N, F] -> [T, N, 4R]."""
        return tf.einsum("tnf,fg->tng", inputs, self.kernel.value) + self.bias

    def recur(self, hidden: tf.Tensor) -> tf.Tensor:
        """Return the hidden state's part of the gates: float32 [N, R] -> [N, 4R]."""
        return tf.matmul(hidden, self.recurrent_kernel.value)

    def call(
        self, inputs: tf.Tensor, state: LSTMState, gate_terms: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, LSTMState]:
        """Map inputs float32 [T, N, F] and a state to outputs float32 [T, N, R] and the last state.

        gate_terms, float32 [T, N, 4R], are added to the gates before their activations.
        """
        gates = self.project(inputs)
        if gate_terms is not None:
            gates += gate_terms
        if gates.shape[0] == 1:
            state = self.step(state, gates[0])
            return state[0][tf.newaxis], state
        if self.unroll:
            outputs = []
            for t in range(gates.shape[0]):
                state = self.step(state, gates[t])
                outputs.append(state[0])
            return tf.stack(outputs), state
        hidden, cell = tf.scan(self.step, gates, initializer=tuple(state))  # [T, N, R] each
        return hidden, (hidden[-1], cell[-1])

    def step(self, state: LSTMState, projected_inputs: tf.Tensor) -> LSTMState:
        """Return the next state for a state and the inputs' part of the gates, float32 [N, 4R]."""
        hidden, cell = state
        gates = projected_inputs + self.recur(hidden)
        input_gate, forget_gate, candidate, output_gate = tf.split(gates, 4, axis=-1)
        cell = tf.sigmoid(forget_gate) * cell + tf.sigmoid(input_gate) * tf.tanh(candidate)
        return tf.sigmoid(output_gate) * tf.tanh(cell), cell


class Stack(Configured):
    """LSTM layers on top of one another."""

    cells: list[LSTM]

    def initial_state(self, batch_size: int | tf.Tensor) -> StackState:
        """Return the state before the first frame: zeros, two tensors per layer."""
        return tuple(cell.initial_state(batch_size) for cell in self.cells)

    def run_cells(
        self, inputs: tf.Tensor, state: StackState, gate_terms: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, StackState]:
        """Map inputs [T, N, ...] and a state to the top layer's outputs and the next state.

        gate_terms are added to the gates of the first layer.
        """
        outputs, states = inputs, list[LSTMState]()
        for cell, cell_state in zip(self.cells, state, strict=True):
            outputs, cell_state = cell(outputs, cell_state, gate_terms=None if states else gate_terms)
            states.append(cell_state)
        return outputs, tuple(states)


class LSTMStack(Stack):
    """A linear embedding and a stack of LSTM layers: float32 [T, N, F] -> float32 [T, N, R]."""

    def __init__(
        self, size: dict[str, int], rnn_size: int, layers: int, *, seed: int | SeedGenerator | None = None, **kwargs
    ):
        arguments = {**size, "rnn_size": rnn_size, "layers": layers}
        super().__init__(arguments, seed=seed, **{"dtype": "float32", **kwargs})
        self.embed = _linear(rnn_size, seed, "embed")
        self.cells = [LSTM(rnn_size, seed=seed, name=f"lstm_{index}") for index in range(layers)]
        self.heads: list[keras.layers.Dense] = []

    def build(self, input_shape):
        # Built explicitly: Keras would trace the loop over time, where no weights can be created.
        self.embed.build(input_shape)
        hidden_shape = [*input_shape[:-1], self.embed.units]
        for layer in [*self.cells, *self.heads]:
            layer.build(hidden_shape)


@keras.saving.register_keras_serializable(package="svg_tf")
class GaussianLSTM(LSTMStack):
    """The posterior q(z[t] | x[0..t]), from h[t], and the learned prior p(z[t] | x[0..t-1]), from h[t-1]."""

    def __init__(self, z_dim: int, rnn_size: int, layers: int, *, seed: int | SeedGenerator | None = None, **kwargs):
        super().__init__({"z_dim": z_dim}, rnn_size, layers, seed=seed, **kwargs)
        self.mean = _linear(z_dim, seed, "mean")
        self.logvar = _linear(z_dim, seed, "logvar")
        self.heads = [self.mean, self.logvar]

    def build(self, input_shape):
        super().build([*input_shape[:2], math.prod(input_shape[2:])])

    def call(self, h: tf.Tensor, state: StackState) -> tuple[Gaussian, StackState]:
        """Map codes float32 [T, N, G] and a state to (mean, logvar) float32 [T, N, Z] each and the next state.

        Code maps, [T, N, h, w, G], are flattened.
        """
        outputs, state = self.run_cells(self.embed(_flatten(h)), state)
        return (self.mean(outputs), self.logvar(outputs)), state


@keras.saving.register_keras_serializable(package="svg_tf")
class FramePredictor(LSTMStack):
    """The frame predictor: h[t-1], z[t] -> g[t]. z_dim is 0 in a model without a latent."""

    def __init__(
        self, g_dim: int, z_dim: int, rnn_size: int, layers: int, *, seed: int | SeedGenerator | None = None, **kwargs
    ):
        super().__init__({"g_dim": g_dim, "z_dim": z_dim}, rnn_size, layers, seed=seed, **kwargs)
        self.z_dim = z_dim
        self.code = _linear(g_dim, seed, "code")
        self.heads = [self.code]

    def build(self, input_shape):
        super().build([*input_shape[:-1], input_shape[-1] + self.z_dim])

    def call(self, h: tf.Tensor, z: tf.Tensor | None, state: StackState) -> tuple[tf.Tensor, StackState]:
        """Map codes float32 [T, N, G], z [T, N, Z] (None: no latent) and a state to g [T, N, G] in (-1, 1), state."""
        inputs = h if z is None else tf.concat([h, z], axis=-1)  # [T, N, G + Z]
        outputs, state = self.run_cells(self.embed(inputs), state)
        return tf.tanh(self.code(outputs)), state


def _flatten(h: tf.Tensor) -> tf.Tensor:
    """Reshape [T, N, ...] to [T, N, F]."""
    return h if h.shape.rank == 3 else tf.reshape(h, [*leading_shape(h), math.prod(h.shape[2:])])


def leading_shape(x: tf.Tensor) -> list:
    """Return T and N of a tensor [T, N, ...], as integers where they are static."""
    shape = tf.shape(x)
    return [size if size is not None else shape[axis] for axis, size in enumerate(x.shape[:2])]


def _linear(units: int, seed: int | SeedGenerator | None, name: str) -> keras.layers.Dense:
    return keras.layers.Dense(units, kernel_initializer=normal_weights(seed), dtype="float32", name=name)
