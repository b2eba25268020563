"""The report as one page: all pictures, styles and the script are in it, and nothing is loaded from elsewhere."""

import base64
import hashlib
import importlib.resources
import os
import re
from typing import Any

import jinja2
from markupsafe import Markup, escape

from svg_tf import files, visualization
from svg_tf.report import clips, definitions, figures, inputs, tables

_FLAG = re.compile(r"--\w+")
_DATASETS = {
    "smmnist": "Stochastic Moving MNIST",
    "kth": "KTH",
    "bair": "BAIR robot pushing",
    "videos": "a folder of videos",
}


def write_report(folder: str) -> str:
    """Makes the report of an evaluation from the files in its folder: metrics.json and examples.npz.

    With them uncertainty.json is read where it exists. Beside the page the figures are written as PNG: for each
    metric <metric>_curve.png and <metric>_by_samples.png, for each clip clip_<number>.png, less those of clips that
    an earlier report had. The same files give the same page, to the last byte.

    Args:
        folder: run_dir/evaluation.

    Returns:
        The path of the page, folder/report.html.

    Raises:
        DataError: a file is missing, unreadable or does not fit the others; the message names it.
    """
    metrics = inputs.read_metrics(folder)
    examples = inputs.read_examples(folder, metrics["n_past"], metrics["n_eval"])
    uncertainty = inputs.read_uncertainty(folder)
    curves, by_samples = _figures(folder, metrics)
    strips = clips.write_strips(folder, examples, metrics["n_past"])
    shown = [clips.clip(examples, index, metrics["n_past"]) for index in range(len(examples.clips))]
    script = _text_of_file("report.js")
    template = _environment().get_template("report.html")
    page = template.render(
        m=metrics,
        dataset=_DATASETS.get(metrics["dataset"], metrics["dataset"]),
        columns=tables.columns(metrics),
        groups=tables.groups(metrics),
        terms=definitions.terms(metrics),
        best_by=_title(metrics, metrics["examples_best_by"]),
        curves=curves,
        by_samples=by_samples,
        clips=shown,
        uncertainty=uncertainty,
        style=Markup(_text_of_file("report.css")),
        script=Markup(script),
        script_hash=_base64(hashlib.sha256(script.encode()).digest()),
    )
    path = os.path.join(folder, "report.html")
    files.write_text(path, page)
    visualization.remove_others(folder, r"clip_\d+\.png", strips)
    return path


def _title(metrics: dict[str, Any], name: str) -> str:
    return next((metric["title"] for metric in metrics["metrics"] if metric["name"] == name), name)


def _figures(folder: str, metrics: dict[str, Any]) -> tuple[list[figures.Picture], list[figures.Picture]]:
    """Draws the figures over time and over the number of samples, and writes them as PNG."""
    curves, by_samples = [], []
    for metric in metrics["metrics"]:
        name = metric["name"]
        if name in metrics["curves"]:
            curves.append(figures.over_time(metric, metrics["curves"][name], metrics["n_past"]))
            files.write_bytes(os.path.join(folder, f"{name}_curve.png"), curves[-1].png)
        scores = metrics["by_samples"].get(name)
        if scores and len(scores["n"]) > 1:  # one point is in the table
            by_samples.append(figures.over_samples(metric, scores))
            files.write_bytes(os.path.join(folder, f"{name}_by_samples.png"), by_samples[-1].png)
    return curves, by_samples


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _with_flags(text: str) -> Markup:
    """Escaped, with command-line flags set as code and kept on one line."""
    return Markup(_FLAG.sub(r'<code class="flag">\g<0></code>', str(escape(text))))


def _text_of_file(name: str) -> str:
    return (importlib.resources.files("svg_tf.report") / "templates" / name).read_text(encoding="utf-8")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("svg_tf.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = _base64
    environment.filters["with_flags"] = _with_flags
    environment.filters["short"] = lambda value: f"{value:.4g}" if isinstance(value, float) else str(value)
    return environment
