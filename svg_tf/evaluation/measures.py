"""What is measured on every predicted frame, from which the metrics of definitions are computed."""

from collections.abc import Callable

import numpy as np

from svg_tf.metrics.mse import mse
from svg_tf.metrics.ssim import ssim, ssim_svg

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _as_array(function: Callable) -> Measure:
    return lambda truth, predictions: function(truth, predictions).numpy()


PLAIN: dict[str, Measure] = {"mse": _as_array(mse), "ssim": _as_array(ssim), "ssim_svg": _as_array(ssim_svg)}
"""Of truth float32 [T, H, W, C] and predictions [S, T, H, W, C] in [0, 1]: float32 [S, T], by name."""


def with_lpips(lpips: Callable[[np.ndarray, np.ndarray], np.ndarray] | None) -> dict[str, Measure]:
    """PLAIN, and LPIPS by the network that was loaded, if any: see svg_tf.metrics.lpips."""
    if lpips is None:
        return PLAIN

    def measure(truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        return lpips(truth[np.newaxis], np.asarray(predictions)[:, np.newaxis])[:, 0]

    return PLAIN | {"lpips": measure}
