"""The metrics by name: their definitions in words, and how a clip's score follows from measures of its frames."""

import importlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _measure(module: str, name: str) -> Measure:
    """Return a function of svg_tf.metrics that is imported when it is called: TensorFlow takes seconds to import."""

    def measure(truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        return getattr(importlib.import_module(f"svg_tf.metrics.{module}"), name)(truth, predictions).numpy()

    return measure


MEASURES: dict[str, Measure] = {
    "mse": _measure("psnr", "mse"),
    "ssim": _measure("ssim", "ssim"),
    "ssim_svg": _measure("ssim", "ssim_svg"),
}
"""Measures of single frames by name: truth float32 [T, H, W, C] and predictions [S, T, H, W, C] -> float32 [S, T]."""


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: for files and flags, of a-z, 0-9 and _.
        title: for readers.
        unit: of the scores.
        better: higher or lower.
        definition: everything that determines the number, in words.
        measure: key of the measure of frames that it is computed from; empty for FVD.
    """

    name: str
    title: str
    unit: str
    better: str
    definition: str
    measure: str

    def of_frames(self, measured: np.ndarray) -> np.ndarray:
        """Return the score of each frame: measure [..., T] -> float64 [..., T]."""
        measured = np.asarray(measured, np.float64)
        return _decibels(measured) if self.unit == "dB" else measured

    def of_clips(self, measured: np.ndarray) -> np.ndarray:
        """Return the score of each clip: measure [..., T] -> float64 [...]."""
        if self.name == "psnr_video":
            return _decibels(np.mean(measured, axis=-1, dtype=np.float64))
        return self.of_frames(measured).mean(axis=-1)


PSNR = Metric(
    "psnr",
    "PSNR",
    "dB",
    "higher",
    "-10 log10 of the mean squared error of a frame over its pixels and channels, frames in [0, 1], averaged over the "
    "predicted frames. Identical frames score 100 dB. The published scripts average the PSNRs of the channels instead: "
    "the same for grey frames, 0.01 to 0.05 dB more for frames like BAIR's.",
    "mse",
)
PSNR_VIDEO = Metric(
    "psnr_video",
    "PSNR of the video",
    "dB",
    "higher",
    "-10 log10 of the squared error averaged over the predicted frames, at most 100 dB. Never more than PSNR, to which "
    "good frames contribute more than bad ones.",
    "mse",
)
SSIM = Metric(
    "ssim",
    "SSIM",
    "",
    "higher",
    "Structural similarity (Wang et al. 2004) with a Gaussian window of 11x11, sigma 1.5, data range 1, K1 0.01, K2 "
    "0.03, weighted covariances, at positions where the window fits; averaged over channels and predicted frames. As "
    "in tf.image.ssim and the SRVP authors' code.",
    "ssim",
)
SSIM_SVG = Metric(
    "ssim_svg",
    "SSIM, SVG's script",
    "",
    "higher",
    "Structural similarity as in the SVG authors' script, with scikit-image's defaults: uniform window of 7x7, data "
    "range 2, sample covariances; averaged over channels and predicted frames. Higher than SSIM of the same frames.",
    "ssim_svg",
)
MSE = Metric("mse", "MSE", "", "lower", "Squared error of frames in [0, 1], averaged over the predicted frames.", "mse")
IDENTITY = Metric(
    "identity",
    "Digit kept",
    "",
    "higher",
    "Share of the predicted frames whose digit is that of the context frames, according to a classifier.",
    "identity",
)
LPIPS = Metric("lpips", "LPIPS", "", "lower", "Learned perceptual image patch similarity.", "lpips")
FVD = Metric("fvd", "FVD", "", "lower", "Fréchet video distance.", "")

OF_FRAMES = [PSNR, PSNR_VIDEO, SSIM, SSIM_SVG, MSE]
"""Metrics that need no network; CONTRIBUTING.md adds one."""


def choosers() -> tuple[str, ...]:
    """Return the choices of --select: each, or the metric that chooses the best sample for all metrics."""
    return ("each", *(metric.name for metric in (*OF_FRAMES, IDENTITY, LPIPS)))


def _decibels(error: ArrayLike) -> np.ndarray:
    from svg_tf.metrics.psnr import decibels  # imports TensorFlow

    return decibels(np.asarray(error, np.float64)).numpy()
