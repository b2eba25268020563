"""Scores of futures against the truth, and of the predictors that learn nothing."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from svg_tf.metrics.ssim import ssim


class ClipScores(NamedTuple):
    """How near S predictions of B clips are to the truth, on the predicted frames alone."""

    errors: np.ndarray  # mean squared error, float64 [S, B]
    similarities: np.ndarray  # mean SSIM, float32 [S, B]

    @classmethod
    def of(cls, future: np.ndarray, predictions: np.ndarray) -> "ClipScores":
        """Scores predictions float32 [S, B, T, H, W, C] in [0, 1] against the truth, the same without S."""
        errors = np.square(predictions - future).mean(axis=(-4, -3, -2, -1), dtype=np.float64)
        return cls(errors, ssim(future, predictions).numpy().mean(axis=-1))

    @classmethod
    def joined(cls, batches: Sequence["ClipScores"]) -> "ClipScores":
        """The scores of several batches of clips as one."""
        return cls(*(np.concatenate(arrays, axis=1) for arrays in zip(*batches, strict=True)))

    @property
    def best(self) -> np.ndarray:
        """The number of each clip's best prediction by SSIM: int64 [B]."""
        return self.similarities.argmax(axis=0)

    def mean(self) -> dict[str, float]:
        """Means by metric over predictions and clips; more is better.

        PSNR is that of the mean squared error, in dB: a clip in which nothing moves, which copying predicts without
        any error, then counts as one clip and not as an infinity.
        """
        return _by_metric(self.errors, self.similarities)

    def mean_of_best(self) -> dict[str, float]:
        """As mean, over each clip's best prediction, which each metric chooses for itself."""
        return _by_metric(self.errors.min(axis=0), self.similarities.max(axis=0))


def trivial_predictions(context: np.ndarray, frames: int) -> dict[str, np.ndarray]:
    """What learns nothing: context float32 [B, P, H, W, C] -> float32 [1, B, frames, H, W, C] by name."""
    last = np.repeat(context[:, -1:], frames, axis=1)[np.newaxis]
    return {"copy last": last, "black": np.zeros_like(last)}


def _by_metric(errors: np.ndarray, similarities: np.ndarray) -> dict[str, float]:
    with np.errstate(divide="ignore"):
        return {"PSNR": float(-10 * np.log10(errors.mean())), "SSIM": float(similarities.mean())}
