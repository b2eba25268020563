"""Tables of an evaluation: scores per predictor, curves over time, scores over the number of samples."""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

INTERVAL = (
    "low and high bound the 95 % confidence interval of the mean over clips by Student's t: mean +- t s / sqrt(n), "
    "with the standard deviation s (n - 1) over the n clips."
)
EXPECTED_BEST = (
    "the expected score of the best of n samples, exactly: the mean over all ways to choose n of the N drawn samples."
)


class Line(NamedTuple):
    """Scores of one predictor by one metric: of the frames of B clips, float64 [B, T]. Their mean is the clip's."""

    name: str
    kind: str
    metric: str
    frames: np.ndarray


def table(lines: Sequence[Line]) -> dict[str, dict[str, Any]]:
    """Return a row per predictor, by name, with its means and intervals by metric, for JSON."""
    rows: dict[str, dict[str, Any]] = {}
    for name, kind, metric, frames in lines:
        row = rows.setdefault(name, {"name": name, "kind": kind, "metrics": {}})
        row["metrics"][metric] = {key: float(value) for key, value in interval(frames.mean(axis=1)).items()}
    return rows


def curves(lines: Sequence[Line], first_frame: int) -> dict[str, Any]:
    """Return the scores of single frames by metric, numbered from first_frame, for JSON."""
    found: dict[str, Any] = {}
    for name, kind, metric, frames in lines:
        numbers = list(range(first_frame, first_frame + frames.shape[1]))
        curve = found.setdefault(metric, {"frames": numbers, "lines": []})
        curve["lines"].append({"name": name, "kind": kind, **_band(frames)})
    return found


def by_samples(clips: np.ndarray, order: np.ndarray) -> dict[str, Any]:
    """Return the expected score of the best of n samples, for JSON. Arguments: scores [B, S], `ranking` [B, S]."""
    counts = counts_up_to(clips.shape[1])
    weights = expected_best(clips.shape[1], counts)
    ranked = np.take_along_axis(clips, order, axis=1)
    return {"n": list(counts), **_band(np.stack([weights @ scores for scores in ranked]))}


def choose(scores: np.ndarray, order: np.ndarray) -> dict[str, np.ndarray]:
    """Return "best", "mean" and "worst" of the samples of each clip: scores [B, S, T], `ranking` [B, S] -> [B, T]."""
    clips = np.arange(len(scores))
    return {"best": scores[clips, order[:, 0]], "mean": scores.mean(axis=1), "worst": scores[clips, order[:, -1]]}


def ranking(scores: np.ndarray, better: str) -> np.ndarray:
    """Return the indices of scores [..., S], best first: int64 [..., S]. Of equal scores, the first comes first."""
    return np.argsort(-scores if better == "higher" else scores, axis=-1, kind="stable")


@functools.cache
def expected_best(n_samples: int, counts: tuple[int, ...]) -> np.ndarray:
    """Return the probability that each sample is the best of n chosen without replacement, float64 [len(counts), S].

    The sample of rank r (from 0) among S is the best of n if the other n - 1 rank behind it: C(S-1-r, n-1) of C(S, n)
    ways. A row times the ranked scores is the expected score of the best.
    """
    ranks, comb = range(n_samples), math.comb
    return np.array([[comb(n_samples - 1 - rank, n - 1) / comb(n_samples, n) for rank in ranks] for n in counts])


def counts_up_to(n_samples: int) -> tuple[int, ...]:
    """Return 1, 2, 5, 10, 20, 50, ... below n_samples, and n_samples."""
    steps = (digit * 10**power for power in range(len(str(n_samples))) for digit in (1, 2, 5))
    return (*(count for count in steps if count < n_samples), n_samples)


def interval(values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean over clips [B, ...] and, for two clips or more, the bounds of its 95 % confidence interval."""
    mean = np.mean(values, axis=0)
    if len(values) < 2:
        return {"mean": mean}
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values, axis=0)
    return {"mean": mean, "low": mean - half, "high": mean + half}


def _band(values: np.ndarray) -> dict[str, list[float]]:
    """Return an interval as lists. For one clip, the bounds equal the mean."""
    found = interval(values)
    return {key: found.get(key, found["mean"]).tolist() for key in ("mean", "low", "high")}
