"""Peak signal-to-noise ratio (PSNR) of frames in [0, 1]."""

import tensorflow as tf

from svg_tf.metrics.mse import mse

# An error of 1e-10 is 100 dB: identical frames score that instead of infinity, so that means stay finite.
_SMALLEST_ERROR = 1e-10


def psnr(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """PSNR of every frame, in dB: -10 log10 of the mean squared error over H, W and C.

    Leading dimensions broadcast: truth [B, T, H, W, C] scores samples [S, B, T, H, W, C] as [S, B, T].
    The SVG authors average the PSNRs of single channels instead: the same for grey frames, and between 0.01 and
    0.05 dB more for frames like BAIR's.

    Args:
        truth: float32 [..., H, W, C] in [0, 1].
        prediction: float32 [..., H, W, C] in [0, 1].

    Returns:
        float32 [...], higher is better. The error is floored at 1e-10, so a score is at most 100 dB.

    Raises:
        ValueError: frames that are not floating point, or shapes that do not match.
    """
    return decibels(mse(truth, prediction))


def decibels(error: tf.Tensor) -> tf.Tensor:
    """The PSNR of a mean squared error of any shape, in dB and its type: -10 log10, at most 100."""
    return -10.0 * tf.experimental.numpy.log10(tf.maximum(error, _SMALLEST_ERROR))
