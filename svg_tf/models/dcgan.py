"""The DCGAN encoder and decoder (the paper's networks for Stochastic Moving MNIST)."""

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
    stage_widths,
    with_leading_rows,
)
from svg_tf.models.pixel_conv import PixelConv


class Encoder(keras.layers.Layer):
    """x[t] -> h[t], skips[t]: 4x4 convolutions of stride 2 down to 4x4, then the code."""

    def __init__(
        self, image_width: int, g_dim: int, base_width: int, *, seed: SeedGenerator, remat: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        self.remat = remat
        self.stages: list[keras.layers.Layer] = [
            ConvBlock(width, 4, 2, seed=seed, dtype=self.dtype_policy, name=f"stage_{index}")
            for index, width in enumerate(stage_widths(image_width, base_width))
        ]
        self.head = CodeHead(g_dim, seed=seed, dtype=self.dtype_policy, name="head")

    def call(
        self, frames: tf.Tensor, training: bool = False, skip_rows: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """frames: float [N, H, W, C] in [0, 1] -> h float [N, G] in (-1, 1), skips: the output of each stage for
        the first skip_rows of N (None: all), float [N, H/2, W/2, C] to [N, 4, 4, C'].
        """
        skips, maps = [], frames
        for stage in self.stages:
            maps = rematerialization.apply(partial(stage, training=training), maps, remat=self.remat and training)
            maps, skip = with_leading_rows(maps, skip_rows)
            skips.append(skip)
        return self.head(maps, training=training), skips


class Decoder(keras.layers.Layer):
    """g[t], skips -> mean of p(x[t] | x[0..t-1], z[0..t]): transposed 4x4 convolutions of stride 2, each fed the
    maps so far and the skip of their resolution.
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
        super().__init__(autocast=False, **kwargs)  # its last skip term is float32 and stays so
        self.remat = remat
        widths = stage_widths(image_width, base_width)
        self.stem = CodeStem(widths[-1], seed=seed, dtype=self.dtype_policy, name="stem")
        # From 4x4 up; the last layer makes the pixels and is float32 whatever the compute dtype.
        self.convs = [
            SkipConv(
                partial(keras.layers.Conv2DTranspose, width, 4, 2, padding="same"),
                seed=seed,
                dtype=self.dtype_policy,
                name=f"stage_{index + 1}",
            )
            for index, width in reversed(list(enumerate(widths[:-1])))
        ]
        self.norms = [
            BatchNorm(seed=seed, dtype=self.dtype_policy, name=f"stage_{index + 1}_norm")
            for index in reversed(range(len(widths) - 1))
        ]
        self.pixels = SkipConv(partial(PixelConv, channels), seed=seed, dtype="float32", name="pixels")

    def project_skips(self, skips: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The encoder's skips [K, B, ...] through the skip half of each stage; what `call` takes."""
        layers = [*self.convs, self.pixels]
        return [layer.project(skip) for layer, skip in zip(layers, reversed(skips), strict=True)]

    def call(self, g: tf.Tensor, skip_terms: Sequence[tf.Tensor], training: bool = False) -> tf.Tensor:
        """g: float [N, B, G], projected skips [K, B, ...] -> frames float32 [N, B, H, W, C] in [0, 1].

        The first K of N have skips of their own; the others share the last. N is time steps, or samples.
        """
        maps = self.stem(tf.reshape(g, [-1, g.shape[-1]]), training=training)
        for conv, norm, term in zip(self.convs, self.norms, skip_terms, strict=False):

            def stage(maps, term, conv=conv, norm=norm):
                return leaky_relu(norm(conv(maps, term), training=training))

            maps = rematerialization.apply(stage, maps, term, remat=self.remat and training)
        frames = tf.sigmoid(self.pixels(maps, skip_terms[-1]))
        return tf.reshape(frames, [tf.shape(g)[0], tf.shape(g)[1], *frames.shape[1:]])
