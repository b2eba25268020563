"""The metrics by name: what they are in words, and how a clip's score comes of what is measured on its frames."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_SCORED = "over the predicted frames"


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: for files and flags.
        title: for readers.
        unit: of the scores.
        better: higher or lower.
        definition: all that decides the number, in words.
        measure: what is measured on every frame for it: mse, ssim, ssim_svg or lpips.
    """

    name: str
    title: str
    unit: str
    better: str
    definition: str
    measure: str

    def of_frames(self, measured: np.ndarray) -> np.ndarray:
        """The score of every frame: [..., T] of the measure -> float64 [..., T]."""
        measured = np.asarray(measured, np.float64)
        return _decibels(measured) if self.measure == "mse" and self.unit == "dB" else measured

    def of_clips(self, measured: np.ndarray) -> np.ndarray:
        """The score of every clip: [..., T] of the measure -> float64 [...]."""
        if self.name == "psnr_video":
            return _decibels(np.mean(measured, axis=-1, dtype=np.float64))
        return self.of_frames(measured).mean(axis=-1)


PSNR = Metric(
    "psnr",
    "PSNR",
    "dB",
    "higher",
    f"-10 log10 of the mean squared error of a frame over its pixels and channels, frames in [0, 1], averaged "
    f"{_SCORED}. Identical frames score 100 dB. The published scripts average the PSNRs of single channels, which "
    "is the same for grey frames and 0.01 to 0.05 dB more for frames like BAIR's.",
    "mse",
)
PSNR_VIDEO = Metric(
    "psnr_video",
    "PSNR of the video",
    "dB",
    "higher",
    f"-10 log10 of the squared error averaged {_SCORED}, at most 100 dB. Never more than PSNR, which good frames "
    "raise more than bad ones lower it.",
    "mse",
)
SSIM = Metric(
    "ssim",
    "SSIM",
    "",
    "higher",
    "Structural similarity (Wang et al. 2004) with a Gaussian window, 11x11, sigma 1.5, data range 1, K1 0.01, K2 "
    f"0.03, weighted covariances, where the window fits; averaged over channels and {_SCORED}. As tf.image.ssim and "
    "the SRVP authors' code.",
    "ssim",
)
SSIM_SVG = Metric(
    "ssim_svg",
    "SSIM, SVG's script",
    "",
    "higher",
    "Structural similarity as the SVG authors' script computes it, by the defaults of scikit-image: uniform window, "
    f"7x7, data range 2, sample covariances; averaged over channels and {_SCORED}. Higher than SSIM of the same "
    "frames.",
    "ssim_svg",
)
MSE = Metric("mse", "MSE", "", "lower", f"Squared error of frames in [0, 1], averaged {_SCORED}.", "mse")
LPIPS = Metric("lpips", "LPIPS", "", "lower", "Learned perceptual image patch similarity.", "lpips")
FVD = Metric("fvd", "FVD", "", "lower", "Fréchet video distance.", "")

OF_FRAMES = [PSNR, PSNR_VIDEO, SSIM, SSIM_SVG, MSE]
"""Those that need no network; docs/extending.md adds one."""


def choosers() -> tuple[str, ...]:
    """Who may choose the best sample: each metric its own, or one, by its name, for all."""
    return ("each", *(metric.name for metric in (*OF_FRAMES, LPIPS)))


def _decibels(error: ArrayLike) -> np.ndarray:
    from svg_tf.metrics.psnr import decibels  # TensorFlow takes seconds to load, and names are wanted before

    return decibels(np.asarray(error, np.float64)).numpy()
