"""Structural similarity (SSIM) of frames in [0, 1], after Wang et al., IEEE Trans. Image Processing 13(4), 2004."""

import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf.metrics.frame_pair import as_frame_pair

# Numbers of the frames that a core takes at once, which take some twenty times their memory: 25 MB.
_AT_ONCE = 80 * 64 * 64
_CORES = os.cpu_count() or 1


class Window(NamedTuple):
    """What tells one SSIM from another.

    Attributes:
        taps: weights of the window along an axis, which add up to 1; the window is their outer product.
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


class _Truth(NamedTuple):
    """All that samples are compared to; height and width of the last three are swapped."""

    frames: tf.Tensor  # [F, H, W, C]
    columns: tf.Tensor  # means down the columns, where the window fits [F, W, H' * C]
    mean: tf.Tensor  # of the window, where it fits [F, W', H' * C]
    variance: tf.Tensor


@tf.function(reduce_retracing=True)
def _score_samples(truth: tf.Tensor, samples: tf.Tensor, window: Window, at_once: int) -> tf.Tensor:
    """SSIM of samples [S, F, H, W, C] with the truth [F, H, W, C]: float32 [S, F]."""
    prepared = _prepare(truth, window)
    scores = _each(lambda group: _compare(prepared, group, window), _groups(samples, at_once))
    return tf.reshape(scores, [-1, tf.shape(truth)[0]])[: tf.shape(samples)[0]]


@tf.function(reduce_retracing=True)
def _score_pairs(truth: tf.Tensor, prediction: tf.Tensor, window: Window, at_once: int) -> tf.Tensor:
    """SSIM of frames with frames, [N, H, W, C] both: float32 [N]."""
    pairs = tuple(_groups(x, at_once) for x in (truth, prediction))
    scores = _each(lambda pair: _compare(_prepare(pair[0], window), pair[1], window), pairs)
    return tf.reshape(scores, [-1])[: tf.shape(truth)[0]]


def _groups(x: tf.Tensor, size: int) -> tf.Tensor:
    """[N, ...] -> [ceil(N / size), size, ...], filled up with zeros: XLA compiles for one shape then."""
    x = tf.pad(x, [[0, -tf.shape(x)[0] % size], *[[0, 0]] * (x.shape.rank - 1)])
    return tf.reshape(x, tf.concat([[-1, size], tf.shape(x)[1:]], axis=0))


def _each(function: Callable[..., tf.Tensor], groups: tf.Tensor | tuple[tf.Tensor, ...]) -> tf.Tensor:
    return tf.map_fn(function, groups, parallel_iterations=_CORES, fn_output_signature=tf.float32)


# XLA is fast where a window slides over any axis but the last, and fuses no transposition well: hence two parts, down
# the columns and along the rows, around one.


def _prepare(truth: tf.Tensor, window: Window) -> _Truth:
    columns, variances = (_swap(maps, tf.shape(truth)[-1]) for maps in _columns_of_truth(truth, window))
    return _Truth(truth, columns, *_rows_of_truth(columns, variances, window))


def _compare(truth: _Truth, samples: tf.Tensor, window: Window) -> tf.Tensor:
    """SSIM of samples [..., F, H, W, C] with the truth: float32 [..., F]."""
    columns = _columns_of_samples(truth.frames, samples, window)
    return _rows_of_samples(truth, *(_swap(maps, tf.shape(samples)[-1]) for maps in columns), window)


def _swap(maps: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
    """[..., H, W * C] -> [..., W, H * C]."""
    leading, (height, width) = tf.shape(maps)[:-2], tf.unstack(tf.shape(maps)[-2:])
    maps = tf.transpose(tf.reshape(maps, [-1, height, width // channels, channels]), [0, 2, 1, 3])
    return tf.reshape(maps, tf.concat([leading, [width // channels, height * channels]], axis=0))


def _flat_rows(frames: tf.Tensor) -> tf.Tensor:
    """[..., H, W, C] -> [..., H, W * C]."""
    return tf.reshape(frames, tf.concat([tf.shape(frames)[:-2], [tf.reduce_prod(tf.shape(frames)[-2:])]], axis=0))


@tf.function(jit_compile=True)
def _columns_of_truth(truth: tf.Tensor, window: Window) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and variance down the columns, [..., H', W * C]."""
    x = _Deviations(_flat_rows(truth), window)
    return x.mean(), x.covariance(x)


@tf.function(jit_compile=True)
def _columns_of_samples(truth: tf.Tensor, samples: tf.Tensor, window: Window) -> tuple[tf.Tensor, ...]:
    """As _columns_of_truth, of samples, and then their covariance with the truth."""
    x, y = (_Deviations(_flat_rows(frames), window) for frames in (truth, samples))
    return y.mean(), y.covariance(y), x.covariance(y)


# The variance of a window is the mean of its columns' variances and the variance of their means.


@tf.function(jit_compile=True)
def _rows_of_truth(means: tf.Tensor, variances: tf.Tensor, window: Window) -> tuple[tf.Tensor, tf.Tensor]:
    x = _Deviations(means, window)
    return x.mean(), _slide(variances, window) + x.covariance(x)


@tf.function(jit_compile=True)
def _rows_of_samples(
    truth: _Truth, means: tf.Tensor, variances: tf.Tensor, covariances: tf.Tensor, window: Window
) -> tf.Tensor:
    x, y = _Deviations(truth.columns, window), _Deviations(means, window)
    squares = truth.variance + _slide(variances, window) + y.covariance(y)
    product = _slide(covariances, window) + x.covariance(y)
    mean_x, mean_y = truth.mean, y.mean()
    c1, c2 = (0.01 * window.data_range) ** 2, (0.03 * window.data_range) ** 2
    luminance = (2.0 * mean_x * mean_y + c1) / (tf.square(mean_x) + tf.square(mean_y) + c1)
    structure = (2.0 * window.covariance_scale * product + c2) / (window.covariance_scale * squares + c2)
    return tf.reduce_mean(luminance * structure, axis=[-2, -1])


class _Deviations:
    """What the pixels of each window, down the columns, are above its middle one.

    Moments about the middle pixel keep float32 exact: about 0, the small variance of bright frames is the difference
    of two large numbers, and off by more than the constants that it is held against.
    """

    def __init__(self, maps: tf.Tensor, window: Window) -> None:
        last = len(window.taps) - 1
        parts = [maps[..., i : i - last or None, :] for i in range(last + 1)]
        self._middle, self._taps = parts[last // 2], window.taps
        self._parts = [part - self._middle for part in parts]

    def mean(self) -> tf.Tensor:
        return self._middle + self._weighted(self._parts)

    def covariance(self, other: "_Deviations") -> tf.Tensor:
        products = [a * b for a, b in zip(self._parts, other._parts, strict=True)]
        return self._weighted(products) - self._weighted(self._parts) * other._weighted(other._parts)

    def _weighted(self, parts: list[tf.Tensor]) -> tf.Tensor:
        return sum(tap * part for tap, part in zip(self._taps, parts, strict=True))


def _slide(maps: tf.Tensor, window: Window) -> tf.Tensor:
    """The window's mean down the columns, where it fits."""
    last = len(window.taps) - 1
    return sum(tap * maps[..., i : i - last or None, :] for i, tap in enumerate(window.taps))
