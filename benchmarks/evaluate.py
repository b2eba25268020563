"""How fast clips are scored: predictions held against the truth, beside a loop of scikit-image, and whole records."""

import importlib.util
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks import timing
from svg_tf.config import Config
from svg_tf.evaluation.clips import TestClips
from svg_tf.evaluation.measures import PLAIN
from svg_tf.evaluation.protocols import resolve
from svg_tf.evaluation.scoring import Scorer
from svg_tf.models.svg import SVG

LOOP = "scikit-image, a loop over frames"
WHOLE = "as it is"
_PREDICTIONS = 100
_LOOPED = 2  # predictions of the loop, which takes as long for each
_SAMPLES = 100


def measure(config: Config, seconds: float) -> dict[str, Any]:
    """Measures each form of each metric for about `seconds`, in turns, on predictions of one test clip.

    Returns:
        Fit for JSON: frames, predictions, and under `metrics` by name (psnr, ssim, ssim_svg) and form
        clips_per_second, where a clip is one prediction of all its frames, and speedup, of the loop's; without
        scikit-image there is no loop. Under `records`: samples of a clip, and clips_per_second with the samples drawn,
        by an untrained model, and measured in every way, and beside them all other predictors.

    Raises:
        DataError: the test data is missing or broken.
    """
    clips = TestClips(resolve("run", config))
    clip = clips[0] / np.float32(255)
    truth, predictions = clip[config.n_past :], _predictions(clip[config.n_past :])
    loops = _loops() if importlib.util.find_spec("skimage") else {}
    on_device, metrics = tf.convert_to_tensor(predictions), {}
    for name, measured in (("psnr", "mse"), ("ssim", "ssim"), ("ssim_svg", "ssim_svg")):
        runs = {WHOLE: lambda form=PLAIN[measured]: form(truth, on_device)}
        if loops:
            runs[LOOP] = lambda loop=loops[name]: _loop(loop, truth, predictions[:_LOOPED])
        counts = {WHOLE: _PREDICTIONS, LOOP: _LOOPED}
        rates = {form: counts[form] / taken for form, taken in timing.in_turns(runs, seconds).items()}
        metrics[name] = {
            form: {"clips_per_second": rate, "speedup": rate / rates.get(LOOP, rate)} for form, rate in rates.items()
        }
    scorer = Scorer(
        SVG(config),
        clips,
        seed=0,
        n_samples=_SAMPLES,
        n_simulated=_SAMPLES,
        mean_frame=np.zeros_like(clip[0]),
        measures=PLAIN,
        features=None,
    )
    taken = timing.in_turns({WHOLE: lambda: scorer(0)}, seconds)[WHOLE]
    return {
        "frames": len(truth),
        "predictions": _PREDICTIONS,
        "metrics": metrics,
        "records": {"samples": _SAMPLES, "clips_per_second": 1 / taken},
    }


def _predictions(truth: np.ndarray) -> np.ndarray:
    """The truth, each time under other noise: float32 [S, T, H, W, C]."""
    noise = np.random.default_rng(0).standard_normal([_PREDICTIONS, *truth.shape], np.float32)
    return np.clip(truth + 0.1 * noise, 0, 1)


def _loops() -> dict[str, Any]:
    """By metric, what scikit-image says of two frames."""
    from skimage import metrics

    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    return {
        "psnr": lambda x, y: metrics.peak_signal_noise_ratio(x, y, data_range=1),
        "ssim": lambda x, y: metrics.structural_similarity(x, y, channel_axis=-1, **gaussian),
        "ssim_svg": lambda x, y: metrics.structural_similarity(x, y, channel_axis=-1, data_range=2),
    }


def _loop(loop: Any, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    return np.array([[loop(x, y) for x, y in zip(truth, frames, strict=True)] for frames in predictions])
