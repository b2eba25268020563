"""Structural similarity (SSIM) of frames in [0, 1], after Wang et al., IEEE Trans. Image Processing 13(4), 2004."""

import numpy as np
import tensorflow as tf

from svg_tf.metrics.psnr import as_frame_pair

_WINDOW = 11
_SIGMA = 1.5
_C1 = 0.01**2
_C2 = 0.03**2
# Frames scored in one go: bounds the memory, 0.2 GB for 128x128 RGB, however many samples there are.
_CHUNK = 32


def ssim(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """SSIM of every frame: the mean over channels and over the positions where the window fits.

    The window is Gaussian, 11 x 11, sigma 1.5, with K1 = 0.01, K2 = 0.03, data range 1 and weighted (biased)
    covariances: the definition of tf.image.ssim. Leading dimensions broadcast: truth [B, T, H, W, C] scores samples
    [S, B, T, H, W, C] as [S, B, T].

    Variances are differences of near equal numbers, held against C2 = 0.0009: float32 is off by 1e-3 on flat bright
    frames, and rounding to TF32, as recent GPUs may in convolutions, by 1e-2 on ordinary ones. So the sums are
    float64, which is why this is not tf.image.ssim.

    Args:
        truth: float32 [..., H, W, C] in [0, 1], H and W at least 11.
        prediction: float32 [..., H, W, C] in [0, 1].

    Returns:
        float32 [...] in [-1, 1], higher is better; 1 for identical frames.

    Raises:
        ValueError: frames that are not floating point or smaller than the window, or shapes that do not match.
    """
    truth, prediction = as_frame_pair(truth, prediction)
    height, width = truth.shape[-3:-1]
    if min(height or _WINDOW, width or _WINDOW) < _WINDOW:
        raise ValueError(
            f"frames are {height}x{width} pixels, but SSIM's window needs at least {_WINDOW}x{_WINDOW}: "
            "score larger frames"
        )
    leading = tf.broadcast_dynamic_shape(tf.shape(truth)[:-3], tf.shape(prediction)[:-3])
    count = tf.reduce_prod(leading)
    chunk = tf.minimum(count, _CHUNK)
    # Frame numbers are broadcast in place of frames, so that a truth is never copied for all its samples.
    padding = [[0, -count % chunk]]
    pairs = tf.stack([tf.pad(_frame_numbers(frames, leading), padding) for frames in (truth, prediction)], axis=-1)
    flat_truth, flat_prediction = (
        tf.reshape(frames, tf.concat([[-1], tf.shape(frames)[-3:]], axis=0)) for frames in (truth, prediction)
    )
    scores = tf.map_fn(
        lambda pair: _ssim_of_chunk(tf.gather(flat_truth, pair[:, 0]), tf.gather(flat_prediction, pair[:, 1])),
        tf.reshape(pairs, [-1, chunk, 2]),
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([None], tf.float32),
    )
    return tf.reshape(tf.reshape(scores, [-1])[:count], leading)


def _frame_numbers(frames: tf.Tensor, leading: tf.Tensor) -> tf.Tensor:
    own = tf.shape(frames)[:-3]
    numbers = tf.reshape(tf.range(tf.reduce_prod(own)), own)
    return tf.reshape(tf.broadcast_to(numbers, leading), [-1])


def _ssim_of_chunk(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    x, y = tf.cast(truth, tf.float64), tf.cast(prediction, tf.float64)  # [N, H, W, C]
    moments = _windowed_mean(tf.concat([x, y, x * x + y * y, x * y], axis=-1))  # [N, H - 10, W - 10, 4 C]
    mean_x, mean_y, mean_squares, mean_product = tf.split(moments, 4, axis=-1)
    product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    luminance = (2.0 * product + _C1) / (squares + _C1)
    structure = (2.0 * (mean_product - product) + _C2) / (mean_squares - squares + _C2)
    return tf.cast(tf.reduce_mean(luminance * structure, axis=[1, 2, 3]), tf.float32)


def _windowed_mean(maps: tf.Tensor) -> tf.Tensor:
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    window = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
    window = tf.constant(window / window.sum(), maps.dtype)
    # The Gaussian is separable: down the columns, then along the rows.
    for shape in ([_WINDOW, 1, 1, 1], [1, _WINDOW, 1, 1]):
        kernel = tf.tile(tf.reshape(window, shape), [1, 1, tf.shape(maps)[-1], 1])
        maps = tf.nn.depthwise_conv2d(maps, kernel, strides=[1, 1, 1, 1], padding="VALID")
    return maps
