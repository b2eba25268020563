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
        ValueError: frames that are not floating point, or shapes that do not match.
    """
    truth, prediction = as_frame_pair(truth, prediction)
    return tf.reduce_mean(tf.math.squared_difference(truth, prediction), axis=[-3, -2, -1])


def psnr(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """Return the PSNR of each frame in dB: -10 log10 of the mean squared error over H, W and C.

    The SVG authors average the PSNRs of the channels instead. That is the same for grey frames and 0.01 to 0.05 dB
    more for frames like those of BAIR.

    Arguments and errors are those of `mse`. The result is float32 [...], higher is better, at most 100.
    """
    return decibels(mse(truth, prediction))


def decibels(error: tf.Tensor) -> tf.Tensor:
    """Convert mean squared errors of any shape to PSNR in dB, at most 100. Keeps the dtype."""
    return -10.0 * tf.experimental.numpy.log10(tf.maximum(error, _SMALLEST_ERROR))


def as_frame_pair(truth: tf.Tensor, prediction: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Convert both arguments of a metric to float32 tensors [..., H, W, C] and check that they match.

    Raises:
        ValueError: not floating point, different H, W or C, or leading dimensions that do not broadcast.
    """
    pair = []
    for name, frames in (("truth", truth), ("prediction", prediction)):
        frames = tf.convert_to_tensor(frames)
        if not frames.dtype.is_floating:
            raise ValueError(f"{name} is {frames.dtype.name}; it must be float32 in [0, 1]. Divide uint8 by 255.")
        if (frames.shape.rank or 0) < 3 or frames.shape.num_elements() == 0:
            raise ValueError(f"{name} has shape {frames.shape}; it must be [..., H, W, C] with at least one frame.")
        pair.append(tf.cast(frames, tf.float32))
    truth, prediction = pair
    try:
        tf.broadcast_static_shape(truth.shape[:-3], prediction.shape[:-3])
        truth.shape[-3:].assert_is_compatible_with(prediction.shape[-3:])
    except ValueError:
        message = (
            f"truth {truth.shape} and prediction {prediction.shape} do not match in H, W and C, or do not broadcast."
        )
        raise ValueError(message) from None
    return truth, prediction
