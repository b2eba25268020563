"""The VGG encoder and decoder (the paper's networks for KTH and BAIR)."""

from collections.abc import Sequence
from functools import partial

import keras
import tensorflow as tf

from svg_tf.models import rematerialization
from svg_tf.models.batch_norm import BatchNorm
from svg_tf.models.layers import (
    CodeHead,
    CodeStem,
    ConvBlock,
    SeedGenerator,
    SkipConv,
    leaky_relu,
    normal_weights,
    stage_widths,
    with_leading_rows,
)


def _stage_depth(stage: int) -> int:
    """3x3 convolutions at a resolution: two in the first two stages, three in the others."""
    return 2 if stage < 2 else 3


class Encoder(keras.layers.Layer):
    """x[t] -> h[t], skips[t]: stages of 3x3 convolutions with 2x2 max-pooling after each, then the code."""

    def __init__(
        self, image_width: int, g_dim: int, base_width: int, *, seed: SeedGenerator, remat: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        self.remat = remat
        self.stages: list[list[keras.layers.Layer]] = [
            [
                ConvBlock(width, 3, 1, seed=seed, dtype=self.dtype_policy, name=f"stage_{stage}_conv_{depth}")
                for depth in range(_stage_depth(stage))
            ]
            for stage, width in enumerate(stage_widths(image_width, base_width))
        ]
        self.head = CodeHead(g_dim, seed=seed, dtype=self.dtype_policy, name="head")

    def call(
        self, frames: tf.Tensor, training: bool = False, skip_rows: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """frames: float [N, H, W, C] in [0, 1] -> h float [N, G] in (-1, 1), skips: each stage before its pooling for
        the first skip_rows of N (None: all), float [N, H, W, C] to [N, 8, 8, C'].
        """
        skips, maps = [], frames
        for stage in self.stages:
            for block in stage:
                maps = rematerialization.apply(partial(block, training=training), maps, remat=self.remat and training)
            maps, skip = with_leading_rows(maps, skip_rows)
            skips.append(skip)
            maps = tf.nn.max_pool2d(maps, 2, 2, padding="VALID")
        return self.head(maps, training=training), skips


class Decoder(keras.layers.Layer):
    """g[t], skips -> mean of p(x[t] | x[0..t-1], z[0..t]): nearest-neighbour upsampling and stages of 3x3
    convolutions, the first of each fed the maps so far and the skip of their resolution.
    """

    def __init__(
        self,
        image_width: int,
        channels: int,
        g_dim: int,
        base_width: int,
        *,
        seed: SeedGenerator,
        remat: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.remat = remat
        widths = stage_widths(image_width, base_width)
        self.stem = CodeStem(widths[-1], seed=seed, dtype=self.dtype_policy, name="stem")
        self.joins, self.norms = [], []
        self.blocks: list[list[keras.layers.Layer]] = []
        # From 8x8 up. A stage has as many convolutions as its twin in the encoder and ends at the width of the next;
        # at full resolution the layer that makes the pixels is the last of them.
        for stage, width in reversed(list(enumerate(widths))):
            name = f"stage_{stage}"
            self.joins.append(
                SkipConv(
                    partial(keras.layers.Conv2D, width, 3, padding="same"),
                    seed=seed,
                    dtype=self.dtype_policy,
                    name=f"{name}_conv_0",
                )
            )
            self.norms.append(BatchNorm(seed=seed, dtype=self.dtype_policy, name=f"{name}_norm"))
            following = [width] * (_stage_depth(stage) - 2) + ([widths[stage - 1]] if stage > 0 else [])
            self.blocks.append(
                [
                    ConvBlock(after, 3, 1, seed=seed, dtype=self.dtype_policy, name=f"{name}_conv_{depth}")
                    for depth, after in enumerate(following, start=1)
                ]
            )
        self.pixels = keras.layers.Conv2DTranspose(
            channels, 3, padding="same", kernel_initializer=normal_weights(seed), dtype="float32", name="pixels"
        )

    def project_skips(self, skips: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The encoder's skips [K, B, ...] through the skip half of each stage; what `call` takes."""
        return [join.project(skip) for join, skip in zip(self.joins, reversed(skips), strict=True)]

    def call(self, g: tf.Tensor, skip_terms: Sequence[tf.Tensor], training: bool = False) -> tf.Tensor:
        """g: float [N, B, G], projected skips [K, B, ...] -> frames float32 [N, B, H, W, C] in [0, 1].

        The first K of N have skips of their own; the others share the last. N is time steps, or samples.
        """
        remat = self.remat and training
        maps = self.stem(tf.reshape(g, [-1, g.shape[-1]]), training=training)
        for join, norm, blocks, term in zip(self.joins, self.norms, self.blocks, skip_terms, strict=True):

            def start(maps, term, join=join, norm=norm):
                return leaky_relu(norm(join(_upsample(maps), term), training=training))

            maps = rematerialization.apply(start, maps, term, remat=remat)
            for block in blocks:
                maps = rematerialization.apply(partial(block, training=training), maps, remat=remat)
        frames = tf.sigmoid(self.pixels(maps))
        return tf.reshape(frames, [tf.shape(g)[0], tf.shape(g)[1], *frames.shape[1:]])


def _upsample(maps: tf.Tensor) -> tf.Tensor:
    """Each pixel twice in height and width: float [N, H, W, C] -> float [N, 2 H, 2 W, C]."""
    height, width, channels = maps.shape[1:]
    # Of concatenations, for a broadcast needs six dimensions, of which TFLite has no fast kernel.
    wide = tf.reshape(tf.concat([maps, maps], axis=-1), [-1, height, 2 * width, channels])
    return tf.reshape(tf.concat([wide, wide], axis=2), [-1, 2 * height, 2 * width, channels])
