"""The building blocks that the DCGAN and the VGG networks share."""

from collections.abc import Callable
from typing import TypeAlias

import keras
import tensorflow as tf

from svg_tf.models.batch_norm import BatchNorm

SeedGenerator: TypeAlias = keras.random.SeedGenerator


def stage_widths(image_width: int, base_width: int) -> list[int]:
    """Channels of each resolution from image_width (VGG; half of it in DCGAN) down to 8 (4): base width, doubling
    up to eight times it. 64 px have four stages, 128 px five.
    """
    stages = image_width.bit_length() - 3
    return [base_width * min(2**stage, 8) for stage in range(stages)]


def normal_weights(seed: SeedGenerator) -> keras.initializers.Initializer:
    """N(0, 0.02), the original's initial weights of every convolution and linear layer; biases start at 0."""
    return keras.initializers.RandomNormal(0.0, 0.02, seed=seed)


@tf.custom_gradient
def leaky_relu(x: tf.Tensor) -> tf.Tensor:
    """X where positive, 0.2 x elsewhere.

    The gradient asks for the sign alone, which the output has too. The output is kept anyway, for the next
    convolution; with TensorFlow's own gradient the input would be kept as well, a third of all activations.
    """
    y = tf.nn.leaky_relu(x, alpha=0.2)
    return y, lambda upstream: tf.raw_ops.LeakyReluGrad(gradients=upstream, features=y, alpha=0.2)


class ConvBlock(keras.layers.Layer):
    """Convolution, batch normalisation, LeakyReLU: float [N, H, W, C] -> float [N, H/strides, W/strides, filters]."""

    def __init__(self, filters: int, kernel_size: int, strides: int, *, seed: SeedGenerator, **kwargs):
        super().__init__(**kwargs)
        self.conv = keras.layers.Conv2D(
            filters,
            kernel_size,
            strides,
            padding="same",
            kernel_initializer=normal_weights(seed),
            dtype=self.dtype_policy,
            name="conv",
        )
        self.norm = BatchNorm(seed=seed, dtype=self.dtype_policy, name="norm")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return leaky_relu(self.norm(self.conv(x), training=training))


class SkipConv(keras.layers.Layer):
    """The convolution of [decoder maps, skip] as the sum of two, `conv(maps) + skip_conv(skip)`.

    The same numbers as one convolution of the concatenation. Since the skips stay the same from some time step on,
    `skip_conv` runs once for all these steps, and, in generation, once for all samples: `project` computes it.
    """

    def __init__(self, layer: Callable[..., keras.layers.Layer], *, seed: SeedGenerator, **kwargs):
        """Layer is that of the convolution, or a transposed one, to be made but for its bias, weights and name."""
        super().__init__(**kwargs)

        def make(name: str, use_bias: bool) -> keras.layers.Layer:
            return layer(
                use_bias=use_bias, kernel_initializer=normal_weights(seed), dtype=self.dtype_policy, name=name
            )

        self.conv = make("conv", use_bias=True)
        # It is called outside of this layer's scope: its own name has to tell it from the other stages'.
        self.skip_conv = make(f"decoder_{self.name}_skip_conv", use_bias=False)

    def project(self, skip: tf.Tensor) -> tf.Tensor:
        """The skip's share: float [K, B, H, W, C] -> float [K, B, H', W', filters]."""
        frames, batch = tf.shape(skip)[0], tf.shape(skip)[1]
        term = self.skip_conv(tf.reshape(skip, [-1, *skip.shape[2:]]))
        return tf.reshape(term, [frames, batch, *term.shape[1:]])

    def call(self, maps: tf.Tensor, skip_term: tf.Tensor) -> tf.Tensor:
        """Float [N * B, H, W, C] and a projected skip [K, B, H', W', filters], K <= N -> [N * B, H', W', filters].

        The first K of the N frames have a skip of their own; the others share the last of them.
        """
        outputs = self.conv(maps)
        return add_frame_terms(outputs, skip_term)


def add_frame_terms(outputs: tf.Tensor, terms: tf.Tensor) -> tf.Tensor:
    """Adds terms [K, B, ...] to outputs [N * B, ...], the last term to all frames from K on.

    K is static, but where every frame has its own term and K is N.
    """
    frames = tf.reshape(outputs, [-1, *_dynamic_shape(terms)[1:]])  # [N, B, ...]
    summed = frames + terms if terms.shape[0] in (None, 1, frames.shape[0]) else _add_leading_terms(frames, terms)
    return tf.reshape(summed, tf.shape(outputs))


@tf.custom_gradient
def _add_leading_terms(frames: tf.Tensor, terms: tf.Tensor) -> tf.Tensor:
    """Frames [N, B, ...] + terms [K, B, ...], 1 < K < N.

    The gradient by the frames is the sum's own. Derived from the slices it would be put together again of parts
    padded with zeros, which takes four more passes over the largest tensors of the model.
    """
    own = terms.shape[0] - 1

    def gradient(upstream):
        shared = tf.reduce_sum(upstream[own:], axis=0, keepdims=True)
        return upstream, tf.concat([upstream[:own], shared], axis=0)

    return tf.concat([frames[:own] + terms[:own], frames[own:] + terms[own:]], axis=0), gradient


def with_leading_rows(x: tf.Tensor, rows: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
    """X and its first rows (None: all), for two readers: float [N, ...] -> float [N, ...], float [rows, ...].

    The gradient of a slice is padded with zeros to the size of x and then added to the other reader's, which took a
    tenth of a training step of the published DCGAN. Here only the leading rows are added.
    """
    if rows is None:
        return x, x

    @tf.custom_gradient
    def branch(x):
        def gradient(upstream, leading):
            return tf.concat([upstream[:rows] + leading, upstream[rows:]], axis=0)

        return (tf.identity(x), tf.identity(x[:rows])), gradient

    return branch(x)


def _dynamic_shape(x: tf.Tensor) -> list:
    shape = tf.shape(x)
    return [size if size is not None else shape[axis] for axis, size in enumerate(x.shape)]


class CodeHead(keras.layers.Layer):
    """The encoder's last layer, 4x4 maps -> h: float [N, 4, 4, C] -> float [N, G] in (-1, 1).

    A 4x4 'valid' convolution of a 4x4 map is a linear layer; then batch normalisation and tanh.
    """

    def __init__(self, g_dim: int, *, seed: SeedGenerator, **kwargs):
        super().__init__(**kwargs)
        self.linear = keras.layers.Dense(
            g_dim, kernel_initializer=normal_weights(seed), dtype=self.dtype_policy, name="linear"
        )
        self.norm = BatchNorm(seed=seed, dtype=self.dtype_policy, name="norm")

    def call(self, maps: tf.Tensor, training: bool = False) -> tf.Tensor:
        flat = tf.reshape(maps, [-1, maps.shape[1] * maps.shape[2] * maps.shape[3]])
        return tf.tanh(self.norm(self.linear(flat), training=training))


class CodeStem(keras.layers.Layer):
    """The decoder's first layer, g -> 4x4 maps: float [N, G] -> float [N, 4, 4, C].

    A 4x4 'valid' transposed convolution of a single pixel is a linear layer; then batch normalisation, LeakyReLU.
    """

    def __init__(self, filters: int, *, seed: SeedGenerator, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        # One bias a channel, shared by the 16 pixels, as a convolution has it.
        self.linear = keras.layers.Dense(
            16 * filters,
            use_bias=False,
            kernel_initializer=normal_weights(seed),
            dtype=self.dtype_policy,
            name="linear",
        )
        self.norm = BatchNorm(seed=seed, dtype=self.dtype_policy, name="norm")

    def build(self, input_shape):
        self.bias = self.add_weight(shape=[self.filters], initializer="zeros", name="bias")
        super().build(input_shape)

    def call(self, g: tf.Tensor, training: bool = False) -> tf.Tensor:
        maps = tf.reshape(self.linear(g), [-1, 4, 4, self.filters])
        return leaky_relu(self.norm(tf.nn.bias_add(maps, self.bias), training=training))
