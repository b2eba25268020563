"""How far generated digits move from frame to frame, and how far two distributions of such steps are apart."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from svg_tf import noise, rollout
from svg_tf.models.svg import SVG
from svg_tf.uncertainty import tracking
from svg_tf.uncertainty.sequences import Batch


class Steps(NamedTuple):
    """Measured steps of H digits, each from a frame to the next, in S samples.

    Attributes:
        places: int64 [S, H, 2], top left corners (y, x) in the former frame.
        steps: int64 [S, H, 2], displacements (y, x) in pixels.
        found: bool [S, H], whether the digit was found in both frames.
    """

    places: np.ndarray
    steps: np.ndarray
    found: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence["Steps"]) -> "Steps":
        """Those of several batches of hits as one."""
        return cls(*(np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)))


def of_frames(videos: np.ndarray, digits: np.ndarray, clip: np.ndarray, digit: np.ndarray, frame: np.ndarray) -> Steps:
    """Measures the step that a digit makes from a frame to the next.

    Args:
        videos: float32 [S, B, T, W, W] in [0, 1].
        digits: float32 [B, N, D, D] in [0, 1], those in each clip.
        clip: int64 [H], each in 0..B-1.
        digit: int64 [H], each in 0..N-1.
        frame: int64 [H], each in 0..T-2.
    """
    wanted = np.stack([np.tile(clip, 2), np.concatenate([frame, frame + 1])])
    (owner, time), index = np.unique(wanted, axis=1, return_inverse=True)  # each frame is searched once
    seen = videos[:, owner, time]  # [S, U, W, W]
    known = np.broadcast_to(digits[owner], [*seen.shape[:2], *digits.shape[1:]])  # [S, U, N, D, D]
    places, scores = tracking.locate(seen.reshape(-1, *seen.shape[2:]), known.reshape(-1, *digits.shape[1:]))
    pick = index.reshape(2, -1), digit
    places = places.reshape([*seen.shape[:2], -1, 2])[:, *pick]  # [S, 2, H, 2]
    found = scores.reshape([*seen.shape[:2], -1])[:, *pick] >= tracking.FOUND
    return Steps(places[:, 0], places[:, 1] - places[:, 0], np.all(found, axis=1))


def of_model(
    model: SVG,
    batches: Iterable[Batch],
    images: np.ndarray,
    hits: tuple[np.ndarray, np.ndarray, np.ndarray],
    n_samples: int,
    seed: int,
) -> tuple[Steps, Steps]:
    """Measures steps in a model's futures of clips, and with the same ruler in the true clips.

    Args:
        model: a trained model.
        batches: clips of n_frames frames or more, with their truth.
        images: uint8 [K, D, D], the digits that the truth numbers.
        hits: clip, digit and frame, int64 [H] each, clips in ascending order and counted over all batches; the
            frames from n_past - 1 on.
        n_samples: futures of each clip, S.
        seed: of the futures.

    Returns:
        Steps of S samples, and of the one truth.
    """
    config = model.config
    horizon, last = config.n_future, config.n_past - 1
    clips, digit, frame = hits
    generated, true = [], []
    first = 0
    with tqdm(unit="clip", desc="futures") as bar:
        for frames, truth in batches:
            frames, digits = frames[:, : config.n_frames] / np.float32(255), images[truth.digits] / np.float32(255)
            here = (clips >= first) & (clips < first + len(frames))
            wanted = clips[here] - first, digit[here], frame[here] - last
            numbers = range(first, first + len(frames))
            first += len(frames)
            bar.update(len(frames))
            if not here.any():
                continue
            seeds = noise.sample_seeds(seed, numbers, n_samples)
            samples = rollout.generate(model, frames[:, : config.n_past], horizon, seeds).frames.numpy()
            shown = np.broadcast_to(frames[:, last], [n_samples, *frames[:, last].shape])[:, :, np.newaxis]
            videos = np.concatenate([shown, samples], axis=2)[..., 0]  # [S, B, 1 + horizon, W, W]
            generated.append(of_frames(videos, digits, *wanted))
            true.append(of_frames(frames[np.newaxis, :, last:, ..., 0], digits, *wanted))
    return Steps.joined(generated), Steps.joined(true)


def energy_distances(samples: np.ndarray, found: np.ndarray, rules: np.ndarray) -> np.ndarray:
    """2 E|A - B| - E|A - A'| - E|B - B'| for every hit, 0 for equal distributions (Szekely and Rizzo, 2013).

    Pairs of a sample with itself are left out, so the estimate is unbiased however few the samples, and may fall
    below 0. Each hit is compared with its own future by the rules: what is the same for one hit and differs from hit
    to hit, as a mirror's bounce does, is no match for chance.

    Args:
        samples: int [S, H, 2], steps in pixels.
        found: bool [S, H], which of them count.
        rules: int [R, H, 2], steps by the rules, R at least 2.

    Returns:
        Distances in pixels, float64 [H]; NaN where fewer than two samples count.
    """
    found = found.astype(np.float64)
    count, draws = found.sum(axis=0), len(rules)  # [H]
    pairs = np.where(count > 1, count * (count - 1), np.nan)
    across = np.einsum("srh,sh->h", _apart(samples, rules), found) / (np.maximum(count, 1) * draws)
    within = np.einsum("sth,sh,th->h", _apart(samples, samples), found, found) / pairs
    return 2 * across - within - _apart(rules, rules).sum(axis=(0, 1)) / (draws * (draws - 1))


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[S, H, 2] and [R, H, 2] -> Euclidean distances [S, R, H]."""
    return np.hypot(*np.moveaxis(a[:, np.newaxis] - b[np.newaxis], -1, 0))
