"""The DCGAN encoder and decoder (the paper's networks for Stochastic Moving MNIST)."""

from collections.abc import Sequence
from functools import partial

import keras
import tensorflow as tf

from svg_tf.models.batch_norm import BatchNorm, rematerialize
from svg_tf.models.layers import CodeHead, CodeStem, ConvBlock, Network, SeedGenerator, leaky_relu, stage_widths
from svg_tf.models.skips import SkipConv, with_leading_rows


@keras.saving.register_keras_serializable(package="svg_tf.dcgan")
class Encoder(Network):
    """x[t] -> h[t], skips[t]: 4x4 convolutions of stride 2 down to 4x4, then the code."""

    def __init__(
        self, image_size: int, g_dim: int, base_width: int, *, seed: int | SeedGenerator | None = None, **kwargs
    ):
        arguments = {"image_size": image_size, "g_dim": g_dim, "base_width": base_width}
        super().__init__(arguments, seed=seed, **kwargs)
        self.stages: list[keras.layers.Layer] = [
            ConvBlock(width, 4, 2, seed=seed, dtype=self.dtype_policy, name=f"stage_{index}")
            for index, width in enumerate(_widths(image_size, base_width, self.map_code))
        ]
        self.code_width = _widths(image_size, base_width, self.map_code)[-1] if self.map_code else g_dim
        self.head = None if self.map_code else CodeHead(g_dim, seed=seed, dtype=self.dtype_policy, name="head")

    def call(
        self, frames: tf.Tensor, training: bool = False, skip_rows: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Encode frames float [N, H, W, C] in [0, 1].

        Returns:
            h, float [N, G] in (-1, 1), and the skips: the output of each stage for the first skip_rows frames (None:
            all), float [N, H/2, W/2, C] to [N, 4, 4, C'].
        """
        skips, maps = [], frames
        for stage in self.stages:
            maps = rematerialize(partial(stage, training=training), maps, remat=self.remat and training)
            maps, skip = with_leading_rows(maps, skip_rows)
            skips.append(skip)
        return maps if self.head is None else self.head(maps, training=training), skips


@keras.saving.register_keras_serializable(package="svg_tf.dcgan")
class Decoder(Network):
    """g[t], skips -> mean of p(x[t] | x[0..t-1], z[0..t]): transposed 4x4 convolutions of stride 2.

    Each stage takes the maps of the stage before and the skip of the same resolution.
    """

    def __init__(
        self, image_size: int, channels: int, base_width: int, *, seed: int | SeedGenerator | None = None, **kwargs
    ):
        arguments = {"image_size": image_size, "channels": channels, "base_width": base_width}
        # No autocast: the skip term of the last, float32, stage must stay float32.
        super().__init__(arguments, seed=seed, **{"autocast": False, **kwargs})
        widths = _widths(image_size, base_width, self.map_code)
        self.stem = None if self.map_code else CodeStem(widths[-1], seed=seed, dtype=self.dtype_policy, name="stem")
        # From 4x4 up; the last layer produces the pixels and is float32 in every compute dtype.
        stages = list(reversed(range(len(widths) - 1)))
        self.convs = [
            SkipConv("transposed", widths[index], seed=seed, dtype=self.dtype_policy, name=f"stage_{index + 1}")
            for index in stages
        ]
        self.norms = [BatchNorm(seed=seed, dtype=self.dtype_policy, name=f"stage_{index + 1}_norm") for index in stages]
        self.pixels = SkipConv("pixels", channels, seed=seed, dtype="float32", name="pixels")

    def project_skips(self, skips: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Apply the skip half of each stage to the encoder's skips [K, B, ...]; the result is an argument of `call`."""
        layers = [*self.convs, self.pixels]
        return [layer.project(skip) for layer, skip in zip(layers, reversed(skips), strict=True)]

    def call(self, g: tf.Tensor, skip_terms: Sequence[tf.Tensor], training: bool = False) -> tf.Tensor:
        """Decode g float [N, B, G] with projected skips [K, B, ...] to frames float32 [N, B, H, W, C] in [0, 1].

        N is time steps or samples. The first K of N have skips of their own; the others share the last.
        """
        maps = tf.reshape(g, [-1, *g.shape[2:]])
        maps = maps if self.stem is None else self.stem(maps, training=training)
        for conv, norm, term in zip(self.convs, self.norms, skip_terms, strict=False):

            def stage(maps, term, conv=conv, norm=norm):
                return leaky_relu(norm(conv(maps, term), training=training))

            maps = rematerialize(stage, maps, term, remat=self.remat and training)
        frames = tf.sigmoid(self.pixels(maps, skip_terms[-1]))
        return tf.reshape(frames, [tf.shape(g)[0], tf.shape(g)[1], *frames.shape[1:]])


def _widths(image_size: int, base_width: int, map_code: bool) -> list[int]:
    """Return the channels of the stages: down to 4x4 for a code vector, to 8x8 for a code map."""
    widths = stage_widths(image_size, base_width)
    return widths[:-1] if map_code else widths
