"""The motion of generated digits around a wall hit, compared with the true rules: Figure 5 of the paper."""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy.spatial.distance import cdist

from svg_tf import noise, rollout
from svg_tf.config import Config, ConfigError
from svg_tf.data.moving_mnist import MovingMNIST
from svg_tf.models.svg import SVG
from svg_tf.progress import progress
from svg_tf.uncertainty import sequences

FOUND = 0.5  # least normalized cross-correlation of a digit that counts as found
_BEFORE, _AFTER = 1, 4  # frames shown before and after the hit
_SWEEPS = 2
_SIMULATIONS = 1_000
_BATCH_SIZE = 500  # frames located at once, which bounds the memory


class Steps(NamedTuple):
    """Displacements of the first digit from frame t-1 to t, in pixels.

    `distance` is the energy distance of `rules` and `model`, `same` that of two halves of `rules`, for comparison.
    """

    frame: int  # t
    rules: np.ndarray  # int [N, 2] (y, x), by the rules of the motion
    model: np.ndarray  # int [M, 2], in the generated futures where the digit was found
    found: float  # share of these futures
    distance: float | None
    same: float


def find_hit(config: Config, n_clips: int) -> tuple[int, int]:
    """Return the clip and frame of a wall hit: the first hit of a first digit, near the second predicted frame.

    Raises:
        ConfigError: no first digit hits a wall in the predicted frames.
    """
    batches = sequences.random_motions(config, n_clips, config.n_frames)
    hits = np.concatenate([truth.wall_hits[:, :, 0].any(axis=-1) for _, truth in batches])  # [B, T]
    hits = hits[:, config.n_past - 1 : -1]  # what is drawn in the last context frame shows in the first predicted one
    first = hits.argmax(axis=1)
    clips = np.flatnonzero(hits.any(axis=1))
    if not len(clips):
        raise ConfigError(f"no first digit hits a wall in {n_clips} clips; raise --n_sequences")
    clip = min(clips, key=lambda clip: (abs(first[clip] - 2), hits[clip].sum()))  # without a second hit, if possible
    return int(clip), int(first[clip]) + config.n_past - 1


def compare(model: SVG, config: Config, clip: int, hit: int, n_sets: int, n_samples: int, seed: int) -> list[Steps]:
    """Compare the motion of the first digit of a test clip around a hit with 1,000 simulations of the rules.

    The model generates n_samples futures of the clip's motion with each of n_sets sets of digits. Digits are located
    in the same way in generated and simulated frames.
    """
    frames = range(max(config.n_past, hit - _BEFORE), min(config.n_frames - 1, hit + _AFTER) + 1)
    source = MovingMNIST(config.replace(n_eval=config.n_frames), "test")
    digits = source.digits.numpy()
    parts, number = [], 0
    batches = sequences.common_motion(config, clip, n_sets, config.n_frames, seed)
    for clips, truth in progress(batches, desc="generate", unit="batch"):
        context = clips[:, : config.n_past]
        seeds = noise.sample_seeds(seed, range(number, number + len(clips)), n_samples)
        futures = np.rint(255 * rollout.generate(model, context, config.n_future, seeds).frames).astype(np.uint8)
        parts.append(_steps(context, futures, digits[truth.digits], frames))
        number += len(clips)
    generated, found = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    true_clip, truth = source.frames_and_truth(tf.constant([clip], tf.int64))
    seeds = noise.sample_seeds(seed, [clip], _SIMULATIONS)[0]
    futures = source.futures(tf.constant(clip, tf.int64), config.n_past, seeds).numpy()[np.newaxis]
    simulated, known = _steps(true_clip.numpy()[:, : config.n_past], futures, digits[truth.digits.numpy()], frames)
    result = []
    for index, frame in enumerate(frames):
        rules, steps = simulated[known[:, index], index], generated[found[:, index], index]
        distance = energy_distance(rules, steps) if len(steps) else None
        same = energy_distance(rules[::2], rules[1::2])
        result.append(Steps(frame, rules, steps, float(found[:, index].mean()), distance, same))
    return result


def locate(frames: np.ndarray, digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Locate known digits float32 [F, N, D, D] in frames float32 [F, W, W], both in [0, 1], by template matching.

    The places minimize the squared error of the sum of the digits, clipped at 1, by coordinate descent: each digit in
    turn moves to where it correlates best with what the others leave of the frame. The best of all orders is taken.

    Returns:
        Top left corners (y, x), int64 [F, N, 2]; normalized cross-correlation of each digit with what the others leave
        of its place, float32 [F, N] in [-1, 1].
    """
    count, size, width = digits.shape[1], digits.shape[-1], frames.shape[-1]
    spectra = np.conj(np.fft.rfft2(digits, s=(width, width)))  # [F, N, W, W / 2 + 1]
    rows, offset = np.arange(len(frames))[:, np.newaxis, np.newaxis], np.arange(size)  # [F, 1, 1], [D]
    places, scores = np.zeros([len(frames), count, 2], np.int64), np.zeros([len(frames), count], np.float32)
    least = np.full(len(frames), np.inf)
    for order in itertools.permutations(range(count)):
        layers = np.zeros([len(frames), count, width, width], np.float32)  # each digit alone
        trial, agreement = np.zeros_like(places), np.zeros_like(scores)
        for n in order * (_SWEEPS if count > 1 else 1):
            rest = frames - np.minimum(layers.sum(axis=1) - layers[:, n], 1)
            correlation = np.fft.irfft2(np.fft.rfft2(rest) * spectra[:, n], s=(width, width))
            correlation = correlation[:, : width - size + 1, : width - size + 1]  # digits lie inside the frame
            y, x = np.unravel_index(correlation.reshape(len(frames), -1).argmax(axis=1), correlation.shape[1:])
            window = rows, y[:, np.newaxis, np.newaxis] + offset[:, np.newaxis], x[:, np.newaxis, np.newaxis] + offset
            layers[:, n] = 0
            layers[:, n][window] = digits[:, n]
            trial[:, n], agreement[:, n] = np.stack([y, x], axis=-1), _correlation(rest[window], digits[:, n])
        error = np.square(frames - np.minimum(layers.sum(axis=1), 1)).sum(axis=(1, 2))
        better = error < least
        places[better], scores[better], least[better] = trial[better], agreement[better], error[better]
    return places, scores


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of images [F, D, D], float [F]; 0 for constant images."""
    a, b = (x - x.mean(axis=(1, 2), keepdims=True) for x in (a, b))
    norms = np.sqrt(np.square(a).sum(axis=(1, 2)) * np.square(b).sum(axis=(1, 2)))
    return (a * b).sum(axis=(1, 2)) / np.maximum(norms, 1e-6)


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return 2 E|A - B| - E|A - A'| - E|B - B'| of steps int [N, 2] and [M, 2] (Szekely & Rizzo, 2013).

    It is 0 for equal distributions. `scipy.stats.energy_distance` is for one dimension only.
    """
    (a, p), (b, q) = (np.unique(steps, axis=0, return_counts=True) for steps in (a, b))
    p, q = p / p.sum(), q / q.sum()
    return float(2 * p @ cdist(a, b) @ q - p @ cdist(a, a) @ p - q @ cdist(b, b) @ q)


def _steps(
    context: np.ndarray, futures: np.ndarray, digits: np.ndarray, frames: range
) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps of the first digit to each of F frames, and whether it was found before and after the step.

    uint8 [B, P, W, W, 1], [B, S, T, W, W, 1] and [B, N, D, D] -> int [B * S, F, 2], bool [B * S, F].
    """
    context = np.broadcast_to(context[:, np.newaxis], [*futures.shape[:2], *context.shape[1:]])
    videos = np.concatenate([context, futures], axis=2)[:, :, frames[0] - 1 : frames[-1] + 1, ..., 0]
    shape = videos.shape[:3]
    known = np.broadcast_to(digits[:, np.newaxis, np.newaxis], [*shape, *digits.shape[1:]])
    videos, known = videos.reshape(-1, *videos.shape[3:]), known.reshape(-1, *digits.shape[1:])
    batches = [slice(first, first + _BATCH_SIZE) for first in range(0, len(videos), _BATCH_SIZE)]
    located = [locate(*(images[batch] / np.float32(255) for images in (videos, known))) for batch in batches]
    places, scores = (np.concatenate(arrays)[:, 0] for arrays in zip(*located, strict=True))
    found = scores.reshape(-1, shape[2]) >= FOUND
    return np.diff(places.reshape(-1, shape[2], 2), axis=1), found[:, :-1] & found[:, 1:]
