"""How well a spread tells the frames of one kind from the rest: the area under the ROC curve, with an interval."""

from typing import NamedTuple

import numpy as np

_RESAMPLES = 2_000
_TAIL = 2.5  # percent on each side of a 95 % interval


class Interval(NamedTuple):
    """A value and the bounds of its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def roc_auc(events: np.ndarray, scores: np.ndarray, seed: int) -> Interval:
    """The probability that a frame with an event has a larger score than one without; ties count a half.

    The interval is of the percentile bootstrap over sequences: the frames of one sequence are not independent, so
    whole sequences are drawn with replacement (Efron and Tibshirani, 1993, chapter 13).

    Args:
        events: bool [B, T].
        scores: float [K, B, T]; K scores of the same frames, of whose AUCs the mean is taken.
        seed: of the resampling.

    Raises:
        ValueError: there is no frame with an event, or none without.
    """
    if events.all() or not events.any():
        raise ValueError("the area under the ROC curve needs frames with an event and frames without")
    won = np.mean([wins(events, each) for each in scores], axis=0)  # [B, B]
    pairs = np.outer(events.sum(axis=1), (~events).sum(axis=1))
    sequences = len(events)
    counts = np.random.default_rng(seed).multinomial(sequences, np.full(sequences, 1 / sequences), _RESAMPLES)
    counts = counts.astype(np.float64)  # [R, B], how often each sequence was drawn
    drawn = _form(counts, pairs)
    resampled = _form(counts, won)[drawn > 0] / drawn[drawn > 0]
    return _interval(float(won.sum() / pairs.sum()), resampled)


def wins(events: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How many pairs of a frame with an event and one without the former wins, by their sequences.

    The AUC of any resampled set of sequences is a quotient of quadratic forms of this matrix, so frames are
    compared once and not once a resample.

    Args:
        events: bool [B, T].
        scores: float [B, T].

    Returns:
        float64 [B, B]: frames with an event of the first sequence, those without of the second.
    """
    with_event = scores[events]
    owner = np.nonzero(events)[0]
    won = np.zeros([len(events), len(events)])
    for sequence, (here, values) in enumerate(zip(events, scores, strict=True)):
        rest = np.sort(values[~here])
        beaten = np.searchsorted(rest, with_event, "left") + np.searchsorted(rest, with_event, "right")
        won[:, sequence] = np.bincount(owner, beaten / 2, minlength=len(events))
    return won


def bootstrap_mean(values: np.ndarray, seed: int) -> Interval:
    """The mean of independent values, float [N], N at least 1, with its percentile interval."""
    counts = np.random.default_rng(seed).multinomial(len(values), np.full(len(values), 1 / len(values)), _RESAMPLES)
    return _interval(float(values.mean()), counts @ values / len(values))


def of_other_sequences(scores: np.ndarray, seed: int) -> np.ndarray:
    """Gives every sequence the scores of another one, at the same times: float [B, T] -> [B, T], B at least 2.

    What they then tell of events they owe to the time alone.
    """
    order = np.random.default_rng(seed).permutation(len(scores))
    shuffled = np.empty_like(scores)
    shuffled[order] = scores[np.roll(order, 1)]
    return shuffled


def _form(counts: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Gives c' M c for every row c: [R, B] and [B, B] -> [R]."""
    return np.einsum("rb,rb->r", counts @ matrix, counts)


def _interval(mean: float, resampled: np.ndarray) -> Interval:
    return Interval(mean, *np.percentile(resampled, [_TAIL, 100 - _TAIL]).tolist())
