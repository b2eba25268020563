"""The table of scores and the definitions below it, as text."""

import math
from typing import Any, NamedTuple

_ARROWS = {"higher": "↑", "lower": "↓"}
_DIGITS = 4


class Column(NamedTuple):
    """A metric. arrow and better are empty if it was not computed."""

    name: str
    title: str
    unit: str = ""
    arrow: str = ""
    better: str = ""


class Cell(NamedTuple):
    """A score as text. Bounds are empty if there is no interval."""

    mean: str
    low: str = ""
    high: str = ""


class Line(NamedTuple):
    """A row of the table, its cells by metric."""

    name: str
    source: str
    cells: dict[str, Cell | None]


class Group(NamedTuple):
    """Rows of one kind of predictor."""

    kind: str
    title: str
    lines: list[Line]


def columns(metrics: dict[str, Any]) -> list[Column]:
    """Return the columns of metrics.json, metrics that were not computed last."""
    computed = [Column(m["name"], m["title"], m["unit"], _ARROWS[m["better"]], m["better"]) for m in metrics["metrics"]]
    return computed + [Column(m["name"], m["title"]) for m in metrics["not_computed"]]


def groups(metrics: dict[str, Any]) -> list[Group]:
    """Return the rows of metrics.json by kind, published ones last."""
    compared = metrics.get("compared")
    titles = {
        "model": f"This model, {metrics['run_dir']}" if compared else "This model",
        "compared": f"Compared model, {compared['run_dir']}, after {compared['step']:,} steps" if compared else "",
        "simulator": "Simulator, an upper bound",
        "trivial": "Trivial predictors",
    }
    published = metrics["protocol"]["published"]
    names = [column.name for column in columns(metrics)]
    decimals = {}
    for name in names:
        values = [row["metrics"][name]["mean"] for row in metrics["table"] if name in row["metrics"]]
        decimals[name] = _decimals(values or [row[name] for row in published if name in row])

    def cell(row: dict[str, Any], name: str) -> Cell | None:
        score = row["metrics"].get(name)
        return Cell(**{key: text_of(value, decimals[name]) for key, value in score.items()}) if score else None

    def printed(row: dict[str, Any], name: str) -> Cell | None:
        """Return a published score; an integer stays one."""
        return Cell(text_of(row[name], 0 if row[name] == int(row[name]) else decimals[name])) if name in row else None

    found = []
    for kind, title in titles.items():
        rows = [row for row in metrics["table"] if row["kind"] == kind]
        prefix = f"{compared['run_dir']}, " if compared else ""
        lines = [Line(row["name"].removeprefix(prefix), "", {n: cell(row, n) for n in names}) for row in rows]
        found.append(Group(kind, title, lines))
    lines = [Line(row["name"], row["source"], {name: printed(row, name) for name in names}) for row in published]
    return [group for group in [*found, Group("published", "Published", lines)] if group.lines]


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
