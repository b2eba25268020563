"""Structural similarity (SSIM) of frames in [0, 1], after Wang et al., IEEE Trans. Image Processing 13(4), 2004."""

import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf.metrics.frame_pair import as_frame_pair

# Numbers of the frames that are taken at once, 4 MB, whose parts the processor's cache still holds when the next part
# reads them. Fewer would be slower: to begin a compiled part takes a tenth of a millisecond.
_AT_ONCE = 250 * 64 * 64
_GROUPS = 2 * (os.cpu_count() or 1)  # at the same time


class Window(NamedTuple):
    """What tells one SSIM from another.

    Attributes:
        taps: weights of the window along an axis, symmetric, which add up to 1; the window is their outer product.
        data_range: L in the constants (0.01 L)^2 and (0.03 L)^2.
        covariance_scale: factor of variances and covariances: 1 for weighted ones, n / (n - 1) for sample ones.
    """

    taps: tuple[float, ...]
    data_range: float
    covariance_scale: float


def _taps(weights: np.ndarray) -> tuple[float, ...]:
    """Weights as float32 that add up to 1 more exactly than rounding leaves them: the outermost take the rest."""
    taps = (weights / weights.sum()).astype(np.float32)
    taps[[0, -1]] += np.float32((1 - np.float64(taps).sum()) / 2)
    return tuple(taps.tolist())


GAUSSIAN = Window(_taps(np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)), data_range=1.0, covariance_scale=1.0)
UNIFORM = Window(_taps(np.ones(7)), data_range=2.0, covariance_scale=49 / 48)


def ssim(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """SSIM of every frame: the mean over channels and over the positions where the window fits.

    The window is Gaussian, 11 x 11, sigma 1.5, with K1 = 0.01, K2 = 0.03, data range 1 and weighted (biased)
    covariances: the definition of tf.image.ssim. Leading dimensions broadcast: truth [B, T, H, W, C] scores samples
    [S, B, T, H, W, C] as [S, B, T], and is prepared once for all samples.

    Args:
        truth: float32 [..., H, W, C] in [0, 1], H and W at least 11.
        prediction: float32 [..., H, W, C] in [0, 1].

    Returns:
        float32 [...] in [-1, 1], higher is better; 1 for identical frames. It is off by 1e-5 at most.

    Raises:
        ValueError: frames that are not floating point or smaller than the window, or shapes that do not match.
    """
    return _similarity(truth, prediction, GAUSSIAN)


def ssim_svg(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """As ssim, in the variant of the SVG authors' script: the defaults of scikit-image for floats in [0, 1].

    The window is uniform, 7 x 7, covariances are those of a sample (n - 1), and the data range is 2, as scikit-image
    supposes of floating point frames. The constants are four times as large, so the scores are higher.
    """
    return _similarity(truth, prediction, UNIFORM)


def _similarity(truth: tf.Tensor, prediction: tf.Tensor, window: Window) -> tf.Tensor:
    truth, prediction = as_frame_pair(truth, prediction)
    height, width = truth.shape[-3:-1]
    size = len(window.taps)
    if min(height or size, width or size) < size:
        raise ValueError(
            f"frames are {height}x{width} pixels, but SSIM's window needs at least {size}x{size}: score larger frames"
        )
    own, given = truth.shape[:-3], prediction.shape[:-3]
    leading = tf.broadcast_dynamic_shape(tf.shape(truth)[:-3], tf.shape(prediction)[:-3])
    frame = tf.shape(truth)[-3:]
    at_once = _AT_ONCE // (truth.shape[-3:].num_elements() or _AT_ONCE)
    if own.is_fully_defined() and given.rank > own.rank and given[given.rank - own.rank :] == own:
        truth = tf.reshape(truth, tf.concat([[-1], frame], axis=0))  # [F, H, W, C]
        samples = tf.reshape(prediction, tf.concat([[-1], tf.shape(truth)], axis=0))  # [S, F, H, W, C]
        scores = _score_samples(truth, samples, window, max(1, at_once // own.num_elements()))
    else:
        pair = (tf.broadcast_to(x, tf.concat([leading, frame], axis=0)) for x in (truth, prediction))
        pair = (tf.reshape(x, tf.concat([[-1], frame], axis=0)) for x in pair)  # [N, H, W, C] each
        scores = _score_pairs(*pair, window, max(1, at_once))
    return tf.reshape(scores, leading)


@tf.function(reduce_retracing=True)
def _score_samples(truth: tf.Tensor, samples: tf.Tensor, window: Window, at_once: int) -> tf.Tensor:
    """SSIM of samples [S, F, H, W, C] with the truth [F, H, W, C]: float32 [S, F]."""
    prepared = _prepare(truth, window)
    return _in_groups(lambda group: _compare(prepared, group[0], window), [samples], at_once)


@tf.function(reduce_retracing=True)
def _score_pairs(truth: tf.Tensor, prediction: tf.Tensor, window: Window, at_once: int) -> tf.Tensor:
    """SSIM of frames with frames, [N, H, W, C] both: float32 [N]."""
    return _in_groups(lambda pair: _compare(_prepare(pair[0], window), pair[1], window), [truth, prediction], at_once)


def _in_groups(function: Callable[[list[tf.Tensor]], tf.Tensor], inputs: list[tf.Tensor], most: int) -> tf.Tensor:
    """Calls a function of the inputs [N, ...] with at most so many rows at once: [N, ...].

    All groups have one shape, which is what XLA compiles for: zeros fill them up.
    """
    rows = tf.shape(inputs[0])[0]
    size = -(-rows // -(-rows // most))

    def grouped(x: tf.Tensor) -> tf.Tensor:
        x = tf.pad(x, [[0, -rows % size], *[[0, 0]] * (x.shape.rank - 1)])
        return tf.reshape(x, tf.concat([[-1, size], tf.shape(x)[1:]], axis=0))

    groups = [grouped(x) for x in inputs]
    scores = tf.map_fn(function, groups, parallel_iterations=_GROUPS, fn_output_signature=tf.float32)
    return tf.reshape(scores, tf.concat([[-1], tf.shape(scores)[2:]], axis=0))[:rows]


class _Truth(NamedTuple):
    """What samples are compared to. Frames lie flat, L = H * W * C; windows begin at P of the places."""

    frames: tf.Tensor  # [F, L]
    centred: tf.Tensor  # less each frame's mean [F, L]
    deviation: tf.Tensor  # mean of the window, less the frame's [F, P]
    mean: tf.Tensor  # of the window [F, P]
    variance: tf.Tensor
    shares: tf.Tensor  # of the windows in the score: none of those that go over an edge [P]


# In a flat frame a window goes down the columns by steps of W * C, and along the rows by C. That makes long loops,
# which XLA compiles well; windows that go over an edge are computed with the others and left out of the score. The
# columns are a part of their own, or XLA would compute them anew for every place in the row.
#
# Samples y are compared with the truth x by their differences d = y - x:
#
#     SSIM = (1 - mean(d)^2 / (mean(x)^2 + mean(y)^2 + c1)) (1 - var(d) / (var(x) + var(y) + c2))
#     var(y) = var(x) + var(d) + 2 cov(x, d)
#
# so that float32 loses the less the better a sample is. What is common to a frame is taken off first, since a small
# variance would else be the difference of two large numbers.


def _prepare(truth: tf.Tensor, window: Window) -> _Truth:
    """The truth [F, H, W, C]."""
    width, channels = tf.unstack(tf.shape(truth)[-2:])
    flat = tf.reshape(truth, [tf.shape(truth)[0], -1])
    average, centred, *columns = _columns_of_truth(flat, window, width * channels)
    return _Truth(flat, centred, *_rows_of_truth(average, *columns, window, tf.shape(truth)[-3:]))


# The truth's parts are in float64: they are made once for all samples.


@tf.function(jit_compile=True)
def _columns_of_truth(truth: tf.Tensor, window: Window, step: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Of the truth [F, L]: its frames' means, what is above them, and this and its squares down the columns."""
    exact = tf.cast(truth, tf.float64)
    average = tf.reduce_mean(exact, axis=-1, keepdims=True)
    centred = exact - average
    return average, tf.cast(centred, tf.float32), _slide(centred, window, step), _slide(centred**2, window, step)


@tf.function(jit_compile=True)
def _rows_of_truth(
    average: tf.Tensor, means: tf.Tensor, squares: tf.Tensor, window: Window, shape: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """The last four of _Truth, by what the columns gave, for frames of a shape [H, W, C]."""
    height, width, channels = tf.unstack(shape)
    deviation = _slide(means, window, channels)
    variance = _slide(squares, window, channels) - tf.square(deviation)
    rows, columns = height - len(window.taps) + 1, width - len(window.taps) + 1
    fits = tf.range(tf.shape(deviation)[-1]) // channels % width < columns
    shares = tf.cast(fits, tf.float64) / tf.cast(rows * columns * channels, tf.float64)
    return tuple(tf.cast(x, tf.float32) for x in (deviation, deviation + average, variance, shares))


def _compare(truth: _Truth, samples: tf.Tensor, window: Window) -> tf.Tensor:
    """SSIM of samples [..., F, H, W, C] with the truth: float32 [..., F]."""
    width, channels = tf.unstack(tf.shape(samples)[-2:])
    flat = tf.reshape(samples, tf.concat([tf.shape(samples)[:-3], [-1]], axis=0))
    differences, offset = _differences(truth.frames, flat)
    columns = _columns(truth.centred, differences, window, width * channels)
    return _rows(truth, offset, *columns, window, channels)


@tf.function(jit_compile=True)
def _differences(truth: tf.Tensor, samples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Samples [..., F, L] less the truth [F, L] and less the mean of that, and this mean [..., F, 1]."""
    differences = samples - truth
    offset = tf.reduce_mean(differences, axis=-1, keepdims=True)
    return differences - offset, offset


@tf.function(jit_compile=True)
def _columns(truth: tf.Tensor, differences: tf.Tensor, window: Window, step: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """The differences, their squares, and their products with the truth, down the columns."""
    maps = (differences, tf.square(differences), truth * differences)
    return tuple(_slide(x, window, step) for x in maps)


@tf.function(jit_compile=True)
def _rows(
    truth: _Truth,
    offset: tf.Tensor,
    means: tf.Tensor,
    squares: tf.Tensor,
    products: tf.Tensor,
    window: Window,
    step: tf.Tensor,
) -> tf.Tensor:
    """The score [..., F] of what _columns gives."""
    mean, square, product = (_slide(x, window, step) for x in (means, squares, products))
    variance = square - tf.square(mean)  # of the differences
    covariance = product - truth.deviation * mean  # with the truth
    mean += offset
    c1, c2 = (0.01 * window.data_range) ** 2, (0.03 * window.data_range) ** 2 / window.covariance_scale
    powers = tf.square(truth.mean) + tf.square(truth.mean + mean) + c1
    variances = 2.0 * (truth.variance + covariance) + variance + c2
    lost = (tf.square(mean) * (variances - variance) + powers * variance) / (powers * variances)
    return 1.0 - tf.linalg.matvec(lost, truth.shares)


def _slide(x: tf.Tensor, window: Window, step: tf.Tensor) -> tf.Tensor:
    """The window's weighted sum of every step-th number from each on: [..., N] -> [..., N - (len(taps) - 1) step].

    From the outermost in, since small numbers that are added first are rounded least.
    """
    last, half = len(window.taps) - 1, len(window.taps) // 2
    size = tf.shape(x)[-1] - last * step
    parts = [x[..., i * step : i * step + size] for i in range(last + 1)]
    total = window.taps[0] * (parts[0] + parts[last])
    for i in range(1, half):
        total += window.taps[i] * (parts[i] + parts[last - i])
    return total + window.taps[half] * parts[half]
