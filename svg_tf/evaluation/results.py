"""The files of an evaluation: metrics.json, per_clip.csv, per_frame.csv and examples.npz."""

import contextlib
import csv
import datetime
import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from svg_tf import files
from svg_tf.config import ConfigError
from svg_tf.evaluation import scoreboard, scoring
from svg_tf.evaluation.definitions import Metric
from svg_tf.evaluation.scoreboard import Line
from svg_tf.metrics.fvd import frechet_distance

_EXAMPLES, _SHOWN_SAMPLES = 4, 3
_KINDS = ("model", "compared", "simulator", "trivial")  # order of the rows
_SAME = ("data", "n_clips", "n_past", "n_eval", "seed", "select")  # in evaluations that are compared


def write(
    folder: str,
    facts: dict[str, Any],
    metrics: Sequence[Metric],
    scorer: scoring.Scorer,
    scores: dict[str, np.ndarray],
    compared: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the tables of scored clips and return the content of metrics.json.

    Each file is written atomically, metrics.json last. The metrics.json and report.html of an earlier evaluation are
    removed before any other file is replaced.

    facts are the entries of metrics.json beside the scores, compared is metrics.json of another model.

    Raises:
        ConfigError: the other evaluation is of other clips or lengths.
    """
    if compared and (differing := [name for name in _SAME if compared[name] != facts[name]]):
        raise ConfigError(f"{compared['run_dir']} cannot be compared: {', '.join(differing)} of the test clips differ.")
    of_frames = {metric.name: metric for metric in metrics if metric.measure}
    rows_of = {"model": {which: f"{which} of {scorer.n_samples}" for which in ("best", "mean", "worst")}}
    if scorer.n_simulated:
        rows_of["simulator"] = {"best": f"simulator, best of {scorer.n_simulated}", "mean": "simulator, mean sample"}
    lines: list[Line] = []
    by_samples: dict[str, Any] = {}
    per_clip: dict[str, list] = {}  # best, mean, worst and best_sample of each clip, by metric
    select = facts["select"]
    for kind, names in rows_of.items():
        for name in of_frames:
            chooser = of_frames[name if select == "own" else select]
            clips = scores[f"{kind}/{chooser.name}"].mean(axis=-1, dtype=np.float64)
            order = scoreboard.ranking(clips, chooser.better)
            frames = scores[f"{kind}/{name}"].astype(np.float64)  # [B, S, T]
            chosen = scoreboard.choose(frames, order)
            lines += [Line(row, kind, name, chosen[which]) for which, row in names.items()]
            if kind == "model":
                by_samples[name] = scoreboard.by_samples(frames.mean(axis=-1), order)
                columns = [chosen[which].mean(axis=1).tolist() for which in ("best", "mean", "worst")]
                per_clip[name] = list(zip(*columns, order[:, 0].tolist(), strict=True))
    for name in of_frames:
        trivial = scores[f"trivial/{name}"].astype(np.float64)  # [B, K, T]
        lines += [Line(row, "trivial", name, trivial[:, place]) for place, row in enumerate(scorer.trivial)]
    rows = scoreboard.table(lines)
    curves = scoreboard.curves([line for line in lines if of_frames[line.metric].curve], facts["n_past"])
    for number, name in enumerate(scorer.videos[1:], start=1):
        kind = "model" if name == "one sample" else "trivial" if name in scoring.TRIVIAL else "simulator"
        distance = frechet_distance(scores["features"][:, 0], scores["features"][:, number])
        rows.setdefault(name, {"name": name, "kind": kind, "metrics": {}})["metrics"]["fvd"] = {"mean": distance}
    if compared:
        _add_compared(rows, curves, compared)
    chosen_by = "Each metric chooses its own best sample of each clip"
    if select != "own":
        chosen_by = f"{of_frames[select].title} chooses the best sample of each clip for all metrics"
    examples_best_by = "ssim" if select == "own" else select
    definitions = _definitions(scorer, compared)
    found = {
        **facts,
        "date": datetime.date.today().isoformat(),
        "compared": {key: compared[key] for key in ("model", "run_dir", "checkpoint", "step")} if compared else None,
        "metrics": [{key: getattr(metric, key) for key in metric._fields[:5]} for metric in metrics],
        "table": sorted(rows.values(), key=lambda row: _KINDS.index(row["kind"])),
        "curves": curves,
        "by_samples": by_samples,
        "by_samples_definition": f"The score over n is {scoreboard.EXPECTED_BEST}",
        "interval": scoreboard.INTERVAL,
        "chosen_by": f"{chosen_by}, by its mean over the predicted frames.",
        "examples_best_by": examples_best_by,
        "predictors": {name: definitions[name] for name in rows},
    }
    clip_rows = [[clip, name, *per_clip[name][clip]] for clip in range(facts["n_clips"]) for name in per_clip]
    _write_csv(folder, "per_clip.csv", ["clip", "metric", "best", "mean", "worst", "best_sample"], clip_rows)
    frame_rows = [
        [line["name"], name, *values]
        for name, curve in curves.items()
        for line in curve["lines"]
        for values in zip(curve["frames"], line["mean"], line["low"], line["high"], strict=True)
    ]
    _write_csv(folder, "per_frame.csv", ["predictor", "metric", "frame", "mean", "low", "high"], frame_rows)
    _write_examples(folder, scorer, [choice[-1] for choice in per_clip[examples_best_by][:_EXAMPLES]])
    files.write_text(os.path.join(folder, "metrics.json"), json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return found


def _add_compared(rows: dict[str, dict[str, Any]], curves: dict[str, Any], compared: dict[str, Any]) -> None:
    """Add the rows and curves of another model, with its name."""

    def relabelled(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        models = [entry for entry in entries if entry["kind"] == "model"]
        return [{**entry, "name": f"{compared['run_dir']}, {entry['name']}", "kind": "compared"} for entry in models]

    rows.update((row["name"], row) for row in relabelled(compared["table"]))
    for name, curve in curves.items():
        curve["lines"] += relabelled(compared["curves"].get(name, {"lines": []})["lines"])


def _definitions(scorer: scoring.Scorer, compared: dict[str, Any] | None) -> dict[str, str]:
    """Return what each row of the table is, by name."""
    n, simulated = scorer.n_samples, scorer.n_simulated
    simulator = (
        "The program that generated the clip. It continues the motion of the context frames and draws a new velocity "
        "at each wall from the last context frame on. Identical frames score 100 dB. "
    )
    found = {
        f"best of {n}": f"The best of {n} futures sampled from the model for each clip.",
        f"mean of {n}": f"The mean score of the {n} futures of each clip: the expected score of one sample.",
        f"worst of {n}": f"The worst of the {n} futures of each clip.",
        "one sample": "The first future of each clip.",
        f"simulator, best of {simulated}": f"{simulator}The best of {simulated} such futures, an upper bound.",
        "simulator, mean sample": f"{simulator}The mean score of such a future.",
        "simulator, one sample": f"{simulator}The first such future.",
        **scoring.TRIVIAL,
    }
    if compared:
        text = f"The same of the model in {compared['run_dir']}, after {compared['step']:,} steps."
        found |= {f"{compared['run_dir']}, {row['name']}": text for row in compared["table"]}
    return found


def _write_csv(folder: str, name: str, head: list[str], rows: list[list[Any]]) -> None:
    """Write a CSV file. Before it is renamed, remove the metrics.json and report.html of an earlier evaluation."""

    def write_rows(path: str) -> None:
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head, *rows])
        for earlier in ("metrics.json", "report.html"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(folder, earlier))

    files.write_with(os.path.join(folder, name), write_rows)


def _write_examples(folder: str, scorer: scoring.Scorer, best: Sequence[int]) -> None:
    shown = list(range(min(_SHOWN_SAMPLES, scorer.n_samples)))
    found = [scorer.example(clip, [sample, *shown]) for clip, sample in enumerate(best)]
    arrays: dict[str, Any] = {
        name: np.stack([np.round(255 * np.clip(example[name], 0, 1)).astype(np.uint8) for example in found])
        for name in ("truth", "samples", "posterior")
    }
    arrays |= {"best": arrays["samples"][:, 0], "samples": arrays["samples"][:, 1:]}
    arrays |= {"clips": np.arange(len(best)), "samples_of": np.tile(shown, [len(best), 1]), "best_of": np.array(best)}
    files.write_with(os.path.join(folder, "examples.npz"), lambda path: np.savez_compressed(path, **arrays))
