"""Structural similarity (SSIM) of frames in [0, 1] (Wang et al., IEEE Trans. Image Processing 13(4), 2004).

Replaces `tf.image.ssim`: 5.7 times as fast on two CPU cores, because the truth is filtered once for all samples and
XLA fuses the filters. It also offers the variant of the SVG authors' script.
"""

import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf.metrics.psnr import as_frame_pair

# Pixels per group of frames: 4 MB, which stay in the CPU cache. Smaller groups lose more to kernel launches (0.1 ms).
_GROUP_PIXELS = 250 * 64 * 64
_PARALLEL_GROUPS = 2 * (os.cpu_count() or 1)
_compiled = tf.function(jit_compile=True, autograph=False)


class Window(NamedTuple):
    """The window and constants of one SSIM variant."""

    taps: tuple[float, ...]  # symmetric weights along one axis, summing to 1; the window is their outer product
    data_range: float  # L in the constants (0.01 L)^2 and (0.03 L)^2
    covariance_scale: float  # of variances and covariances: 1 for weighted ones, n / (n - 1) for sample ones


def _taps(weights: np.ndarray) -> tuple[float, ...]:
    """Return float32 weights that sum to 1: the outermost ones absorb the rounding error of the sum."""
    taps = (weights / weights.sum()).astype(np.float32)
    taps[[0, -1]] += np.float32((1 - np.float64(taps).sum()) / 2)
    return tuple(taps.tolist())


GAUSSIAN = Window(_taps(np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)), data_range=1.0, covariance_scale=1.0)
UNIFORM = Window(_taps(np.ones(7)), data_range=2.0, covariance_scale=49 / 48)


def ssim(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """Return the SSIM of each frame: the mean over channels and over the positions where the window fits.

    Gaussian window of 11 x 11, sigma 1.5, K1 = 0.01, K2 = 0.03, data range 1, weighted (biased) covariances, as in
    `tf.image.ssim`.

    Args:
        truth: float32 [T, H, W, C] in [0, 1], H and W at least 11.
        prediction: float32 [..., T, H, W, C] in [0, 1], for example the samples [S, T, H, W, C] of a clip.

    Returns:
        float32 [..., T] in [-1, 1], higher is better, 1 for identical frames; the error is at most 1e-5.

    Raises:
        ValueError: frames that are not floating point or smaller than the window, or shapes that do not match.
    """
    return _similarity(truth, prediction, GAUSSIAN)


def ssim_svg(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """Return SSIM as in the SVG authors' script, with scikit-image's defaults; arguments as in `ssim`.

    The window is uniform, 7 x 7, covariances are divided by n - 1, and the data range is 2, which scikit-image assumes
    for floating point frames. Scores are higher than those of `ssim`, because the constants are.
    """
    return _similarity(truth, prediction, UNIFORM)


def _similarity(truth: tf.Tensor, prediction: tf.Tensor, window: Window) -> tf.Tensor:
    truth, prediction = as_frame_pair(truth, prediction)
    if prediction.shape[-4:] != truth.shape:
        raise ValueError(f"truth {truth.shape} and prediction {prediction.shape} do not match.")
    height, width = truth.shape[1:3]
    size = len(window.taps)
    if min(height, width) < size:
        raise ValueError(f"frames are {height}x{width} pixels; SSIM needs at least {size}x{size}.")
    samples = tf.reshape(prediction, [-1, *truth.shape])  # [S, T, H, W, C]
    scores = _score(truth, samples, window, max(1, _GROUP_PIXELS // truth.shape.num_elements()))
    return tf.reshape(scores, prediction.shape[:-3])


@tf.function(reduce_retracing=True, autograph=False)
def _score(truth: tf.Tensor, samples: tf.Tensor, window: Window, group: int) -> tf.Tensor:
    """Return the SSIM [S, T] of samples in groups of at most `group`, zero-padded to one shape for XLA."""
    width, channels = tf.unstack(tf.shape(truth)[-2:])
    flat = tf.reshape(truth, [tf.shape(truth)[0], -1])
    average, centred, *columns = _truth_columns(flat, window, width * channels)
    filtered = _Truth(flat, centred, *_truth_rows(average, *columns, window, tf.shape(truth)[-3:]))
    rows = tf.shape(samples)[0]
    size = -(-rows // -(-rows // group))
    padded = tf.pad(samples, [[0, -rows % size], *[[0, 0]] * 4])
    groups = tf.reshape(padded, tf.concat([[-1, size], tf.shape(truth)], axis=0))
    scores = tf.map_fn(
        lambda part: _compare(filtered, part, window),
        groups,
        parallel_iterations=_PARALLEL_GROUPS,
        fn_output_signature=tf.float32,
    )
    return tf.reshape(scores, [-1, tf.shape(truth)[0]])[:rows]


class _Truth(NamedTuple):
    """The filtered truth. Frames are flat: L = H * W * C values, P of which are window positions."""

    frames: tf.Tensor  # [F, L]
    centred: tf.Tensor  # minus the mean of each frame [F, L]
    deviation: tf.Tensor  # window mean minus frame mean [F, P]
    mean: tf.Tensor  # window mean [F, P]
    variance: tf.Tensor  # [F, P]
    shares: tf.Tensor  # weight of each position in the score, 0 where the window wraps around an edge [P]


# Separable filtering of flat frames: down the columns in steps of W * C, then along the rows in steps of C. These long
# loops compile to fast code. Positions where the window wraps around an edge get weight 0. Columns and rows are two
# functions, or XLA would recompute the columns for every position of the row filter.
#
# A sample y is compared with the truth x through the difference d = y - x:
#
#     SSIM = (1 - mean(d)^2 / (mean(x)^2 + mean(y)^2 + c1)) (1 - var(d) / (var(x) + var(y) + c2))
#     var(y) = var(x) + var(d) + 2 cov(x, d)
#
# so float32 loses less the better the sample is. Frame means are subtracted first: a small variance would otherwise be
# the difference of two large numbers. The truth is filtered in float64, once for all samples.


@_compiled
def _truth_columns(truth: tf.Tensor, window: Window, step: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Return the frame means of [F, L], the centred frames, and the column-filtered centred frames and squares."""
    exact = tf.cast(truth, tf.float64)
    average = tf.reduce_mean(exact, axis=-1, keepdims=True)
    centred = exact - average
    return average, tf.cast(centred, tf.float32), _slide(centred, window, step), _slide(centred**2, window, step)


@_compiled
def _truth_rows(average: tf.Tensor, means: tf.Tensor, squares: tf.Tensor, window: Window, shape: tf.Tensor) -> tuple:
    """Return the last four fields of _Truth for frames of shape [H, W, C]."""
    height, width, channels = tf.unstack(shape)
    deviation = _slide(means, window, channels)
    variance = _slide(squares, window, channels) - tf.square(deviation)
    rows, columns = height - len(window.taps) + 1, width - len(window.taps) + 1
    fits = tf.range(tf.shape(deviation)[-1]) // channels % width < columns
    shares = tf.cast(fits, tf.float64) / tf.cast(rows * columns * channels, tf.float64)
    return tuple(tf.cast(x, tf.float32) for x in (deviation, deviation + average, variance, shares))


def _compare(truth: _Truth, samples: tf.Tensor, window: Window) -> tf.Tensor:
    """Return the SSIM of samples [S, F, H, W, C] with the truth: float32 [S, F]."""
    width, channels = tf.unstack(tf.shape(samples)[-2:])
    flat = tf.reshape(samples, tf.concat([tf.shape(samples)[:-3], [-1]], axis=0))
    differences, offset = _differences(truth.frames, flat)
    columns = _columns(truth.centred, differences, window, width * channels)
    return _rows(truth, offset, columns, window, channels)


@_compiled
def _differences(truth: tf.Tensor, samples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return samples [..., F, L] minus truth [F, L], centred, and the mean that was subtracted [..., F, 1]."""
    differences = samples - truth
    offset = tf.reduce_mean(differences, axis=-1, keepdims=True)
    return differences - offset, offset


@_compiled
def _columns(truth: tf.Tensor, differences: tf.Tensor, window: Window, step: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Return the column-filtered differences, their squares and their products with the truth."""
    return tuple(_slide(x, window, step) for x in (differences, tf.square(differences), truth * differences))


@_compiled
def _rows(truth: _Truth, offset: tf.Tensor, columns: tuple, window: Window, step: tf.Tensor) -> tf.Tensor:
    """Filter the results of _columns along the rows and return the scores [..., F]."""
    mean, square, product = (_slide(x, window, step) for x in columns)
    variance = square - tf.square(mean)  # var(d)
    covariance = product - truth.deviation * mean  # cov(x, d)
    mean += offset
    c1, c2 = (0.01 * window.data_range) ** 2, (0.03 * window.data_range) ** 2 / window.covariance_scale
    powers = tf.square(truth.mean) + tf.square(truth.mean + mean) + c1
    variances = 2.0 * (truth.variance + covariance) + variance + c2
    lost = (tf.square(mean) * (variances - variance) + powers * variance) / (powers * variances)
    return 1.0 - tf.linalg.matvec(lost, truth.shares)


def _slide(x: tf.Tensor, window: Window, step: tf.Tensor) -> tf.Tensor:
    """Return the weighted window sum of every step-th value: [..., N] -> [..., N - (len(taps) - 1) * step]."""
    last, half = len(window.taps) - 1, len(window.taps) // 2
    size = tf.shape(x)[-1] - last * step
    parts = [x[..., i * step : i * step + size] for i in range(last + 1)]
    total = window.taps[0] * (parts[0] + parts[last])  # small terms first lose the least to rounding
    for i in range(1, half):
        total += window.taps[i] * (parts[i] + parts[last - i])
    return total + window.taps[half] * parts[half]
