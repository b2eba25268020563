"""Mean squared error of frames in [0, 1]."""

import tensorflow as tf

from svg_tf.metrics.frame_pair import as_frame_pair


def mse(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """The mean squared error of every frame, over H, W and C.

    Leading dimensions broadcast: truth [B, T, H, W, C] scores samples [S, B, T, H, W, C] as [S, B, T].

    Args:
        truth: float32 [..., H, W, C] in [0, 1].
        prediction: float32 [..., H, W, C] in [0, 1].

    Returns:
        float32 [...] in [0, 1], lower is better.

    Raises:
        ValueError: frames that are not floating point, or shapes that do not match.
    """
    truth, prediction = as_frame_pair(truth, prediction)
    return tf.reduce_mean(tf.math.squared_difference(truth, prediction), axis=[-3, -2, -1])
