"""The convolutional recurrence: a frame predictor on code maps.

With `recurrence="conv"` the code h of a frame and the frame predictor's output g are maps, float32 [T, N, h, w, G], and
the frame predictor is a convolutional LSTM. The posterior and the prior remain LSTMs, on flattened maps: convolutional
ones took more than twice the time of a training step. z is a vector.
"""

import math

import keras
import tensorflow as tf

from svg_tf.models.layers import SeedGenerator, normal_weights
from svg_tf.models.lstm import LSTM, LSTMState, Stack, StackState, leading_shape

MAP_SIZE = 8  # height and width of a code map
_KERNEL = 3


@keras.saving.register_keras_serializable(package="svg_tf")
class ConvLSTM(LSTM):
    """One convolutional LSTM layer (Shi et al., 2015; 3x3 kernels, "same" padding, no peepholes).

    The same as `keras.layers.ConvLSTM2D` with a sigmoid recurrent activation and without a unit forget bias, but the
    convolution of the inputs runs once for all time steps. The convolution of the hidden state is a matrix product of
    its 3x3 patches: inside a loop XLA's CPU backend runs `tf.nn.conv2d` more than ten times slower.
    """

    def build(self, input_shape):
        # 1 / sqrt(fan-in) of the recurrent product, as in the fully connected form.
        bound = 1.0 / math.sqrt(_KERNEL**2 * self.units)
        uniform = keras.initializers.RandomUniform(-bound, bound, seed=self._uniform.seed)
        for name, shape in (
            ("kernel", [_KERNEL, _KERNEL, input_shape[-1], 4 * self.units]),
            ("recurrent_kernel", [_KERNEL, _KERNEL, self.units, 4 * self.units]),
            ("bias", [4 * self.units]),
        ):
            setattr(self, name, self.add_weight(shape=shape, initializer=uniform, name=name))

    def initial_state(self, batch_size: int | tf.Tensor) -> LSTMState:
        """Return zeros, float32 [N, h, w, R] twice."""
        shape = [batch_size, MAP_SIZE, MAP_SIZE, self.units]
        return tf.zeros(shape), tf.zeros(shape)

    def project(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the inputs' part of the gates: float32 [T, N, h, w, C] -> [T, N, h, w, 4R]."""
        gates = tf.nn.conv2d(tf.reshape(inputs, [-1, *inputs.shape[2:]]), self.kernel.value, 1, "SAME") + self.bias
        return tf.reshape(gates, [*leading_shape(inputs), *gates.shape[1:]])

    def recur(self, hidden: tf.Tensor) -> tf.Tensor:
        """Return the hidden state's part of the gates: float32 [N, h, w, R] -> [N, h, w, 4R]."""
        height, width, channels = hidden.shape[1:]
        padded = tf.pad(hidden, [[0, 0], [1, 1], [1, 1], [0, 0]])
        shifts = [padded[:, i : i + height, j : j + width] for i in range(_KERNEL) for j in range(_KERNEL)]
        patches = tf.reshape(tf.concat(shifts, axis=-1), [-1, _KERNEL**2 * channels])
        product = tf.matmul(patches, tf.reshape(self.recurrent_kernel.value, [_KERNEL**2 * channels, -1]))
        return tf.reshape(product, [-1, height, width, 4 * self.units])


@keras.saving.register_keras_serializable(package="svg_tf")
class ConvFramePredictor(Stack):
    """The frame predictor on maps: h[t-1], z[t] -> g[t]. z_dim is 0 in a model without a latent.

    A linear layer maps z to the gates of the first layer, with its own weights for each position. In one run with z
    tiled over the map the KL divergence fell to 1 nat.
    """

    def __init__(
        self,
        g_dim: int,
        z_dim: int,
        filters: int,
        layers: int,
        *,
        seed: int | SeedGenerator | None = None,
        **kwargs,
    ):
        """Create the layers.

        Args:
            g_dim: channels G of the code maps h and g.
            z_dim: size of z.
            filters: channels R of each convolutional LSTM layer.
            layers: convolutional LSTM layers.
            seed: of the initial weights.
            **kwargs: arguments of `keras.layers.Layer`.
        """
        arguments = {"g_dim": g_dim, "z_dim": z_dim, "filters": filters, "layers": layers}
        super().__init__(arguments, seed=seed, **{"dtype": "float32", **kwargs})
        self.z_dim = z_dim
        self.cells = [ConvLSTM(filters, seed=seed, name=f"lstm_{index}") for index in range(layers)]
        self.code = keras.layers.Dense(g_dim, kernel_initializer=normal_weights(seed), dtype="float32", name="code")
        self.z_gates = None
        if z_dim:
            self.z_gates = keras.layers.Dense(
                MAP_SIZE**2 * 4 * filters,
                use_bias=False,
                kernel_initializer=keras.initializers.RandomNormal(0.0, 0.1, seed=seed),
                dtype="float32",
                name="z_gates",
            )

    def build(self, input_shape):
        # Built explicitly: Keras would trace the loop over time, where no weights can be created.
        shape = list(input_shape)
        for cell in self.cells:
            cell.build(shape)
            shape = [*shape[:-1], cell.units]
        self.code.build(shape)
        if self.z_gates is not None:
            self.z_gates.build([None, None, self.z_dim])

    def call(self, h: tf.Tensor, z: tf.Tensor | None, state: StackState) -> tuple[tf.Tensor, StackState]:
        """Map code maps float32 [T, N, h, w, G], z [T, N, Z] and a state to g [T, N, h, w, G] in (-1, 1), state."""
        terms = None
        if self.z_gates is not None:
            terms = tf.reshape(self.z_gates(z), [*leading_shape(z), MAP_SIZE, MAP_SIZE, 4 * self.cells[0].units])
        outputs, state = self.run_cells(h, state, terms)
        return tf.tanh(self.code(outputs)), state
