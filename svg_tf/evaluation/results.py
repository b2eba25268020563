"""The files of an evaluation: metrics.json, per_clip.csv and examples.npz."""

import contextlib
import csv
import datetime
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from svg_tf import files
from svg_tf.config import ConfigError
from svg_tf.evaluation import scoreboard, scoring
from svg_tf.evaluation.definitions import Metric
from svg_tf.evaluation.scoreboard import Choice, Scoreboard
from svg_tf.evaluation.store import Store
from svg_tf.metrics.frechet import frechet_distance

_EXAMPLES, _SHOWN_SAMPLES = 4, 3
_KINDS = ("model", "compared", "simulator", "trivial")  # order of the rows
_SAME = ("data", "n_clips", "n_past", "n_eval", "seed")  # in evaluations that are compared


def write(
    folder: str,
    facts: dict[str, Any],
    metrics: Sequence[Metric],
    missing: Sequence[dict[str, str]],
    scorer: scoring.Scorer,
    store: Store,
    compared: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the tables of the first facts["n_clips"] records and return the content of metrics.json.

    Each file is written atomically, metrics.json last. The metrics.json and report.html of an earlier evaluation are
    removed before any other file is replaced.

    Args:
        folder: folder to write to.
        facts: entries of metrics.json beside the scores.
        metrics: metrics to compute.
        missing: metrics that are not computed, with reasons.
        scorer: the scorer of the records, for the examples.
        store: the records.
        compared: metrics.json of another model, whose rows are added.

    Raises:
        ConfigError: the other evaluation is of other clips or lengths.
    """
    if compared and (differing := [name for name in _SAME if compared[name] != facts[name]]):
        raise ConfigError(f"{compared['run_dir']} cannot be compared: {', '.join(differing)} of the test clips differ.")
    board = Scoreboard([metric for metric in metrics if metric.measure])
    best: list[int] = []  # sample of each example
    features: list[np.ndarray] = []  # [videos, D] of each clip

    def write_clips(path: str) -> None:
        with open(path, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["clip", "metric", "best", "mean", "worst", "best_sample"])
            for clip, record in enumerate(store.records(facts["n_clips"])):
                choices = _add(board, record, facts)
                table.writerows([clip, name, *choice] for name, choice in choices.items())
                if clip < _EXAMPLES:
                    best.append(choices["ssim"].best_sample)
                if scorer.videos:
                    features.append(record["features"])
        for name in ("metrics.json", "report.html"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(folder, name))

    files.write_with(os.path.join(folder, "per_clip.csv"), write_clips)
    rows, curves = board.table() + _distances(scorer.videos, features), board.curves(facts["n_past"])
    if compared:
        rows += [_relabel(row, compared) for row in compared["table"] if row["kind"] == "model"]
        for name, curve in curves.items():
            lines = compared["curves"].get(name, {"lines": []})["lines"]
            curve["lines"] += [_relabel(line, compared) for line in lines if line["kind"] == "model"]
    found = {
        **facts,
        "date": datetime.date.today().isoformat(),
        "compared": {key: compared[key] for key in ("model", "run_dir", "checkpoint", "step")} if compared else None,
        "metrics": [{key: getattr(metric, key) for key in metric._fields[:-1]} for metric in metrics],
        "not_computed": list(missing),
        "table": _joined(rows),
        "curves": curves,
        "by_samples": board.by_samples(),
        "by_samples_definition": f"The score over n is {scoreboard.EXPECTED_BEST}",
        "interval": scoreboard.INTERVAL,
        "chosen_by": "Each metric chooses its own best sample of each clip, by its mean over the predicted frames.",
        "examples_best_by": "ssim",
    }
    found["predictors"] = {row["name"]: _definition(row["name"], facts, compared) for row in found["table"]}
    _write_examples(folder, scorer, best)
    files.write_text(os.path.join(folder, "metrics.json"), json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return found


def _add(board: Scoreboard, record: np.ndarray, facts: dict[str, Any]) -> dict[str, Choice]:
    """Add the record of one clip to the scoreboard."""
    scores: dict[str, dict[str, np.ndarray]] = {kind: {} for kind in _KINDS}
    for field in record.dtype.names or ():
        kind, _, metric = field.partition("/")
        if metric:
            scores[kind][metric] = record[field]
    names = {which: f"{which} of {facts['n_samples']}" for which in ("best", "mean", "worst")}
    choices = board.add_samples(names, "model", scores["model"])
    if facts["n_simulated"]:
        names = {"best": f"simulator, best of {facts['n_simulated']}", "mean": "simulator, mean sample"}
        board.add_samples(names, "simulator", scores["simulator"])
    for row, name in enumerate(scoring.TRIVIAL):
        board.add_prediction(name, "trivial", {key: values[row] for key, values in scores["trivial"].items()})
    return choices


def _distances(videos: Sequence[str], features: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """Return the rows of FVD, between the first of the videos, the truth, and each other one."""
    rows = []
    for number, name in enumerate(videos[1:], start=1):
        truth, other = (np.stack([found[video] for found in features]) for video in (0, number))
        kind = "model" if name == "one sample" else "trivial" if name in scoring.TRIVIAL else "simulator"
        rows.append({"name": name, "kind": kind, "metrics": {"fvd": {"mean": frechet_distance(truth, other)}}})
    return rows


def _relabel(row: dict[str, Any], compared: dict[str, Any]) -> dict[str, Any]:
    return {**row, "name": f"{compared['run_dir']}, {row['name']}", "kind": "compared"}


def _joined(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of the same name as one row, sorted by kind."""
    joined: dict[str, dict[str, Any]] = {}
    for row in rows:
        joined.setdefault(row["name"], {**row, "metrics": {}})["metrics"].update(row["metrics"])
    return sorted(joined.values(), key=lambda row: _KINDS.index(row["kind"]))


def _definition(name: str, facts: dict[str, Any], compared: dict[str, Any] | None) -> str:
    """Return what a row of the table is."""
    if compared and name.startswith(f"{compared['run_dir']}, "):
        return f"The same of the model in {compared['run_dir']}, after {compared['step']:,} steps."
    n, simulated = facts["n_samples"], facts["n_simulated"]
    simulator = (
        "The program that generated the clip. It continues the motion of the context frames and draws a new velocity "
        "at each wall from the last context frame on. Identical frames score 100 dB. "
    )
    texts = {
        f"best of {n}": f"The best of {n} futures sampled from the model for each clip.",
        f"mean of {n}": f"The mean score of the {n} futures of each clip: the expected score of one sample.",
        f"worst of {n}": f"The worst of the {n} futures of each clip.",
        "one sample": "The first future of each clip.",
        f"simulator, best of {simulated}": f"{simulator}The best of {simulated} such futures, an upper bound.",
        "simulator, mean sample": f"{simulator}The mean score of such a future.",
        "simulator, one sample": f"{simulator}The first such future.",
    }
    return texts.get(name) or scoring.TRIVIAL[name]


def _write_examples(folder: str, scorer: scoring.Scorer, best: Sequence[int]) -> None:
    shown = list(range(min(_SHOWN_SAMPLES, scorer.record["model/mse"].shape[0])))
    found = [scorer.example(clip, [sample, *shown]) for clip, sample in enumerate(best)]
    arrays: dict[str, Any] = {
        name: np.stack([np.round(255 * np.clip(example[name], 0, 1)).astype(np.uint8) for example in found])
        for name in ("truth", "samples", "posterior")
    }
    arrays |= {"best": arrays["samples"][:, 0], "samples": arrays["samples"][:, 1:]}
    arrays |= {"clips": np.arange(len(best)), "samples_of": np.tile(shown, [len(best), 1]), "best_of": np.array(best)}
    files.write_with(os.path.join(folder, "examples.npz"), lambda path: np.savez_compressed(path, **arrays))
