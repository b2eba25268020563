"""The VGG encoder and decoder (the paper's networks for KTH and BAIR)."""

from collections.abc import Sequence
from functools import partial

import keras
import tensorflow as tf

from svg_tf.models.batch_norm import BatchNorm, rematerialize
from svg_tf.models.layers import (
    CodeHead,
    CodeStem,
    ConvBlock,
    Network,
    SeedGenerator,
    leaky_relu,
    normal_weights,
    stage_widths,
)
from svg_tf.models.skips import SkipConv, with_leading_rows


def _stage_depth(stage: int) -> int:
    """Return the number of 3x3 convolutions at a resolution: two in the first two stages, three in the others."""
    return 2 if stage < 2 else 3


@keras.saving.register_keras_serializable(package="svg_tf.vgg")
class Encoder(Network):
    """x[t] -> h[t], skips[t]: stages of 3x3 convolutions with 2x2 max-pooling after each, then the code."""

    def __init__(
        self, image_size: int, g_dim: int, base_width: int, *, seed: int | SeedGenerator | None = None, **kwargs
    ):
        arguments = {"image_size": image_size, "g_dim": g_dim, "base_width": base_width}
        super().__init__(arguments, seed=seed, **kwargs)
        self.stages: list[list[keras.layers.Layer]] = [
            [
                ConvBlock(width, 3, 1, seed=seed, dtype=self.dtype_policy, name=f"stage_{stage}_conv_{depth}")
                for depth in range(_stage_depth(stage))
            ]
            for stage, width in enumerate(stage_widths(image_size, base_width))
        ]
        self.code_width = stage_widths(image_size, base_width)[-1] if self.map_code else g_dim
        self.head = None if self.map_code else CodeHead(g_dim, seed=seed, dtype=self.dtype_policy, name="head")

    def call(
        self, frames: tf.Tensor, training: bool = False, skip_rows: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Encode frames float [N, H, W, C] in [0, 1].

        Returns:
            h, float [N, G] in (-1, 1), and the skips: each stage before its pooling for the first skip_rows frames
            (None: all), float [N, H, W, C] to [N, 8, 8, C'].
        """
        skips, maps = [], frames
        for stage in self.stages:
            for block in stage:
                maps = rematerialize(partial(block, training=training), maps, remat=self.remat and training)
            maps, skip = with_leading_rows(maps, skip_rows)
            skips.append(skip)
            code_map, maps = maps, tf.nn.max_pool2d(maps, 2, 2, padding="VALID")
        return code_map if self.head is None else self.head(maps, training=training), skips


@keras.saving.register_keras_serializable(package="svg_tf.vgg")
class Decoder(Network):
    """g[t], skips -> mean of p(x[t] | x[0..t-1], z[0..t]): nearest-neighbor upsampling and stages of 3x3 convolutions.

    The first convolution of each stage takes the upsampled maps and the skip of the same resolution.
    """

    def __init__(
        self, image_size: int, channels: int, base_width: int, *, seed: int | SeedGenerator | None = None, **kwargs
    ):
        arguments = {"image_size": image_size, "channels": channels, "base_width": base_width}
        super().__init__(arguments, seed=seed, **kwargs)
        policy = self.dtype_policy
        widths = stage_widths(image_size, base_width)
        self.stem = None if self.map_code else CodeStem(widths[-1], seed=seed, dtype=policy, name="stem")
        self.joins, self.norms = [], []
        self.blocks: list[list[keras.layers.Layer]] = []
        # From 8x8 up. A stage has as many convolutions as its counterpart in the encoder and ends with the width of the
        # next stage; at full resolution the layer that produces the pixels is the last of them.
        for stage, width in reversed(list(enumerate(widths))):
            name = f"stage_{stage}"
            self.joins.append(SkipConv("conv", width, seed=seed, dtype=policy, name=f"{name}_conv_0"))
            self.norms.append(BatchNorm(seed=seed, dtype=policy, name=f"{name}_norm"))
            following = [width] * (_stage_depth(stage) - 2) + ([widths[stage - 1]] if stage > 0 else [])
            self.blocks.append(
                [
                    ConvBlock(after, 3, 1, seed=seed, dtype=policy, name=f"{name}_conv_{depth}")
                    for depth, after in enumerate(following, start=1)
                ]
            )
        self.pixels = keras.layers.Conv2DTranspose(
            channels, 3, padding="same", kernel_initializer=normal_weights(seed), dtype="float32", name="pixels"
        )

    def project_skips(self, skips: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Apply the skip half of each stage to the encoder's skips [K, B, ...]; the result is an argument of `call`."""
        return [join.project(skip) for join, skip in zip(self.joins, reversed(skips), strict=True)]

    def call(self, g: tf.Tensor, skip_terms: Sequence[tf.Tensor], training: bool = False) -> tf.Tensor:
        """Decode g float [N, B, G] with projected skips [K, B, ...] to frames float32 [N, B, H, W, C] in [0, 1].

        N is time steps or samples. The first K of N have skips of their own; the others share the last.
        """
        remat = self.remat and training
        maps = tf.reshape(g, [-1, *g.shape[2:]])
        maps = maps if self.stem is None else self.stem(maps, training=training)
        for join, norm, blocks, term in zip(self.joins, self.norms, self.blocks, skip_terms, strict=True):

            def start(maps, term, join=join, norm=norm):
                # A code map has the size of the lowest stage already.
                upsampled = maps if maps.shape[1] == term.shape[2] else _upsample(maps)
                return leaky_relu(norm(join(upsampled, term), training=training))

            maps = rematerialize(start, maps, term, remat=remat)
            for block in blocks:
                maps = rematerialize(partial(block, training=training), maps, remat=remat)
        frames = tf.sigmoid(self.pixels(maps))
        return tf.reshape(frames, [tf.shape(g)[0], tf.shape(g)[1], *frames.shape[1:]])


def _upsample(maps: tf.Tensor) -> tf.Tensor:
    """Repeat each pixel twice in height and width: float [N, H, W, C] -> float [N, 2 H, 2 W, C]."""
    height, width, channels = maps.shape[1:]
    # Concatenations: a broadcast would need six dimensions, for which TFLite has no fast kernel.
    wide = tf.reshape(tf.concat([maps, maps], axis=-1), [-1, height, 2 * width, channels])
    return tf.reshape(tf.concat([wide, wide], axis=2), [-1, 2 * height, 2 * width, channels])
