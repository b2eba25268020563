"""The figures: a metric over time, and over the number of samples. Drawn for the width of a phone."""

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

_INK = "#33373d"
# Okabe and Ito's colours, which the colour-blind can tell apart; a hue a kind of predictor, a dash a statistic.
_BLUE, _GREEN, _ORANGE, _PURPLE = "#0072b2", "#009e73", "#d55e00", "#cc79a7"
_SOLID, _DASHED, _DOTTED, _DASH_DOT, _LONG = "-", (0, (4, 2)), (0, (1, 1.4)), (0, (5, 2, 1, 2)), (0, (8, 3))
_STYLES = (
    ("best of", _BLUE, _SOLID),
    ("mean of", _BLUE, _DASHED),
    ("worst of", _BLUE, _DOTTED),
    ("simulator, best", _GREEN, _SOLID),
    ("simulator, mean", _GREEN, _DASHED),
    ("copy last", _ORANGE, _DASH_DOT),
    ("training mean", _PURPLE, _LONG),
    ("", _INK, _DOTTED),
)
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
    "svg.fonttype": "path",
    "svg.hashsalt": "svg_tf",
}
_KINDS = ("model", "trivial", "simulator")  # the legend's order: the longest names are in its second column
_WIDTH, _HEIGHT = 5.0, 3.1  # inches, of the axes and their labels
_LINE = 1.8  # points
_LEGEND_LINE = 0.21
_DOTS_PER_INCH = 160
_MOST_TICKS = 7
_MOST_AXIS, _MARGIN = 2.0, 0.05  # of the range of what is compared
_SCHEMES = f"<style>:root{{color:{_INK}}}@media (prefers-color-scheme:dark){{:root{{color:#d5d9df}}}}</style>"


class Picture(NamedTuple):
    """One figure, twice, and in words."""

    png: bytes
    svg: str  # without a ground, its ink light where the reader's colours are dark
    alt: str


def over_time(metric: dict[str, str], curve: dict[str, Any], n_past: int) -> Picture:
    """A metric of every predicted frame, one line a predictor, with the confidence intervals as bands.

    Args:
        metric: of metrics.json's "metrics".
        curve: of its "curves".
        n_past: frames of context.
    """

    def draw(figure: Figure, axes: Axes) -> None:
        bottom, top = _limits(curve["lines"])
        for line in sorted(curve["lines"], key=lambda line: _KINDS.index(line["kind"])):
            colour, dashes = next((c, d) for start, c, d in _STYLES if line["name"].startswith(start))
            outside = "above" if min(line["mean"]) > top else "below" if max(line["mean"]) < bottom else ""
            if outside:
                axes.plot([], [], color=colour, linestyle=dashes, linewidth=_LINE, label=f"{line['name']} ({outside})")
            else:
                _band(axes, curve["frames"], line, colour, dashes, line["name"])
        axes.set_ylim(bottom, top)
        axes.set_xlabel(f"frame (0 to {n_past - 1} are given)")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        rows = -(-len(curve["lines"]) // 2)
        figure.set_figheight(_HEIGHT + rows * _LEGEND_LINE)
        figure.legend(loc="outside lower left", ncols=2, handlelength=2.8)

    lines = "; ".join(f"{line['name']} {line['mean'][0]:.4g} to {line['mean'][-1]:.4g}" for line in curve["lines"])
    alt = f"{metric['title']} from frame {curve['frames'][0]} to {curve['frames'][-1]}: {lines}."
    return _picture(metric, draw, alt)


def over_samples(metric: dict[str, str], scores: dict[str, Any]) -> Picture:
    """The best of N as N grows, with the confidence interval as a band; arguments as of over_time."""

    def draw(_: Figure, axes: Axes) -> None:
        _band(axes, scores["n"], scores, _BLUE, _SOLID, None, marker="o", markersize=4)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(scores["n"][:: -(len(scores["n"]) // _MOST_TICKS + 1)]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_xlabel("samples of each clip, N")

    points = "; ".join(f"{mean:.4g} of {n}" for n, mean in zip(scores["n"], scores["mean"], strict=True))
    return _picture(metric, draw, f"{metric['title']} of the best of N samples: {points}.")


def _limits(lines: list[dict[str, Any]]) -> tuple[float, float]:
    """The values that the axis shows: all, unless what bounds the model would leave the model no room.

    A simulator that hits the truth to the pixel scores 100 dB, where the model has 20.
    """
    model = [value for line in lines if line["kind"] == "model" for value in (*line["low"], *line["high"])]
    rest = [value for line in lines if line["kind"] == "trivial" for value in line["mean"]]
    everything = [value for line in lines for value in (*line["low"], *line["high"])]
    bottom, top = min(model + rest or everything), max(model + rest or everything)
    if max(everything) - min(everything) <= _MOST_AXIS * (top - bottom):
        bottom, top = min(everything), max(everything)
    margin = _MARGIN * (top - bottom) or _MARGIN
    return bottom - margin, top + margin


def _band(axes: Axes, x: list, line: dict, colour: str, dashes: Any, label: str | None, **style: Any) -> None:
    axes.fill_between(x, line["low"], line["high"], color=colour, alpha=0.16, linewidth=0)
    if len(x) == 1:  # a point has no line
        style = {"marker": "o"}
    axes.plot(x, line["mean"], color=colour, linestyle=dashes, linewidth=_LINE, label=label, **style)


def _picture(metric: dict[str, str], draw: Callable[[Figure, Axes], None], alt: str) -> Picture:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # the same picture whatever the user's own settings are
        matplotlib.rcParams.update(_RC)
        figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        draw(figure, axes)
        unit = f" ({metric['unit']})" if metric["unit"] else ""
        axes.set_title(f"{metric['title']}{unit}, {metric['better']} is better", loc="left", fontsize=10.5)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
        png, svg = io.BytesIO(), io.StringIO()
        figure.savefig(png, format="png", dpi=_DOTS_PER_INCH, facecolor="white", metadata={"Software": None})
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    head, tail = svg.getvalue().replace(_INK, "currentColor").split("<defs>", 1)
    return Picture(png.getvalue(), f"{head}{_SCHEMES}<defs>{tail}", alt)
