"""What every metric of frames takes: the truth, and what was predicted of it."""

import tensorflow as tf


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
