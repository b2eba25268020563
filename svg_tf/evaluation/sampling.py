"""Futures in parts of one shape, so that neither memory nor the last bit depends on how many are drawn."""

from collections.abc import Iterator

import numpy as np

from svg_tf import noise, rollout
from svg_tf.models.svg import SVG

AT_ONCE = 25


def draw(model: SVG, context: np.ndarray, horizon: int, seeds: np.ndarray) -> Iterator[np.ndarray]:
    """Draws the futures of one clip, AT_ONCE at a time.

    Args:
        model: a trained model.
        context: uint8, or float32 in [0, 1], [P, H, W, C].
        horizon: T, the frames to predict.
        seeds: int64 [S], see parts.

    Yields:
        float32 [n, T, H, W, C] in [0, 1]; n is AT_ONCE, or what is left.
    """
    for part in parts(seeds):
        # The last part is filled up: a sample has the same neighbours, in number, however many there are.
        filled = np.resize(part, min(len(seeds), AT_ONCE))
        yield rollout.generate(model, context[np.newaxis], horizon, filled[np.newaxis]).frames.numpy()[: len(part), 0]


def parts(seeds: np.ndarray) -> Iterator[np.ndarray]:
    """Seeds int64 [S] in pieces of AT_ONCE."""
    for start in range(0, len(seeds), AT_ONCE):
        yield seeds[start : start + AT_ONCE]


def seeds_of(seed: int, clip: int, n_samples: int) -> np.ndarray:
    """The seeds of a clip's samples: int64 [S]."""
    return noise.sample_seeds(seed, [clip], n_samples)[0]
