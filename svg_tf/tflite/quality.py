"""How near a device's futures are to TensorFlow's, and to the truth."""

from typing import NamedTuple

import numpy as np

_COMPARED_STEPS = 10
_SMALLEST_ERROR = 1e-20  # equal frames are 200 dB from one another
# Of the first ten frames, in dB. What is worse has lost more than digits: the futures are another model's.
_LEAST_PSNR = {"float32": 80.0, "float16": 40.0, "dynamic_int8": 20.0, "int8": 15.0}


class Quality(NamedTuple):
    """Errors over all clips, frames and pixels; PSNR is that of the mean squared error, in dB."""

    psnr_to_tensorflow: float  # over the first ten steps
    max_error: float  # likewise, of pixels in [0, 1]
    psnr: float  # to the true future, as far as it is known
    psnr_loss: float  # what TensorFlow's float32 futures have more, in dB
    psnr_loss_error: float | None  # standard error of that, by the clips' spread; None of a single clip

    @classmethod
    def of(cls, frames: np.ndarray, reference: np.ndarray, future: np.ndarray) -> "Quality":
        """Compares futures float32 [B, T, H, W, C] with TensorFlow's and with the true ones [B, T', H, W, C]."""
        early = np.s_[:, :_COMPARED_STEPS]
        known = np.s_[:, : min(frames.shape[1], future.shape[1])]
        errors, reference_errors = (_clip_errors(x[known], future[known]) for x in (frames, reference))
        score, reference_score = _decibels(errors.mean()), _decibels(reference_errors.mean())
        loss_error = None
        if len(errors) > 1:
            # The slope of the loss by the error is 10 / log(10) / error.
            error = np.std(errors - reference_errors, ddof=1) / np.sqrt(len(errors))
            loss_error = float(10 / np.log(10) * error / max(reference_errors.mean(), _SMALLEST_ERROR))
        return cls(
            _decibels(_clip_errors(frames[early], reference[early]).mean()),
            float(np.abs(frames[early] - reference[early]).max()),
            score,
            reference_score - score,
            loss_error,
        )

    @property
    def loss(self) -> str:
        """The loss in words: in dB, with its standard error."""
        error = "" if self.psnr_loss_error is None else f" ± {self.psnr_loss_error:.3f}"
        return f"{round(self.psnr_loss, 3) + 0.0:.3f}{error}"

    def fault(self, variant: str, tolerance: float) -> str | None:
        """Why a file of these errors is refused, in one sentence, or None."""
        if self.psnr_to_tensorflow < _LEAST_PSNR[variant]:
            return (
                f"its frames are {self.psnr_to_tensorflow:.1f} dB from TensorFlow's after {_COMPARED_STEPS} steps, at "
                f"least {_LEAST_PSNR[variant]:.0f} are expected"
            )
        if self.psnr_loss > tolerance:
            return (
                f"its PSNR to the true future is {self.loss} dB below float32's, more than the tolerance of "
                f"{tolerance:g} dB; a larger --n_clips measures it better, a larger --tolerance_db takes it"
            )
        return None


def _clip_errors(frames: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean squared error of each clip [B, T, H, W, C], float64 [B]."""
    return np.square(np.subtract(frames, truth, dtype=np.float64)).mean(axis=(1, 2, 3, 4))


def _decibels(error: float) -> float:
    return float(-10 * np.log10(max(error, _SMALLEST_ERROR)))
