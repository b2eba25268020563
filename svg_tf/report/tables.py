"""The table of scores as text: rows of the model, the simulator, the trivial predictors and the published ones."""

import math
from typing import Any, NamedTuple

_GROUPS = {"model": "This model", "simulator": "Simulator, the ceiling", "trivial": "Trivial predictors"}
_ARROWS = {"higher": "↑", "lower": "↓"}
_DIGITS = 4


class Column(NamedTuple):
    """A metric."""

    name: str
    title: str
    unit: str
    arrow: str  # empty where the metric was not computed
    better: str
    computed: bool


class Cell(NamedTuple):
    """A score; texts, empty where there is none."""

    mean: str
    low: str = ""
    high: str = ""


class Line(NamedTuple):
    """A row of the table, its cells by metric."""

    name: str
    source: str
    cells: dict[str, Cell | None]


class Group(NamedTuple):
    """Rows of one kind."""

    kind: str
    title: str
    lines: list[Line]


def columns(metrics: dict[str, Any]) -> list[Column]:
    """The metrics of metrics.json, those not computed last."""
    computed = [
        Column(m["name"], m["title"], m["unit"], _ARROWS[m["better"]], m["better"], True) for m in metrics["metrics"]
    ]
    return computed + [Column(m["name"], m["title"], "", "", "", False) for m in metrics["not_computed"]]


def groups(metrics: dict[str, Any]) -> list[Group]:
    """The rows of metrics.json by kind, the published ones last."""
    shown = columns(metrics)
    found = []
    decimals = {column.name: _decimals(_values(metrics, column.name)) for column in shown}
    for kind, title in _GROUPS.items():
        rows = [row for row in metrics["table"] if row["kind"] == kind]
        lines = [
            Line(row["name"], "", {c.name: _cell(row["metrics"].get(c.name), decimals[c.name]) for c in shown})
            for row in rows
        ]
        found.append(Group(kind, title, lines))
    published = [
        Line(row["name"], row["source"], {c.name: _published(row.get(c.name), decimals[c.name]) for c in shown})
        for row in metrics["protocol"]["published"]
    ]
    found.append(Group("published", "Published", published))
    return [group for group in found if group.lines]


def text_of(value: float, decimals: int) -> str:
    """A number with so many decimals, its minus a real one, and no minus before zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _cell(score: dict[str, float] | None, decimals: int) -> Cell | None:
    if score is None:
        return None
    texts = {name: text_of(score[name], decimals) for name in ("mean", "low", "high") if name in score}
    return Cell(**texts)


def _published(value: float | None, decimals: int) -> Cell | None:
    """As printed: a score that is published as a whole number stays one."""
    if value is None:
        return None
    return Cell(text_of(value, 0 if isinstance(value, int) else decimals))


def _values(metrics: dict[str, Any], name: str) -> list[float]:
    """All that a column shows, of our rows; of the published ones where we have none."""
    ours = [row["metrics"][name]["mean"] for row in metrics["table"] if name in row["metrics"]]
    return ours or [row[name] for row in metrics["protocol"]["published"] if name in row]


def _decimals(values: list[float]) -> int:
    """Four significant digits of the largest value; below 1 four decimals, or more where they would show nothing."""
    largest = max((abs(value) for value in values), default=0.0)
    exponent = math.floor(math.log10(largest)) if largest > 0 else 0
    return max(_DIGITS - 1 - exponent, 0) if exponent >= 0 else max(_DIGITS, 2 - exponent)
