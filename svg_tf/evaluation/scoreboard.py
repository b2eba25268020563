"""The tables of an evaluation, built clip by clip: rows of predictors, curves over time, scores over N."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from svg_tf.evaluation.definitions import Metric
from svg_tf.evaluation.intervals import Interval, RunningMean
from svg_tf.evaluation.selection import counts_up_to, expected_best, ranking

Measured = Mapping[str, np.ndarray]  # by measure: [S, T] of samples, or [T] of one prediction


class Choice(NamedTuple):
    """A clip's scores by one metric, and which sample was taken as its best."""

    best: float
    mean: float
    worst: float
    best_sample: int


class _Line(NamedTuple):
    clip: RunningMean  # of the clips' scores
    frames: RunningMean  # of the frames' scores, [T]


class Scoreboard:
    """Means over clips.

    Args:
        metrics: what to score by.
        select: each, or the name of the metric that chooses the best sample for all.
    """

    def __init__(self, metrics: Sequence[Metric], select: str = "each") -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._select = select
        self._rows: dict[str, tuple[str, dict[str, _Line]]] = {}
        self._by_samples: dict[str, tuple[tuple[int, ...], RunningMean]] = {}

    def add_samples(
        self, names: Mapping[str, str], kind: str, measured: Measured, by_samples: bool = False
    ) -> dict[str, Choice]:
        """Takes in all samples of one clip.

        The best sample is the one with the best score over the whole clip, and the worst the one with the worst.

        Args:
            names: the rows to make, by which of best, mean and worst they are of.
            kind: of predictor.
            measured: [S, T] by measure.
            by_samples: whether to score smaller N too.

        Returns:
            By metric, what was chosen.
        """
        choices = {}
        for metric in self._metrics.values():
            chooser = metric if self._select == "each" else self._metrics[self._select]
            order = ranking(chooser.of_clips(measured[chooser.measure]), chooser.better)
            scores, frames = metric.of_clips(measured[metric.measure]), metric.of_frames(measured[metric.measure])
            found = {
                "best": (scores[order[0]], frames[order[0]]),
                "mean": (scores.mean(), frames.mean(axis=0)),
                "worst": (scores[order[-1]], frames[order[-1]]),
            }
            for which, name in names.items():
                self._add(name, kind, metric, *found[which])
            if by_samples:
                counts = counts_up_to(len(scores))
                _, running = self._by_samples.setdefault(metric.name, (counts, RunningMean()))
                running.add(expected_best(len(scores), counts) @ scores[order])
            best, mean, worst = (float(score) for score, _ in found.values())
            choices[metric.name] = Choice(best, mean, worst, int(order[0]))
        return choices

    def add_prediction(self, name: str, kind: str, measured: Measured) -> None:
        """Takes in the one prediction of a clip by some predictor: [T] by measure."""
        for metric in self._metrics.values():
            values = measured[metric.measure]
            self._add(name, kind, metric, metric.of_clips(values), metric.of_frames(values))

    def means(self) -> dict[str, dict[str, float]]:
        """The mean over clips by row and metric."""
        return {
            name: {metric: float(line.clip.mean) for metric, line in lines.items()}
            for name, (_, lines) in self._rows.items()
        }

    def table(self) -> list[dict[str, Any]]:
        """The rows with their intervals, fit for JSON."""
        rows = []
        for name, (kind, lines) in self._rows.items():
            scores = {metric: _known(line.clip.interval()) for metric, line in lines.items()}
            rows.append({"name": name, "kind": kind, "metrics": scores})
        return rows

    def curves(self, first_frame: int) -> dict[str, Any]:
        """The scores of single frames, of which the first is number first_frame, fit for JSON."""
        curves = {}
        for metric in self._metrics:
            lines = [
                {"name": name, "kind": kind, **_band(found[metric].frames.interval())}
                for name, (kind, found) in self._rows.items()
            ]
            count = len(lines[0]["mean"]) if lines else 0
            curves[metric] = {"frames": list(range(first_frame, first_frame + count)), "lines": lines}
        return curves

    def by_samples(self) -> dict[str, Any]:
        """The expected score of the best of n, see selection.expected_best, fit for JSON."""
        return {name: {"n": list(n), **_band(running.interval())} for name, (n, running) in self._by_samples.items()}

    def _add(self, name: str, kind: str, metric: Metric, clip: np.ndarray, frames: np.ndarray) -> None:
        _, lines = self._rows.setdefault(name, (kind, {}))
        line = lines.setdefault(metric.name, _Line(RunningMean(), RunningMean()))
        line.clip.add(clip)
        line.frames.add(frames)


def _known(interval: Interval) -> dict[str, float]:
    return {name: float(value) for name, value in interval._asdict().items() if value is not None}


def _band(interval: Interval) -> dict[str, list[float]]:
    """As lists; of one clip, which has no interval, the bounds repeat the mean."""
    return {name: (interval.mean if value is None else value).tolist() for name, value in interval._asdict().items()}
