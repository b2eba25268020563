"""Checks of a TFLite file: the size of its constants, and how close its frames are to TensorFlow's."""

import re
from typing import NamedTuple

import numpy as np

from svg_tf.models.svg import SVG

_WEIGHT_BYTES = {"float32": 4, "float16": 2, "dynamic_int8": 1}
_SMALL = 1024  # the converter may leave constants of fewer values in float32
_OTHER_BYTES = 128 * 1024  # shapes, initial states, biases
# Below this PSNR after ten steps the difference is not rounding: the file computes something else.
_LEAST_PSNR = {"float32": 80.0, "float16": 40.0, "dynamic_int8": 20.0}
_COMPARED_STEPS = 10


class Quality(NamedTuple):
    """Errors over all clips, frames and pixels, in dB."""

    psnr_to_tensorflow: float  # of the first ten predicted frames
    psnr_loss: float  # how much worse than TensorFlow's frames, compared with the true future
    psnr_loss_error: float  # standard error of psnr_loss over the clips; 0 for one clip


def compare(frames: np.ndarray, reference: np.ndarray, future: np.ndarray) -> Quality:
    """Compare futures of a file with TensorFlow's.

    Args:
        frames: of the file, float32 [N, T, H, W, C].
        reference: TensorFlow's with the same noise, the same shape.
        future: the true frames, float32 [N, T', H, W, C].
    """
    known = min(frames.shape[1], future.shape[1])
    errors, reference_errors = (_mse(x[:, :known], future[:, :known]) for x in (frames, reference))
    standard_error = 0.0
    if len(errors) > 1:
        # d(dB) = 10 / ln(10) * d(error) / error
        spread = np.std(errors - reference_errors, ddof=1) / np.sqrt(len(errors))
        standard_error = float(10 / np.log(10) * spread / max(reference_errors.mean(), 1e-20))
    first = np.s_[:, :_COMPARED_STEPS]
    return Quality(
        _decibels(_mse(frames[first], reference[first]).mean()),
        _decibels(reference_errors.mean()) - _decibels(errors.mean()),
        standard_error,
    )


def find_fault(path: str, model: SVG, variant: str, frames: np.ndarray, quality: Quality, tolerance: float) -> str:
    """Return why a file must not be used, in one sentence, or "".

    Args:
        path: the TFLite file.
        model: the model it was made from.
        variant: see `conversion.VARIANTS`.
        frames: frames drawn with the file.
        quality: of these frames.
        tolerance: largest loss of PSNR in dB; a loss is real beyond two standard errors.
    """
    if not np.all(np.isfinite(frames)):
        return "its frames are not finite"
    least = _LEAST_PSNR[variant]
    if quality.psnr_to_tensorflow < least:
        return (
            f"its frames are {quality.psnr_to_tensorflow:.1f} dB from TensorFlow's; at least {least:.0f} are expected"
        )
    if quality.psnr_loss - 2 * quality.psnr_loss_error > tolerance:
        return (
            f"its PSNR is {quality.psnr_loss:.3f} ± {quality.psnr_loss_error:.3f} dB below TensorFlow's, more than "
            f"the tolerance of {tolerance:g} dB; raise --tolerance_db to accept it"
        )
    constant_bytes = _constant_bytes(path)
    sizes = _kernel_sizes(model)
    expected = sum(size * _WEIGHT_BYTES[variant] for size in sizes if size >= _SMALL)
    largest = 1.1 * (expected + sum(size * 4 for size in sizes if size < _SMALL)) + _OTHER_BYTES
    if not expected <= constant_bytes <= largest:
        return f"it has {constant_bytes:,} bytes of constants, but {expected:,} are expected: missing or stored twice"
    return ""


def _constant_bytes(path: str) -> int:
    """Return the bytes of a file's constants: its weights and little else."""
    from ai_edge_litert import schema_py_generated as schema

    with open(path, "rb") as file:
        model = schema.Model.GetRootAs(file.read(), 0)
    return sum(model.Buffers(index).DataLength() for index in range(model.BuffersLength()))


def _kernel_sizes(model: SVG) -> list[int]:
    """Return the number of values of each kernel and matrix that the functions use."""
    networks = (model.encoder, model.decoder, model.frame_predictor, model.prior, model.posterior)
    weights = [weight for network in networks if network is not None for weight in network.weights]
    # The posterior reads P-1 frames: none with P = 1, and with P = 2 its initial state of zeros needs no kernel.
    unused = {1: "/posterior/|^posterior/", 2: "posterior/.*/recurrent_kernel"}.get(model.n_past, "$^")
    return [
        int(np.prod(weight.shape)) for weight in weights if len(weight.shape) > 1 and not re.search(unused, weight.path)
    ]


def _mse(frames: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each clip, float64 [N]."""
    axes = tuple(range(1, frames.ndim))
    return np.square(np.subtract(frames, reference, dtype=np.float64)).mean(axis=axes)


def _decibels(error: float) -> float:
    return float(-10 * np.log10(max(error, 1e-20)))
