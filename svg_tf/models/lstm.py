"""The recurrent networks: posterior, prior and frame predictor, on code vectors or on code maps.

Sequences are time-major, [T, N, ...]. The state of a recurrence is an argument and a result, and a sequence of one
frame is a single step, so training, reconstruction, generation and export share this code. Everything here is float32:
these networks are about 1 % of the arithmetic, and the KL divergence of two close Gaussians needs the precision.

With code maps, `SVG(recurrence="conv")`, each LSTM layer is convolutional, h and g are float32 [T, N, 8, 8, G], and z
remains a vector.
"""

import functools
import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from svg_tf.models.layers import Configured, SeedGenerator, normal_weights

LSTMState = tuple[tf.Tensor, tf.Tensor]  # hidden and cell, float32 [N, R] each, or [N, 8, 8, R]
StackState = tuple[LSTMState, ...]
Gaussian = tuple[tf.Tensor, tf.Tensor]  # mean and logvar, float32 [..., Z] each

MAP_SIZE = 8  # height and width of a code map


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
            seed: of the initial weights, U(-b, b) with b = 1 / sqrt(fan-in of the recurrent product).
            **kwargs: arguments of `keras.layers.Layer`.
        """
        super().__init__({"units": units, "unroll": unroll}, seed=seed, **{"dtype": "float32", **kwargs})
        self.units = units
        self.unroll = unroll
        # Keras saves a SeedGenerator that is an attribute among the weights, so a function holds it.
        self._uniform = functools.partial(keras.initializers.RandomUniform, seed=seed)

    def build(self, input_shape):
        self._add_weights([input_shape[-1], 4 * self.units], [self.units, 4 * self.units])

    def _add_weights(self, kernel: list[int], recurrent_kernel: list[int]) -> None:
        bound = 1.0 / math.sqrt(math.prod(recurrent_kernel[:-1]))
        uniform = self._uniform(-bound, bound)
        self.kernel = self.add_weight(shape=kernel, initializer=uniform, name="kernel")
        self.recurrent_kernel = self.add_weight(shape=recurrent_kernel, initializer=uniform, name="recurrent_kernel")
        self.bias = self.add_weight(shape=kernel[-1:], initializer=uniform, name="bias")

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


@keras.saving.register_keras_serializable(package="svg_tf")
class ConvLSTM(LSTM):
    """One convolutional LSTM layer (Shi et al., 2015; 3x3 kernels, "same" padding, no peepholes) on 8x8 maps.

    The same as `keras.layers.ConvLSTM2D` with a sigmoid recurrent activation and without a unit forget bias, but one
    convolution projects the inputs of all time steps.
    """

    def build(self, input_shape):
        self._add_weights([3, 3, input_shape[-1], 4 * self.units], [3, 3, self.units, 4 * self.units])

    def initial_state(self, batch_size: int | tf.Tensor) -> LSTMState:
        """Return zeros, float32 [N, 8, 8, R] twice."""
        shape = [batch_size, MAP_SIZE, MAP_SIZE, self.units]
        return tf.zeros(shape), tf.zeros(shape)

    def project(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the inputs' part of the gates: float32 [T, N, 8, 8, C] -> [T, N, 8, 8, 4R]."""
        gates = tf.nn.conv2d(tf.reshape(inputs, [-1, *inputs.shape[2:]]), self.kernel.value, 1, "SAME") + self.bias
        return tf.reshape(gates, [*_leading_shape(inputs), *gates.shape[1:]])

    def recur(self, hidden: tf.Tensor) -> tf.Tensor:
        """Return the hidden state's part of the gates: float32 [N, 8, 8, R] -> [N, 8, 8, 4R]."""
        return tf.nn.conv2d(hidden, self.recurrent_kernel.value, 1, "SAME")


class LSTMStack(Configured):
    """LSTM layers on top of one another, after a linear embedding if the inputs are vectors."""

    def __init__(
        self,
        size: dict[str, int],
        rnn_size: int,
        layers: int,
        *,
        maps: bool = False,
        seed: int | SeedGenerator | None = None,
        **kwargs,
    ):
        """Create `layers` LSTM layers of `rnn_size` units, convolutional for code maps; size: other arguments."""
        arguments = {**size, "rnn_size": rnn_size, "layers": layers, "maps": maps}
        super().__init__(arguments, seed=seed, **{"dtype": "float32", **kwargs})
        self.maps = maps
        self.embed = None if maps else _linear(rnn_size, seed, "embed")
        cell = ConvLSTM if maps else LSTM
        self.cells = [cell(rnn_size, seed=seed, name=f"lstm_{index}") for index in range(layers)]

    def build_cells(self, input_shape: Sequence[int]) -> list[int]:
        """Create the weights and return the shape of the outputs. Keras would do so inside the loop over time."""
        shape = list(input_shape)
        for layer in filter(None, [self.embed, *self.cells]):
            layer.build(shape)
            shape[-1] = layer.units
        return shape

    def initial_state(self, batch_size: int | tf.Tensor) -> StackState:
        """Return the state before the first frame: zeros, two tensors per layer."""
        return tuple(cell.initial_state(batch_size) for cell in self.cells)

    def run_cells(
        self, inputs: tf.Tensor, state: StackState, gate_terms: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, StackState]:
        """Map inputs [T, N, ...] and a state to the top layer's outputs and the next state.

        gate_terms are added to the gates of the first layer.
        """
        outputs, states = inputs if self.embed is None else self.embed(inputs), list[LSTMState]()
        for cell, cell_state in zip(self.cells, state, strict=True):
            outputs, cell_state = cell(outputs, cell_state, gate_terms=None if states else gate_terms)
            states.append(cell_state)
        return outputs, tuple(states)


@keras.saving.register_keras_serializable(package="svg_tf")
class GaussianLSTM(LSTMStack):
    """The posterior q(z[t] | x[0..t]), from h[t], and the learned prior p(z[t] | x[0..t-1]), from h[t-1].

    With code maps the output layers are linear in the flattened map, so that z can depend on positions.
    """

    def __init__(self, z_dim: int, rnn_size: int, layers: int, *, seed: int | SeedGenerator | None = None, **kwargs):
        super().__init__({"z_dim": z_dim}, rnn_size, layers, seed=seed, **kwargs)
        self.mean = _linear(z_dim, seed, "mean")
        self.logvar = _linear(z_dim, seed, "logvar")

    def build(self, input_shape):
        shape = self.build_cells(input_shape)
        for head in (self.mean, self.logvar):
            head.build([*shape[:2], math.prod(shape[2:])])

    def call(self, h: tf.Tensor, state: StackState) -> tuple[Gaussian, StackState]:
        """Map codes float32 [T, N, G] or [T, N, 8, 8, G] and a state to mean and logvar [T, N, Z] and a state."""
        outputs, state = self.run_cells(h, state)
        outputs = tf.reshape(outputs, [*_leading_shape(outputs), math.prod(outputs.shape[2:])])
        return (self.mean(outputs), self.logvar(outputs)), state


@keras.saving.register_keras_serializable(package="svg_tf")
class FramePredictor(LSTMStack):
    """The frame predictor: h[t-1], z[t] -> g[t]. z_dim is 0 in a model without a latent.

    With code maps a linear layer maps z to the gates of the first LSTM layer, with its own weights at each position.
    """

    def __init__(
        self, g_dim: int, z_dim: int, rnn_size: int, layers: int, *, seed: int | SeedGenerator | None = None, **kwargs
    ):
        super().__init__({"g_dim": g_dim, "z_dim": z_dim}, rnn_size, layers, seed=seed, **kwargs)
        self.z_dim = z_dim
        self.z_gates = None
        if self.maps and z_dim:
            self.z_gates = keras.layers.Dense(
                MAP_SIZE**2 * 4 * rnn_size,
                use_bias=False,
                kernel_initializer=keras.initializers.RandomNormal(0.0, 0.1, seed=seed),
                dtype="float32",
                name="z_gates",
            )
        self.code = _linear(g_dim, seed, "code")

    def build(self, input_shape):
        widened = input_shape if self.maps else [*input_shape[:-1], input_shape[-1] + self.z_dim]
        self.code.build(self.build_cells(widened))
        if self.z_gates is not None:
            self.z_gates.build([*input_shape[:2], self.z_dim])

    def call(self, h: tf.Tensor, z: tf.Tensor | None, state: StackState) -> tuple[tf.Tensor, StackState]:
        """Map codes float32 [T, N, G] or [T, N, 8, 8, G], z [T, N, Z] (None: no latent) and a state to g and a state.

        g has the shape of h and values in (-1, 1).
        """
        inputs, gate_terms = h, None
        if self.z_gates is not None:
            gate_terms = tf.reshape(self.z_gates(z), [*_leading_shape(z), MAP_SIZE, MAP_SIZE, 4 * self.cells[0].units])
        elif z is not None:
            inputs = tf.concat([h, z], axis=-1)  # [T, N, G + Z]
        outputs, state = self.run_cells(inputs, state, gate_terms)
        return tf.tanh(self.code(outputs)), state


def _leading_shape(x: tf.Tensor) -> list:
    """Return T and N of a tensor [T, N, ...], as integers where they are static."""
    shape = tf.shape(x)
    return [size if size is not None else shape[axis] for axis, size in enumerate(x.shape[:2])]


def _linear(units: int, seed: int | SeedGenerator | None, name: str) -> keras.layers.Dense:
    return keras.layers.Dense(units, kernel_initializer=normal_weights(seed), dtype="float32", name=name)
