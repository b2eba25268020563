"""Peak signal-to-noise ratio (PSNR) of frames in [0, 1]."""

import tensorflow as tf

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
    truth, prediction = as_frame_pair(truth, prediction)
    error = tf.reduce_mean(tf.math.squared_difference(truth, prediction), axis=[-3, -2, -1])  # [...]
    return -10.0 * tf.experimental.numpy.log10(tf.maximum(error, _SMALLEST_ERROR))


def as_frame_pair(truth: tf.Tensor, prediction: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Both as float32 tensors [..., H, W, C], of equal H, W and C and with leading dimensions that broadcast.

    Raises:
        ValueError: they are not; dimensions unknown while a graph is traced are taken on trust.
    """
    pair = []
    for name, frames in (("truth", truth), ("prediction", prediction)):
        frames = tf.convert_to_tensor(frames)
        if not frames.dtype.is_floating:
            raise ValueError(f"{name} is {frames.dtype.name}, but must be float32 in [0, 1]; divide bytes by 255")
        if (frames.shape.rank or 0) < 3 or frames.shape.num_elements() == 0:
            raise ValueError(f"{name} has shape {frames.shape}, but must be frames [..., H, W, C], at least one")
        pair.append(tf.cast(frames, tf.float32))
    truth, prediction = pair
    matches = truth.shape[-3:].is_compatible_with(prediction.shape[-3:])
    try:
        tf.broadcast_static_shape(truth.shape[:-3], prediction.shape[:-3])
    except ValueError:
        matches = False
    if not matches:
        raise ValueError(
            f"truth {truth.shape} and prediction {prediction.shape} do not match: H, W and C must be equal and the "
            "dimensions before them must broadcast"
        )
    return truth, prediction
