"""The figures: a metric over time, and over the number of samples, sized for a phone."""

import io
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

_INK = "#33373d"
# Okabe and Ito's colours, which colour-blind readers can tell apart. Each kind has a colour, each statistic a dash.
_COLOURS = {"model": "#0072b2", "compared": "#cc79a7", "simulator": "#009e73"}
_COLOURS |= {"copy last": "#d55e00", "training mean": "#e69f00"}
_DASHES = {"best": "-", "mean": (0, (4, 2)), "worst": (0, (1, 1.4)), "copy last": (0, (5, 2, 1, 2))}
_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": _INK,
    "text.parse_math": False,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": _INK,
    "grid.alpha": 0.15,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.fontsize": 9,
    "legend.frameon": False,
}
_KINDS = ("model", "trivial", "compared", "simulator")  # order of the legend: long names last
_LONG_NAME = 30  # letters that fit into one of two columns
_WIDTH, _HEIGHT = 5.0, 3.1  # inches, without the legend
_LINE = 1.8  # points
_LEGEND_LINE = 0.21
_DOTS_PER_INCH = 160
_MOST_TICKS = 7
_MOST_AXIS, _MARGIN = 2.0, 0.05

Picture = dict[str, Any]  # png: the figure, alt: its text alternative


def over_time(metric: dict[str, str], curve: dict[str, Any], n_past: int) -> Picture:
    """Draw a metric of each predicted frame: one line per predictor, confidence intervals as bands.

    metric and curve are entries of metrics.json.
    """

    def draw(figure: Figure, axes: Axes) -> None:
        bottom, top = _limits(curve["lines"])
        for line in sorted(curve["lines"], key=lambda line: _KINDS.index(line["kind"])):
            name, kind = line["name"], line["kind"]
            colour = _COLOURS.get(kind) or _COLOURS.get(name, _INK)
            dashes = next((dash for part, dash in _DASHES.items() if part in name), _DASHES["worst"])
            outside = "above" if min(line["mean"]) > top else "below" if max(line["mean"]) < bottom else ""
            if outside:
                axes.plot([], [], color=colour, linestyle=dashes, linewidth=_LINE, label=f"{name} ({outside})")
            else:
                _band(axes, curve["frames"], line, colour, dashes, name)
        axes.set_ylim(bottom, top)
        axes.set_xlabel(f"frame (context: 0 to {n_past - 1})")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        columns = 1 if max(len(line["name"]) for line in curve["lines"]) > _LONG_NAME else 2
        rows = -(-len(curve["lines"]) // columns)
        figure.set_figheight(_HEIGHT + rows * _LEGEND_LINE)
        figure.legend(loc="outside lower left", ncols=columns, handlelength=2.8)

    lines = "; ".join(f"{line['name']} {line['mean'][0]:.4g} to {line['mean'][-1]:.4g}" for line in curve["lines"])
    alt = f"{metric['title']} from frame {curve['frames'][0]} to {curve['frames'][-1]}: {lines}."
    return _picture(metric, draw, alt)


def over_samples(metric: dict[str, str], scores: dict[str, Any]) -> Picture:
    """Draw the score of the best of N over N, with the confidence interval as a band; arguments as of over_time."""

    def draw(_: Figure, axes: Axes) -> None:
        _band(axes, scores["n"], scores, _COLOURS["model"], "-", None, marker="o", markersize=4)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(scores["n"][:: -(len(scores["n"]) // _MOST_TICKS + 1)]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_xlabel("samples per clip, N")

    points = "; ".join(f"{mean:.4g} of {n}" for n, mean in zip(scores["n"], scores["mean"], strict=True))
    return _picture(metric, draw, f"{metric['title']} of the best of N samples: {points}.")


def _limits(lines: list[dict[str, Any]]) -> tuple[float, float]:
    """Return the range of the axis: all values, unless a simulator with 100 dB would leave the model too little."""
    models = [line for line in lines if line["kind"] in ("model", "compared")]
    values = [value for line in models for value in (*line["low"], *line["high"])]
    values += [value for line in lines if line["kind"] == "trivial" for value in line["mean"]]
    everything = [value for line in lines for value in (*line["low"], *line["high"])]
    bottom, top = min(values or everything), max(values or everything)
    if max(everything) - min(everything) <= _MOST_AXIS * (top - bottom):
        bottom, top = min(everything), max(everything)
    margin = _MARGIN * (top - bottom) or _MARGIN
    return bottom - margin, top + margin


def _band(axes: Axes, x: list, line: dict, colour: str, dashes: Any, label: str | None, **style: Any) -> None:
    axes.fill_between(x, line["low"], line["high"], color=colour, alpha=0.16, linewidth=0)
    if len(x) == 1:  # one point makes no line
        style = {"marker": "o"}
    axes.plot(x, line["mean"], color=colour, linestyle=dashes, linewidth=_LINE, label=label, **style)


def _picture(metric: dict[str, str], draw: Callable[[Figure, Axes], None], alt: str) -> Picture:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # independent of the user's settings
        matplotlib.rcParams.update(_RC)
        figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        draw(figure, axes)
        unit = f" ({metric['unit']})" if metric["unit"] else ""
        axes.set_title(f"{metric['title']}{unit}, {metric['better']} is better", loc="left", fontsize=10.5)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=_DOTS_PER_INCH, facecolor="white", metadata={"Software": None})
    return {"png": png.getvalue(), "alt": alt}
