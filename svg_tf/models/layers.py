"""Layers and initializers that the DCGAN and VGG networks share."""

from typing import Any, TypeAlias

import keras
import tensorflow as tf

from svg_tf.models.batch_norm import BatchNorm

SeedGenerator: TypeAlias = keras.random.SeedGenerator


def stage_widths(image_size: int, base_width: int) -> list[int]:
    """Return the channels of each encoder stage: base_width, doubled per stage up to 8 * base_width.

    Frames of 64 pixels have four stages, frames of 128 pixels five. VGG stages run from image_size down to 8 pixels,
    DCGAN stages from image_size / 2 down to 4.
    """
    stages = image_size.bit_length() - 3
    return [base_width * min(2**stage, 8) for stage in range(stages)]


def normal_weights(seed: int | SeedGenerator | None) -> keras.initializers.Initializer:
    """Return N(0, 0.02), the original's initializer of convolution and linear kernels; biases start at 0."""
    return keras.initializers.RandomNormal(0.0, 0.02, seed=seed)


class Configured(keras.layers.Layer):
    """A layer whose `get_config` returns the arguments that its constructor passes on, with the seed as an integer."""

    def __init__(self, arguments: dict[str, Any], *, seed: int | SeedGenerator | None = None, **kwargs):
        super().__init__(**kwargs)
        seed = seed if seed is None or isinstance(seed, int) else seed.get_config()["seed"]
        self._arguments = {**arguments, "seed": seed}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._arguments}


class Network(Configured):
    """Base of the encoders and decoders.

    map_code: the code of a frame is the 8x8 map of the lowest stage left, not a vector. remat: recompute each block in
    the backward pass.
    """

    def __init__(self, arguments: dict[str, Any], *, map_code: bool = False, remat: bool = False, **kwargs):
        super().__init__({**arguments, "map_code": map_code, "remat": remat}, **kwargs)
        self.map_code = map_code
        self.remat = remat


@tf.custom_gradient
def leaky_relu(x: tf.Tensor) -> tf.Tensor:
    """LeakyReLU with slope 0.2.

    Its gradient needs only the sign of x, which the output also carries, so the input is not kept for the backward
    pass: a third of all activations.
    """
    y = tf.nn.leaky_relu(x, alpha=0.2)
    return y, lambda upstream: tf.raw_ops.LeakyReluGrad(gradients=upstream, features=y, alpha=0.2)


@keras.saving.register_keras_serializable(package="svg_tf")
class ConvBlock(Configured):
    """Convolution, batch normalization, LeakyReLU: float [N, H, W, C] -> float [N, H/strides, W/strides, filters]."""

    def __init__(
        self, filters: int, kernel_size: int, strides: int, *, seed: int | SeedGenerator | None = None, **kwargs
    ):
        arguments = {"filters": filters, "kernel_size": kernel_size, "strides": strides}
        super().__init__(arguments, seed=seed, **kwargs)
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


@keras.saving.register_keras_serializable(package="svg_tf")
class CodeHead(Configured):
    """Last layer of the encoder, maps -> h: float [N, 4, 4, C] -> float [N, G] in (-1, 1).

    The original's 4x4 "valid" convolution of a 4x4 map is a linear layer; batch normalization and tanh follow.
    """

    def __init__(self, g_dim: int, *, seed: int | SeedGenerator | None = None, **kwargs):
        super().__init__({"g_dim": g_dim}, seed=seed, **kwargs)
        self.linear = keras.layers.Dense(
            g_dim, kernel_initializer=normal_weights(seed), dtype=self.dtype_policy, name="linear"
        )
        self.norm = BatchNorm(seed=seed, dtype=self.dtype_policy, name="norm")

    def call(self, maps: tf.Tensor, training: bool = False) -> tf.Tensor:
        flat = tf.reshape(maps, [-1, maps.shape[1] * maps.shape[2] * maps.shape[3]])
        return tf.tanh(self.norm(self.linear(flat), training=training))


@keras.saving.register_keras_serializable(package="svg_tf")
class CodeStem(Configured):
    """First layer of the decoder, g -> maps: float [N, G] -> float [N, 4, 4, filters].

    The original's 4x4 "valid" transposed convolution of one pixel is a linear layer; batch normalization and LeakyReLU
    follow.
    """

    def __init__(self, filters: int, *, seed: int | SeedGenerator | None = None, **kwargs):
        super().__init__({"filters": filters}, seed=seed, **kwargs)
        self.filters = filters
        # The bias is one value per channel, shared by the 16 pixels as in a convolution.
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


@keras.saving.register_keras_serializable(package="svg_tf")
class PixelConv(keras.layers.Conv2DTranspose):
    """Conv2DTranspose with 4x4 kernels, stride 2 and "same" padding, computed as one matrix product.

    Replaces Keras' own forward pass for the layer that produces pixels: with one or three output channels TensorFlow's
    convolution kernels run at a twentieth of the CPU's speed, and this form takes a quarter of their time.
    """

    def __init__(self, filters: int, kernel_size: int = 4, strides: int = 2, padding: str = "same", **kwargs):
        """Create the layer; kernel_size, strides and padding exist for `get_config` and take these values only.

        Raises:
            ValueError: another kernel size, stride or padding.
        """
        super().__init__(filters, kernel_size, strides, padding=padding, **kwargs)
        if (self.kernel_size, self.strides, self.padding) != ((4, 4), (2, 2), "same"):
            raise ValueError(
                f"PixelConv has kernel size {self.kernel_size}, strides {self.strides} and padding {self.padding!r}; "
                "it supports kernel size 4, strides 2 and padding 'same' only."
            )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return float [N, 2 H, 2 W, filters] for float [N, H, W, C]."""
        outputs = _to_pixels(inputs, tf.cast(self.kernel.value, inputs.dtype))
        return tf.nn.bias_add(outputs, self.bias.value) if self.use_bias else outputs


@tf.custom_gradient
def _to_pixels(maps: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Transposed convolution of maps [N, H, W, C] with a kernel [4, 4, F, C] -> [N, 2 H, 2 W, F].

    Pixel [i, j] produces the patch of rows 2i-1 to 2i+2 and columns 2j-1 to 2j+2; overlapping patches add up. So an
    even row is the sum of row 1 of the patches below it and row 3 of those above, an odd row that of rows 0 and 2.
    """
    height, width, channels = maps.shape[1:]
    filters = kernel.shape[2]

    def gradient(upstream):
        by_kernel = tf.raw_ops.Conv2DBackpropFilter(
            input=upstream, filter_sizes=kernel.shape, out_backprop=maps, strides=[1, 2, 2, 1], padding="SAME"
        )
        return tf.nn.conv2d(upstream, kernel, 2, "SAME"), by_kernel

    flat = tf.matmul(tf.reshape(maps, [-1, channels]), tf.reshape(kernel, [-1, channels]), transpose_b=True)
    patches = tf.reshape(flat, [-1, height, width, 4, 4 * filters])
    patches = tf.pad(patches, [[0, 0], [1, 1], [0, 0], [0, 0], [0, 0]])
    even = patches[:, 1:-1, :, 1] + patches[:, :-2, :, 3]
    odd = patches[:, 2:, :, 0] + patches[:, 1:-1, :, 2]
    rows = tf.reshape(tf.stack([even, odd], axis=2), [-1, 2 * height, width, 4, filters])
    rows = tf.pad(rows, [[0, 0], [0, 0], [1, 1], [0, 0], [0, 0]])
    even = rows[:, :, 1:-1, 1] + rows[:, :, :-2, 3]
    odd = rows[:, :, 2:, 0] + rows[:, :, 1:-1, 2]
    return tf.reshape(tf.stack([even, odd], axis=3), [-1, 2 * height, 2 * width, filters]), gradient
