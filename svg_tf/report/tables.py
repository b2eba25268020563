"""The table of scores and the definitions below it, as text."""

import math
from typing import Any

_ARROWS = {"higher": "↑", "lower": "↓"}
_DIGITS = 4


def columns(metrics: dict[str, Any]) -> list[dict[str, str]]:
    """Return the metrics of metrics.json with an arrow each; those that were not computed are last and have none."""
    computed = [{**metric, "arrow": _ARROWS[metric["better"]]} for metric in metrics["metrics"]]
    return computed + [{**metric, "unit": "", "better": "", "arrow": ""} for metric in metrics["not_computed"]]


def groups(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of metrics.json by kind, published ones last.

    A group has a kind, a title and lines. A line has a name, a source (of published scores) and cells by metric: texts
    by mean, low and high.
    """
    compared, published = metrics["compared"], metrics["protocol"]["published"]
    titles = {
        "model": f"This model, {metrics['run_dir']}" if compared else "This model",
        "compared": f"Compared model, {compared['run_dir']}, after {compared['step']:,} steps" if compared else "",
        "simulator": "Simulator, an upper bound",
        "trivial": "Trivial predictors",
    }
    decimals = {}
    for column in columns(metrics):
        name = column["name"]
        values = [row["metrics"][name]["mean"] for row in metrics["table"] if name in row["metrics"]]
        decimals[name] = _decimals(values or [row[name] for row in published if name in row])
    found = []
    for kind, title in titles.items():
        lines = []
        for row in metrics["table"]:
            if row["kind"] == kind:
                name = row["name"].removeprefix(f"{compared['run_dir']}, ") if compared else row["name"]
                cells = {
                    metric: {key: text_of(value, decimals[metric]) for key, value in score.items()}
                    for metric, score in row["metrics"].items()
                }
                lines.append({"name": name, "cells": cells})
        found.append({"kind": kind, "title": title, "lines": lines})
    lines = []
    for row in published:
        cells = {
            name: {"mean": text_of(row[name], 0 if row[name] == int(row[name]) else places)}  # an integer stays one
            for name, places in decimals.items()
            if name in row
        }
        lines.append({"name": row["name"], "source": row["source"], "cells": cells})
    found.append({"kind": "published", "title": "Published", "lines": lines})
    return [group for group in found if group["lines"]]


def terms(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the terms of the report with their definitions, in reading order."""
    n_past, n_eval = metrics["n_past"], metrics["n_eval"]
    found = [(metric["title"], metric["definition"]) for metric in metrics["metrics"]]
    found += [
        (
            "Context and predicted frames",
            f"Frames count from 0. The model reads frames 0 to {n_past - 1} and predicts frames {n_past} to "
            f"{n_eval - 1} from its own predictions. Scores are over predicted frames only.",
        ),
        ("Choice of the best sample", metrics["chosen_by"]),
    ]
    found += [(name[0].upper() + name[1:], definition) for name, definition in metrics["predictors"].items()]
    found += [
        ("95 % interval", metrics["interval"]),
        ("Score over N", metrics["by_samples_definition"]),
        (
            "Posterior",
            "Each frame is predicted from the true frame before it and the mean of the approximate posterior, which "
            "sees the true frame: what the model can draw, not what it can foresee. The first frame is the true one.",
        ),
    ]
    if metrics["protocol"]["published"]:
        found.append(("Published", "As printed in the work named, from its authors' code; not measured here."))
    return found


def text_of(value: float, decimals: int) -> str:
    """Return a number with a fixed number of decimals, a typographic minus, and no minus before zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _decimals(values: list[float]) -> int:
    """Return the decimals that show four digits of the largest value; below 1 four decimals, more for tiny values."""
    largest = max((abs(value) for value in values), default=0.0)
    exponent = math.floor(math.log10(largest)) if largest > 0 else 0
    return max(_DIGITS - 1 - exponent, 0) if exponent >= 0 else max(_DIGITS, 2 - exponent)
