"""Scores of futures against the truth, and of the predictors that learn nothing."""

from typing import NamedTuple

import numpy as np

from svg_tf.metrics.psnr import psnr
from svg_tf.metrics.ssim import ssim

METRICS = {"PSNR": psnr, "SSIM": ssim}


class Scores(NamedTuple):
    """Means over clips and predicted frames, by metric: PSNR in dB, SSIM at most 1; more is better."""

    best: dict[str, float]  # of the S samples, each metric choosing its own best for each clip
    mean: dict[str, float]  # over the S samples
    copy_last: dict[str, float]  # the last context frame for ever
    black: dict[str, float]


def score(context: np.ndarray, future: np.ndarray, samples: np.ndarray) -> Scores:
    """Scores samples of a batch of clips on the predicted frames only.

    Args:
        context: float32 [B, P, H, W, C] in [0, 1].
        future: the truth, float32 [B, T, H, W, C] in [0, 1].
        samples: float32 [S, B, T, H, W, C] in [0, 1].
    """
    trivial = {"copy_last": np.broadcast_to(context[:, -1:], future.shape), "black": np.zeros_like(future)}
    rows: dict[str, dict[str, float]] = {name: {} for name in Scores._fields}
    for metric, function in METRICS.items():
        values = clip_scores(function(future, samples))  # [S, B]
        rows["best"][metric] = float(values.max(axis=0).mean())
        rows["mean"][metric] = float(values.mean())
        for name, frames in trivial.items():
            rows[name][metric] = float(clip_scores(function(future, frames)).mean())
    return Scores(**rows)


def best_samples(future: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """The number of each clip's best sample by SSIM of its predicted frames: int64 [B]."""
    return clip_scores(ssim(future, samples)).argmax(axis=0)


def clip_scores(frame_scores) -> np.ndarray:
    """A clip's score is the mean of its frames': float32 [..., T] -> [...]."""
    return np.asarray(frame_scores).mean(axis=-1)
