"""The report as one HTML page that contains all pictures, styles and scripts."""

import base64
import hashlib
import importlib.resources
import io
import json
import os
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

import jinja2
import numpy as np
from markupsafe import Markup

from svg_tf import files, visualization
from svg_tf.data.errors import DataError
from svg_tf.report import figures, tables
from svg_tf.visualization import Row

_DATASETS = {
    "smmnist": "Stochastic Moving MNIST",
    "kth": "KTH",
    "bair": "BAIR robot pushing",
    "videos": "a folder of videos",
}
_SIDES = {"small": 64, "medium": 96, "large": 128}  # smallest side of a frame in screen pixels


def write_report(folder: str) -> str:
    """Write folder/report.html from metrics.json, examples.npz and, if it exists, uncertainty.json; return its path.

    The figures are also written as PNG: <metric>_curve.png and <metric>_by_samples.png for each metric and
    clip_<number>.png for each clip. Clips of an earlier report are removed. The same files give the same page.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    metrics = _read(os.path.join(folder, "metrics.json"), json.load, "evaluate")
    examples = _read(os.path.join(folder, "examples.npz"), lambda file: dict(np.load(file)), "evaluate")
    uncertainty = _read_uncertainty(folder)
    curves, by_samples = _figures(folder, metrics)
    clips, strips = [], [f"clip_{number}.png" for number in examples["clips"]]
    for index, name in enumerate(strips):
        rows = _rows(examples, index)
        visualization.write_png(os.path.join(folder, name), visualization.strip(rows, metrics["n_past"]))
        clips.append(_clip(int(examples["clips"][index]), rows, metrics["n_past"]))
    titles = {metric["name"]: metric["title"] for metric in metrics["metrics"]}
    script = (importlib.resources.files("svg_tf.report") / "templates" / "report.js").read_text(encoding="utf-8")
    template = _environment().get_template("report.html")
    page = template.render(
        m=metrics,
        dataset=_DATASETS.get(metrics["dataset"], metrics["dataset"]),
        columns=tables.columns(metrics),
        groups=tables.groups(metrics),
        terms=tables.terms(metrics),
        best_by=titles.get(metrics["examples_best_by"], metrics["examples_best_by"]),
        curves=curves,
        by_samples=by_samples,
        clips=clips,
        uncertainty=uncertainty,
        script=Markup(script),
        script_hash=_base64(hashlib.sha256(script.encode()).digest()),
    )
    path = os.path.join(folder, "report.html")
    files.write_text(path, page)
    visualization.remove_others(folder, r"clip_\d+\.png", strips)
    return path


def _read_uncertainty(folder: str) -> dict[str, Any] | None:
    """Return folder/uncertainty.json with the bytes of its pictures under "images"; None if there is no such file."""
    path = os.path.join(folder, "uncertainty.json")
    if not os.path.exists(path):
        return None
    content = _read(path, json.load, "uncertainty")
    pictures = [os.path.join(folder, os.path.basename(figure["file"])) for figure in content["figures"]]
    return {**content, "images": [_read(picture, lambda file: file.read(), "uncertainty") for picture in pictures]}


def _read(path: str, read: Callable[[BinaryIO], Any], command: str) -> Any:
    try:
        with open(path, "rb") as file:
            return read(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read ({error}). svg-tf {command} writes it.") from None


def _rows(examples: dict[str, np.ndarray], index: int) -> list[Row]:
    """Return the videos of a clip."""
    numbered = zip(examples["samples_of"][index], examples["samples"][index], strict=True)
    return [
        Row("Truth", examples["truth"][index], "truth"),
        Row(f"Best, no. {examples['best_of'][index]}", examples["best"][index]),
        *(Row(f"Sample no. {number}", frames) for number, frames in numbered),
        Row("Posterior", examples["posterior"][index]),
    ]


def _clip(number: int, rows: list[Row], n_past: int) -> dict[str, Any]:
    """Return a clip for the template: its sheet as PNG, and screen pixels per pixel for the sheet and the player."""
    sheet = visualization.sheet(rows, n_past)
    frames, *size, _ = rows[0].frames.shape
    buffer = io.BytesIO()
    sheet.image.save(buffer, format="PNG", optimize=True)
    return {
        "number": number,
        "labels": [row.label for row in rows],
        "sheet": buffer.getvalue(),
        "frames": frames,
        "width": sheet.width,
        "height": sheet.height,
        "scales": {name: -(-pixels // min(size)) for name, pixels in _SIDES.items()},
    }


def _figures(folder: str, metrics: dict[str, Any]) -> tuple[list[figures.Picture], list[figures.Picture]]:
    """Draw the curves and the scores over the number of samples, and write them as PNG."""
    curves, by_samples = [], []
    for metric in metrics["metrics"]:
        name = metric["name"]
        if name in metrics["curves"]:
            curves.append(figures.over_time(metric, metrics["curves"][name], metrics["n_past"]))
            files.write_bytes(os.path.join(folder, f"{name}_curve.png"), curves[-1]["png"])
        scores = metrics["by_samples"].get(name)
        if scores and len(scores["n"]) > 1:
            by_samples.append(figures.over_samples(metric, scores))
            files.write_bytes(os.path.join(folder, f"{name}_by_samples.png"), by_samples[-1]["png"])
    return curves, by_samples


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("svg_tf.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = _base64
    environment.filters["short"] = lambda value: f"{value:.4g}" if isinstance(value, float) else str(value)
    return environment
