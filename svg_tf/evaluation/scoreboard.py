"""Tables of an evaluation, built clip by clip: scores per predictor, curves over time, scores over the samples."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from svg_tf.evaluation.definitions import Metric

INTERVAL = (
    "low and high bound the 95 % confidence interval of the mean over clips by Student's t: mean +- t s / sqrt(n), "
    "with the standard deviation s (n - 1) over the n clips."
)
EXPECTED_BEST = (
    "the expected score of the best of n samples, exactly: the mean over all ways to choose n of the N drawn samples."
)

Scores = Mapping[str, np.ndarray]  # of single frames by metric: [S, T] of samples, or [T] of one prediction


class Choice(NamedTuple):
    """Scores of one clip's samples by one metric, and the number of the best sample."""

    best: float
    mean: float
    worst: float
    best_sample: int


class Scoreboard:
    """Scores of clips by predictor and metric.

    Args:
        metrics: metrics of frames. The score of a clip is the mean over its frames.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics
        self._kinds: dict[str, str] = {}
        self._frames: dict[tuple[str, str], list[np.ndarray]] = {}  # by (predictor, metric), [T] per clip
        self._by_samples: dict[str, list[np.ndarray]] = {}
        self._counts: tuple[int, ...] = ()

    def add_samples(self, names: Mapping[str, str], kind: str, scores: Scores) -> dict[str, Choice]:
        """Add all samples of one clip. Each metric chooses the samples with the best and the worst mean over frames.

        Args:
            names: names of the rows, by "best", "mean" and "worst".
            kind: kind of predictor; scores for fewer samples are added for "model".
            scores: [S, T] by metric.

        Returns:
            The choice by metric.
        """
        choices = {}
        for metric in self._metrics:
            frames = np.asarray(scores[metric.name], np.float64)
            clips = frames.mean(axis=1)
            order = ranking(clips, metric.better)
            found = {"best": frames[order[0]], "mean": frames.mean(axis=0), "worst": frames[order[-1]]}
            for which, name in names.items():
                self._add(name, kind, metric, found[which])
            if kind == "model":
                self._counts = counts_up_to(len(clips))
                expected = expected_best(len(clips), self._counts) @ clips[order]
                self._by_samples.setdefault(metric.name, []).append(expected)
            best, mean, worst = (float(values.mean()) for values in found.values())
            choices[metric.name] = Choice(best, mean, worst, int(order[0]))
        return choices

    def add_prediction(self, name: str, kind: str, scores: Scores) -> None:
        """Add the single prediction of a clip by a predictor: [T] by metric."""
        for metric in self._metrics:
            self._add(name, kind, metric, np.asarray(scores[metric.name], np.float64))

    def table(self) -> list[dict[str, Any]]:
        """Return the rows with their means and intervals, for JSON."""
        rows: dict[str, dict[str, Any]] = {}
        for (name, metric), values in self._frames.items():
            row = rows.setdefault(name, {"name": name, "kind": self._kinds[name], "metrics": {}})
            clips = np.mean(values, axis=1)
            row["metrics"][metric] = {key: float(value) for key, value in interval(clips).items()}
        return list(rows.values())

    def curves(self, first_frame: int) -> dict[str, Any]:
        """Return the scores of single frames, numbered from first_frame, for JSON."""
        curves: dict[str, Any] = {}
        for (name, metric), values in self._frames.items():
            curve = curves.setdefault(metric, {"frames": [first_frame + t for t in range(len(values[0]))], "lines": []})
            curve["lines"].append({"name": name, "kind": self._kinds[name], **_band(values)})
        return curves

    def by_samples(self) -> dict[str, Any]:
        """Return the expected score of the best of n samples, for JSON."""
        return {name: {"n": list(self._counts), **_band(values)} for name, values in self._by_samples.items()}

    def _add(self, name: str, kind: str, metric: Metric, frames: np.ndarray) -> None:
        self._kinds.setdefault(name, kind)
        self._frames.setdefault((name, metric.name), []).append(frames)


def ranking(scores: np.ndarray, better: str) -> np.ndarray:
    """Return the indices of scores [S], best first: int64 [S]. Of equal scores, the first sample comes first."""
    return np.argsort(-scores if better == "higher" else scores, kind="stable")


@functools.cache
def expected_best(n_samples: int, counts: tuple[int, ...]) -> np.ndarray:
    """Return the probability that each sample is the best of n chosen without replacement, float64 [len(counts), S].

    The sample of rank r (from 0) among S is the best of n if the other n - 1 rank behind it: C(S-1-r, n-1) of C(S, n)
    ways. A row times the ranked scores is the expected score of the best.
    """
    ways = [
        [math.comb(n_samples - 1 - rank, n - 1) / math.comb(n_samples, n) for rank in range(n_samples)] for n in counts
    ]
    return np.array(ways)


def counts_up_to(n_samples: int) -> tuple[int, ...]:
    """Return 1, 2, 5, 10, 20, 50, ... below n_samples, and n_samples."""
    steps = (digit * 10**power for power in range(len(str(n_samples))) for digit in (1, 2, 5))
    return (*(count for count in steps if count < n_samples), n_samples)


def interval(values: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return the mean over clips and, for two clips or more, the bounds of its 95 % confidence interval."""
    mean = np.mean(values, axis=0)
    if len(values) < 2:
        return {"mean": mean}
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values, axis=0)
    return {"mean": mean, "low": mean - half, "high": mean + half}


def _band(values: Sequence[np.ndarray]) -> dict[str, list[float]]:
    """Return an interval as lists. For one clip, the bounds equal the mean."""
    found = interval(values)
    return {key: found.get(key, found["mean"]).tolist() for key in ("mean", "low", "high")}
