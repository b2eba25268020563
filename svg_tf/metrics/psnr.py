"""Mean squared error and peak signal-to-noise ratio (PSNR) of frames in [0, 1]."""

import tensorflow as tf

# 100 dB. Identical frames get this score instead of infinity, so that means stay finite.
_SMALLEST_ERROR = 1e-10


def mse(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """Return the mean squared error of each frame over H, W and C.

    Args:
        truth: float32 [..., H, W, C] in [0, 1].
        prediction: float32 [..., H, W, C] in [0, 1]. Leading dimensions broadcast: truth [T, H, W, C] scores the
            samples [S, T, H, W, C] of a clip.

    Returns:
        float32 [...] in [0, 1], lower is better.

    Raises:
        ValueError: frames that are not floating point, or of different H, W or C.
    """
    truth, prediction = as_frame_pair(truth, prediction)
    return tf.reduce_mean(tf.math.squared_difference(truth, prediction), axis=[-3, -2, -1])


def psnr(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """Return the PSNR of each frame in dB, float32 [...], at most 100; arguments and errors as in `mse`."""
    return decibels(mse(truth, prediction))


def psnr_video(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """Return the PSNR of the squared error averaged over T frames, float32 [..., T]: the same value for each frame."""
    errors = mse(truth, prediction)
    return tf.broadcast_to(decibels(tf.reduce_mean(errors, axis=-1, keepdims=True)), tf.shape(errors))


def decibels(error: tf.Tensor) -> tf.Tensor:
    """Convert mean squared errors of any shape to PSNR in dB, at most 100. Keeps the dtype."""
    return -10.0 * tf.experimental.numpy.log10(tf.maximum(error, _SMALLEST_ERROR))


def as_frame_pair(truth: tf.Tensor, prediction: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Convert two arrays of frames [..., H, W, C] to float32 tensors, with the errors of `mse`."""
    truth, prediction = tf.convert_to_tensor(truth), tf.convert_to_tensor(prediction)
    for name, frames in (("truth", truth), ("prediction", prediction)):
        if not frames.dtype.is_floating:
            raise ValueError(f"{name} is {frames.dtype.name}; it must be float32 in [0, 1]. Divide uint8 by 255.")
    if truth.shape[-3:] != prediction.shape[-3:]:
        raise ValueError(f"truth {truth.shape} and prediction {prediction.shape} differ in H, W or C.")
    return tf.cast(truth, tf.float32), tf.cast(prediction, tf.float32)
