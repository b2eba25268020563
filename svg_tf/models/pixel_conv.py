"""The transposed convolution that makes pixels: many channels in, one or three out."""

import keras
import tensorflow as tf


class PixelConv(keras.layers.Conv2DTranspose):
    """Conv2DTranspose with 4x4 kernels, strides 2 and padding "same", as one product of matrices.

    Kernels for convolutions run at a twentieth of a CPU's speed where there are so few channels to put out. A product
    and the sums that follow it take a quarter of their time, which was a tenth of drawing a frame.
    """

    def __init__(self, filters: int, **kwargs):
        super().__init__(filters, 4, 2, padding="same", **kwargs)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Float [N, H, W, C] -> float [N, 2 H, 2 W, filters]."""
        outputs = _to_pixels(inputs, tf.cast(self.kernel.value, inputs.dtype))
        return tf.nn.bias_add(outputs, self.bias.value) if self.use_bias else outputs


@tf.custom_gradient
def _to_pixels(maps: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Maps [N, H, W, C] and a kernel [4, 4, F, C] -> [N, 2 H, 2 W, F].

    Pixel [i, j] gives the patch of rows 2i-1 to 2i+2 and columns 2j-1 to 2j+2, and where patches overlap they add up.
    So an even row is row 1 of the patches below it and row 3 of those above, an odd row their rows 0 and 2.
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
