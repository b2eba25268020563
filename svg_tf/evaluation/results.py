"""The files of an evaluation: metrics.json, per_frame.csv, per_clip.csv and examples.npz."""

import contextlib
import csv
import datetime
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from svg_tf import files
from svg_tf.evaluation import definitions, intervals, predictors, selection
from svg_tf.evaluation.definitions import Metric
from svg_tf.evaluation.scoreboard import Scoreboard
from svg_tf.evaluation.scoring import Scorer
from svg_tf.evaluation.store import Store
from svg_tf.metrics.frechet import Moments, frechet_distance

_SHOWN_SAMPLES = 3


def write(
    folder: str,
    facts: dict[str, Any],
    metrics: Sequence[Metric],
    missing: Sequence[dict[str, str]],
    scorer: Scorer,
    store: Store,
    n_examples: int,
) -> dict[str, Any]:
    """Writes the tables of the first facts["n_clips"] records, each file whole or not at all, metrics.json last.

    Until then there is none: that of another evaluation, and its report, are taken away before the first of the files
    that they belong with is replaced.

    Args:
        folder: where to.
        facts: what metrics.json says beside the numbers.
        metrics: to compute.
        missing: what is not computed, with the reasons.
        scorer: of the records, for the examples.
        store: of the records.
        n_examples: clips to show, the first ones.

    Returns:
        What is in metrics.json.
    """
    of_frames = [metric for metric in metrics if metric.measure]
    board = Scoreboard(of_frames, facts["select"])
    chooser = definitions.SSIM.name if facts["select"] == "each" else facts["select"]
    moments = {name: Moments() for name in scorer.videos} if len(metrics) > len(of_frames) else {}
    best: list[int] = []  # of the examples

    def write_clips(path: str) -> None:
        with open(path, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["clip", "metric", "best", "mean", "worst", "best_sample"])
            for clip, record in enumerate(store.records(facts["n_clips"])):
                choices = _add(board, record, facts, scorer.trivial)
                table.writerows([clip, name, *choice] for name, choice in choices.items())
                if clip < n_examples:
                    best.append(choices[chooser].best_sample)
                for name, features in zip(moments, record["features"] if moments else (), strict=True):
                    moments[name].add(features[np.newaxis])
        for name in ("metrics.json", "report.html"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(folder, name))

    files.remove_asides(folder)  # of a process that was killed while it wrote
    files.write_with(os.path.join(folder, "per_clip.csv"), write_clips)
    found = {
        **facts,
        "date": datetime.date.today().isoformat(),
        "metrics": [_described(metric) for metric in metrics],
        "not_computed": list(missing),
        "table": board.table() + _distances(moments),
        "curves": board.curves(facts["n_past"]),
        "by_samples": board.by_samples(),
        "by_samples_definition": f"The score over n is {selection.EXPECTED_BEST}",
        "interval": intervals.DEFINITION,
        "chosen_by": _chosen_by(facts["select"], metrics),
        "examples_best_by": chooser,
    }
    found["table"] = _joined(found["table"])
    found["predictors"] = {row["name"]: _predictor(row["name"], facts) for row in found["table"]}
    _write_frames(folder, found["curves"])
    _write_examples(folder, scorer, best)
    files.write_text(os.path.join(folder, "metrics.json"), json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return found


def _add(board: Scoreboard, record: np.ndarray, facts: dict[str, Any], trivial: Sequence[str]) -> dict[str, Any]:
    def measured(kind: str) -> dict[str, np.ndarray]:
        return {name.split("/")[1]: record[name] for name in record.dtype.names or () if name.startswith(f"{kind}/")}

    n = facts["n_samples"]
    names = {which: f"{which} of {n}" for which in ("best", "mean", "worst")}
    choices = board.add_samples(names, "model", measured("model"), by_samples=True)
    if facts["n_simulated"]:
        names = {"best": f"simulator, best of {facts['n_simulated']}", "mean": "simulator, mean sample"}
        board.add_samples(names, "simulator", measured("simulator"))
    values = measured("trivial")
    for row, name in enumerate(trivial):
        board.add_prediction(name, "trivial", {measure: array[row] for measure, array in values.items()})
    return choices


def _distances(moments: dict[str, Moments]) -> list[dict[str, Any]]:
    """FVD of all videos but the first, which is the truth."""
    truth, rows = next(iter(moments), ""), []
    for name in list(moments)[1:]:
        kind = "model" if name == "one sample" else "simulator" if name.startswith("simulator") else "trivial"
        value = float(frechet_distance(moments[truth], moments[name]))
        rows.append({"name": name, "kind": kind, "metrics": {definitions.FVD.name: {"mean": value}}})
    return rows


def _joined(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one name as one, where the first of them is; the kinds together."""
    joined: dict[str, dict[str, Any]] = {}
    for row in rows:
        joined.setdefault(row["name"], {**row, "metrics": {}})["metrics"].update(row["metrics"])
    order = ("model", "simulator", "trivial")
    return sorted(joined.values(), key=lambda row: order.index(row["kind"]))


def _described(metric: Metric) -> dict[str, str]:
    definition = metric.definition
    if metric.name == definitions.FVD.name:
        definition += ". Between the true videos and one sample of each, the first drawn, context included in both."
    return {
        "name": metric.name,
        "title": metric.title,
        "unit": metric.unit,
        "better": metric.better,
        "definition": definition,
    }


def _chosen_by(select: str, metrics: Sequence[Metric]) -> str:
    over = "by its mean over the predicted frames alone"
    if select == "each":
        return f"Each metric chooses its own best sample of each clip, {over}."
    title = next(metric.title for metric in metrics if metric.name == select)
    return f"{title} chooses the best sample of each clip for all metrics, {over}."


def _predictor(name: str, facts: dict[str, Any]) -> str:
    n, simulated = facts["n_samples"], facts["n_simulated"]
    knows = (
        "The program that drew the clip, which knows the digits and how they move as far as the frames given can "
        "show, and draws anew what walls draw in the last of them and after it (a frame that is right counts 100 dB)"
    )
    texts = {
        f"best of {n}": f"The best of {n} futures drawn by the model for each clip.",
        f"mean of {n}": f"The mean score of the {n} futures of each clip: what one draw may expect.",
        f"worst of {n}": f"The worst of the {n} futures of each clip.",
        "one sample": "The first future drawn of each clip.",
        f"simulator, best of {simulated}": f"{knows}: the best of {simulated} such futures. A ceiling.",
        "simulator, mean sample": f"{knows}: the mean score of such a future.",
        "simulator, one sample": f"{knows}: the first such future.",
    }
    return texts.get(name) or predictors.DEFINITIONS[name]


def _write_frames(folder: str, curves: dict[str, Any]) -> None:
    def write_rows(path: str) -> None:
        with open(path, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["predictor", "metric", "frame", "mean", "low", "high"])
            for metric, curve in curves.items():
                for line in curve["lines"]:
                    bands = zip(curve["frames"], line["mean"], line["low"], line["high"], strict=True)
                    table.writerows([line["name"], metric, *values] for values in bands)

    files.write_with(os.path.join(folder, "per_frame.csv"), write_rows)


def _write_examples(folder: str, scorer: Scorer, best: Sequence[int]) -> None:
    shown = [scorer.example(clip, sample, _SHOWN_SAMPLES) for clip, sample in enumerate(best)]
    arrays: dict[str, Any] = {
        name: np.stack([_as_bytes(example[name]) for example in shown])
        for name in ("truth", "best", "samples", "posterior")
    }
    count = arrays["samples"].shape[1]
    arrays |= {
        "clips": np.arange(len(best)),
        "samples_of": np.tile(np.arange(count), [len(best), 1]),
        "best_of": np.array(best),
    }
    files.write_with(os.path.join(folder, "examples.npz"), lambda path: np.savez_compressed(path, **arrays))


def _as_bytes(frames: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(frames, 0, 1)).astype(np.uint8)
