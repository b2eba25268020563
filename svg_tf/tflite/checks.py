"""Checks of a TFLite file: its size, and how close its frames are to TensorFlow's."""

import os
from typing import NamedTuple

import numpy as np

from svg_tf.models.svg import SVG

_WEIGHT_BYTES = {"float32": 4, "float16": 2, "dynamic_int8": 1, "int8": 1}
_OTHER_BYTES = 2**19  # operations, biases, and small kernels, which stay in float32
# Below this PSNR after ten steps the difference is not rounding: the file computes something else.
_LEAST_PSNR = {"float32": 80.0, "float16": 40.0, "dynamic_int8": 20.0, "int8": 15.0}


class Quality(NamedTuple):
    """Errors over all clips, frames and pixels, in dB."""

    psnr_to_tensorflow: float  # of the first ten predicted frames
    psnr_loss: float  # PSNR to the true future: TensorFlow's less the file's
    psnr_loss_error: float  # standard error of psnr_loss over the clips; 0 for one clip


def compare(frames: np.ndarray, reference: np.ndarray, future: np.ndarray) -> Quality:
    """Compare frames of a file, float32 [N, T, H, W, C], with TensorFlow's from the same noise and the true future."""
    known = min(frames.shape[1], future.shape[1])
    errors, reference_errors = (_mse(x[:, :known], future[:, :known]) for x in (frames, reference))
    spread = np.std(errors - reference_errors, ddof=1) / np.sqrt(len(errors)) if len(errors) > 1 else 0.0
    return Quality(
        _decibels(_mse(frames[:, :10], reference[:, :10]).mean()),
        _decibels(reference_errors.mean()) - _decibels(errors.mean()),
        float(10 / np.log(10) * spread / max(reference_errors.mean(), 1e-20)),  # d(dB) = 10 / ln(10) * d(error) / error
    )


def find_fault(path: str, model: SVG, variant: str, frames: np.ndarray, quality: Quality, tolerance: float) -> str:
    """Return why the file of a model must not be used, in one sentence, or "".

    The file drew `frames`, of this quality. `tolerance` is the largest loss of PSNR in dB, beyond two standard errors.
    """
    if not np.all(np.isfinite(frames)):
        return "its frames are not finite"
    psnr, least = quality.psnr_to_tensorflow, _LEAST_PSNR[variant]
    if psnr < least:
        return f"its frames are {psnr:.1f} dB from TensorFlow's; at least {least:.0f} are expected"
    if quality.psnr_loss - 2 * quality.psnr_loss_error > tolerance:
        return (
            f"its PSNR is {quality.psnr_loss:.3f} ± {quality.psnr_loss_error:.3f} dB below TensorFlow's, more than "
            f"the tolerance of {tolerance:g} dB; raise --tolerance_db to accept it"
        )
    size, weights = os.path.getsize(path), model.count_params()
    if size > 1.2 * weights * _WEIGHT_BYTES[variant] + _OTHER_BYTES:
        return f"it has {size:,} bytes for {weights:,} weights: some are stored twice or not quantized"
    return ""


def _mse(frames: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each clip, float64 [N]."""
    return np.square(np.subtract(frames, reference, dtype=np.float64)).mean(axis=(1, 2, 3, 4))


def _decibels(error: float) -> float:
    return float(-10 * np.log10(max(error, 1e-20)))
