"""Scoring of predictions, compared with a loop over scikit-image's functions."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from skimage import metrics

from benchmarks import timing
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.metrics.psnr import psnr
from svg_tf.metrics.ssim import ssim, ssim_svg

METRICS: dict[str, Callable] = {"psnr": psnr, "ssim": ssim, "ssim_svg": ssim_svg}
PREDICTIONS = 100
_LOOPED = 2  # predictions of the loop; each takes the same time


def measure(config: Config, seconds: float) -> dict[str, Any]:
    """Measure each metric on predictions of one test clip for about `seconds`, in turn with the loop.

    Returns:
        For JSON: the title, and rows with the predictions a second and the speed-up over the loop.
    """
    clip = next(iter(make_dataset(config, "test", n_clips=1)))[0]
    truth = clip[config.n_past :].numpy() / np.float32(255)
    samples = tf.convert_to_tensor(noisy(truth, PREDICTIONS))
    rows = {}
    for name, metric in METRICS.items():
        runs = {"here": partial(metric, truth, samples), "loop": partial(loop, name, truth, samples[:_LOOPED])}
        taken = timing.in_turns(runs, seconds)
        rate = PREDICTIONS / taken["here"]
        rows[name] = {"predictions/s": rate, "speed-up": rate * taken["loop"] / _LOOPED}
    return {"title": f"{PREDICTIONS} predictions of {len(truth)} frames", "rows": rows}


def noisy(truth: np.ndarray, samples: int) -> np.ndarray:
    """Return the truth with different noise in each sample, float32 [S, T, H, W, C]."""
    noise = np.random.default_rng(0).standard_normal([samples, *truth.shape], np.float32)
    return np.clip(truth + 0.1 * noise, 0, 1)


def loop(metric: str, truth: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return the metric of scikit-image, one frame at a time, float [S, T]."""
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    functions = {
        "psnr": lambda x, y: metrics.peak_signal_noise_ratio(x, y, data_range=1),
        "ssim": lambda x, y: metrics.structural_similarity(x, y, channel_axis=-1, **gaussian),
        "ssim_svg": lambda x, y: metrics.structural_similarity(x, y, channel_axis=-1, data_range=2),
    }
    return np.array(
        [[functions[metric](x, y) for x, y in zip(truth, frames, strict=True)] for frames in np.asarray(samples)]
    )
