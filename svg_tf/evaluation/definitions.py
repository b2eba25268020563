"""The metrics of frames: how they are measured, and their definitions in words."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from svg_tf.metrics import psnr, ssim

Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class Metric(NamedTuple):
    """One metric.

    `measure` returns the score of each frame, [S, T], from a clip's context [P, H, W, C], its truth [T, H, W, C] and
    predictions [S, T, H, W, C], float32 in [0, 1]. It is None for FVD.
    """

    name: str  # in files, of a-z, 0-9 and _
    title: str  # for readers
    unit: str
    better: str  # higher or lower
    definition: str  # everything that determines the number, in words
    measure: Measure | None = None
    curve: bool = True  # whether the scores differ from frame to frame


def _without_context(function: Callable) -> Measure:
    return lambda context, truth, predictions: function(truth, predictions).numpy()


PSNR = Metric(
    "psnr",
    "PSNR",
    "dB",
    "higher",
    "-10 log10 of the mean squared error of a frame over its pixels and channels, frames in [0, 1], averaged over the "
    "predicted frames. Identical frames score 100 dB. The published scripts average the PSNRs of the channels instead: "
    "the same for grey frames, 0.01 to 0.05 dB more for frames like BAIR's.",
    _without_context(psnr.psnr),
)
PSNR_VIDEO = Metric(
    "psnr_video",
    "PSNR of the video",
    "dB",
    "higher",
    "-10 log10 of the squared error averaged over the predicted frames, at most 100 dB. Never more than PSNR, which "
    "good frames raise more than bad ones lower it.",
    _without_context(psnr.psnr_video),
    curve=False,
)
SSIM = Metric(
    "ssim",
    "SSIM",
    "",
    "higher",
    "Structural similarity (Wang et al. 2004) with a Gaussian window of 11x11, sigma 1.5, data range 1, K1 0.01, K2 "
    "0.03, weighted covariances, at positions where the window fits; averaged over channels and predicted frames. As "
    "in tf.image.ssim and the SRVP authors' code.",
    _without_context(ssim.ssim),
)
SSIM_SVG = Metric(
    "ssim_svg",
    "SSIM, SVG's script",
    "",
    "higher",
    "Structural similarity as in the SVG authors' script, with scikit-image's defaults: uniform window of 7x7, data "
    "range 2, sample covariances; averaged over channels and predicted frames. Higher than SSIM of the same frames.",
    _without_context(ssim.ssim_svg),
)
MSE = Metric(
    "mse",
    "MSE",
    "",
    "lower",
    "Squared error of frames in [0, 1], averaged over the predicted frames.",
    _without_context(psnr.mse),
)

METRICS = [PSNR, PSNR_VIDEO, SSIM, SSIM_SVG, MSE]
"""The metrics of every evaluation. Append to it to add one, see CONTRIBUTING.md."""
