"""Scores of futures against the truth, and of the predictors that learn nothing."""

from typing import NamedTuple

import numpy as np

from svg_tf.metrics.ssim import ssim


class Scores(NamedTuple):
    """By metric, on the predicted frames alone; more is better.

    PSNR is that of the squared error averaged over clips and frames, in dB: a clip in which nothing moves, which
    copying predicts without any error, then counts as one clip and not as an infinity. SSIM is the mean.
    """

    best: dict[str, float]  # of the S samples, each metric choosing its own best for each clip
    mean: dict[str, float]  # over the S samples
    copy_last: dict[str, float]  # the last context frame for ever
    black: dict[str, float]


def score(context: np.ndarray, future: np.ndarray, samples: np.ndarray) -> Scores:
    """Scores samples of a batch of clips.

    Args:
        context: float32 [B, P, H, W, C] in [0, 1].
        future: the truth, float32 [B, T, H, W, C] in [0, 1].
        samples: float32 [S, B, T, H, W, C] in [0, 1].
    """
    errors, similarities = _clip_errors(future, samples), _clip_similarities(future, samples)  # [S, B]
    rows = {
        "best": _row(errors.min(axis=0), similarities.max(axis=0)),
        "mean": _row(errors, similarities),
    }
    for name, frames in {"copy_last": context[:, -1:], "black": np.zeros_like(future[:, :1])}.items():
        frames = np.broadcast_to(frames, future.shape)
        rows[name] = _row(_clip_errors(future, frames), _clip_similarities(future, frames))
    return Scores(**rows)


def best_samples(future: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """The number of each clip's best sample by SSIM of its predicted frames: int64 [B]."""
    return _clip_similarities(future, samples).argmax(axis=0)


def _row(errors: np.ndarray, similarities: np.ndarray) -> dict[str, float]:
    with np.errstate(divide="ignore"):
        return {"PSNR": float(-10 * np.log10(errors.mean())), "SSIM": float(similarities.mean())}


def _clip_errors(future: np.ndarray, frames: np.ndarray) -> np.ndarray:
    return np.square(frames - future).mean(axis=(-4, -3, -2, -1), dtype=np.float64)


def _clip_similarities(future: np.ndarray, frames: np.ndarray) -> np.ndarray:
    return ssim(future, frames).numpy().mean(axis=-1)
