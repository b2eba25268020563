"""Skip connections of which the first K frames have their own and all later frames share the last one.

With `skip_frame="last"` the decoder uses the skips of frame t-1 up to the last context frame, and that frame's skips
from then on. So the encoder returns the skips of K leading frames only, and the decoder adds K terms to N >= K frames.
In generation K is 1 and the N frames are the samples of one context. The gradients of slices and broadcasts are written
by hand here: TensorFlow's own pad each slice with zeros to full size, which took a tenth of a training step.
"""

import keras
import tensorflow as tf

from svg_tf.models.layers import Configured, PixelConv, SeedGenerator, normal_weights

_LAYERS = {
    "conv": lambda filters, **kwargs: keras.layers.Conv2D(filters, 3, padding="same", **kwargs),
    "transposed": lambda filters, **kwargs: keras.layers.Conv2DTranspose(filters, 4, 2, padding="same", **kwargs),
    "pixels": PixelConv,
}


@keras.saving.register_keras_serializable(package="svg_tf")
class SkipConv(Configured):
    """A convolution of concat([maps, skip]), computed as `conv(maps) + skip_conv(skip)`.

    The sum is exact, and `skip_conv` runs once per skip rather than once per frame: nearly half of the DCGAN decoder in
    training, and once per context for all samples and time steps in generation.
    """

    def __init__(self, layer: str, filters: int, *, seed: int | SeedGenerator | None = None, **kwargs):
        """Create both convolutions.

        Args:
            layer: "conv" (3x3), "transposed" (4x4, stride 2) or "pixels" (the same as one matrix product).
            filters: output channels.
            seed: of the initial weights.
            **kwargs: arguments of `keras.layers.Layer`.
        """
        super().__init__({"layer": layer, "filters": filters}, seed=seed, **kwargs)

        def make(name: str, use_bias: bool) -> keras.layers.Layer:
            weights = normal_weights(seed)
            return _LAYERS[layer](
                filters, use_bias=use_bias, kernel_initializer=weights, dtype=self.dtype_policy, name=name
            )

        self.conv = make("conv", use_bias=True)
        # Called outside this layer's name scope, so its name must be unique in the decoder.
        self.skip_conv = make(f"decoder_{self.name}_skip_conv", use_bias=False)

    def project(self, skip: tf.Tensor) -> tf.Tensor:
        """Return the skip's term: float [K, B, H, W, C] -> float [K, B, H', W', filters]."""
        frames, batch = tf.shape(skip)[0], tf.shape(skip)[1]
        term = self.skip_conv(tf.reshape(skip, [-1, *skip.shape[2:]]))
        return tf.reshape(term, [frames, batch, *term.shape[1:]])

    def call(self, maps: tf.Tensor, skip_term: tf.Tensor) -> tf.Tensor:
        """Return the convolution of maps float [N * B, H, W, C] with a projected skip [K, B, H', W', filters] added."""
        return add_terms(self.conv(maps), skip_term)


def add_terms(outputs: tf.Tensor, terms: tf.Tensor) -> tf.Tensor:
    """Add terms [K, B, ...] to the first K of N frames [N * B, ...], and the last term to all later frames.

    K is static unless every frame has its own term (K = N).
    """
    shape = [size or tf.shape(terms)[axis] for axis, size in enumerate(terms.shape)]
    frames = tf.reshape(outputs, [-1, *shape[1:]])  # [N, B, ...]
    summed = frames + terms if terms.shape[0] in (None, 1, frames.shape[0]) else _add_leading(frames, terms)
    return tf.reshape(summed, tf.shape(outputs))


@tf.custom_gradient
def _add_leading(frames: tf.Tensor, terms: tf.Tensor) -> tf.Tensor:
    """Add terms [K, B, ...] to frames [N, B, ...] for 1 < K < N."""
    own = terms.shape[0] - 1

    def gradient(upstream):
        shared = tf.reduce_sum(upstream[own:], axis=0, keepdims=True)
        return upstream, tf.concat([upstream[:own], shared], axis=0)

    return tf.concat([frames[:own] + terms[:own], frames[own:] + terms[own:]], axis=0), gradient


def with_leading_rows(x: tf.Tensor, rows: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Return x and its first rows (None: all): float [N, ...] -> float [N, ...], float [rows, ...]."""
    if rows is None:
        return x, x

    @tf.custom_gradient
    def branch(x):
        def gradient(upstream, leading):
            return tf.concat([upstream[:rows] + leading, upstream[rows:]], axis=0)

        return (tf.identity(x), tf.identity(x[:rows])), gradient

    return branch(x)
