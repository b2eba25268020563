"""The figures: the spread over time, its ROC curve, and where digits go after a wall."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from svg_tf import files
from svg_tf.uncertainty.auc import Interval

# Okabe and Ito's colours, which the colour-blind can tell apart; shapes and dashes say the same again.
_BLUE, _ORANGE, _GREEN, _PURPLE, _SKY, _GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#707070"
_DIGIT_STYLES = ((_ORANGE, "v"), (_GREEN, "s"), (_PURPLE, "D"), (_SKY, "P"))
_CURVE_STYLES = ((_BLUE, "-"), (_ORANGE, "--"), (_GREY, ":"))
_DOTS_PER_INCH = 130


class Panel(NamedTuple):
    """One distribution of steps."""

    steps: np.ndarray  # int [N, 2] in pixels, to the right and downwards in the panel
    title: str


def sigma(mean: np.ndarray, std: np.ndarray, turns: np.ndarray, n_past: int, n_sequences: int) -> Figure:
    """The spread over time with the turns of every digit: mean and std float [T], turns bool [T, N]."""
    figure = _figure(11, 4.2)
    axes = figure.subplots()
    times = np.arange(len(mean))
    axes.axvspan(0, n_past - 0.5, color="#E8E8E8", label="context, not scored", linewidth=0)
    axes.fill_between(times, mean - std, mean + std, color=_BLUE, alpha=0.25, linewidth=0)
    label = f"learned prior: mean and standard deviation over {n_sequences} sets of digits"
    axes.plot(times, mean, color=_BLUE, linewidth=1.6, label=label)
    bottom, top = np.nanmin(mean - std), np.nanmax(mean + std)
    step = 0.06 * (top - bottom)
    for number, (shown, (colour, marker)) in enumerate(zip(turns.T, _DIGIT_STYLES, strict=False)):
        when = np.flatnonzero(shown)
        axes.vlines(when, bottom, top + (number + 1) * step, color=colour, linewidth=0.8, alpha=0.5)
        height = np.full(len(when), top + (number + 1) * step)
        label = f"digit {number + 1} shows a new velocity, after a wall hit in the frame before"
        axes.plot(when, height, marker, color=colour, markersize=6, label=label)
    axes.set(xlim=(0, len(mean) - 0.5), xlabel="frame t", ylabel="mean over z of the prior's sigma")
    axes.set_title("Learned prior p(z[t] | x[0..t-1]) along one motion, with different digits")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=9)
    return figure


def roc(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    areas: Mapping[str, Interval],
    offsets: Sequence[int],
    by_offset: Sequence[float],
) -> Figure:
    """ROC curves by name (false and true positive rates), and the AUC of the spread in frames around a turn."""
    figure = _figure(11, 4.8)
    left, right = figure.subplots(1, 2)
    for (name, (false_rate, true_rate)), (colour, dashes) in zip(curves.items(), _CURVE_STYLES, strict=True):
        area = areas[name]
        label = f"{name}: {area.mean:.3f} ({area.low:.3f} to {area.high:.3f})"
        left.plot(false_rate, true_rate, dashes, color=colour, linewidth=2, label=label)
    left.plot([0, 1], [0, 1], color="#C0C0C0", linewidth=0.8, zorder=0)
    left.set(xlabel="false alarms: share of all other frames", ylabel="share of the turns found", aspect="equal")
    left.set_title("Turns told by the prior's spread")
    left.legend(title="area under the curve (95 % interval)", loc="lower right", fontsize=8.5, title_fontsize=9)
    right.axhline(0.5, color="#C0C0C0", linewidth=0.8)
    right.axvline(0, color=_ORANGE, linewidth=0.8, linestyle="--")
    right.plot(offsets, by_offset, "o-", color=_BLUE)
    for offset, value in zip(offsets, by_offset, strict=True):
        right.annotate(f"{value:.2f}", (offset, value), (0, 7), textcoords="offset points", ha="center", fontsize=9)
    right.set(xlabel="frames after the one that shows the new velocity", ylabel="area under the curve", ylim=(0, 1.09))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_title("The spread of which frame tells of a turn")
    return figure


def displacement(
    example: Sequence[tuple[Panel, Panel]], pooled: Sequence[tuple[Panel, Panel]], reach: int, example_title: str
) -> Figure:
    """Distributions of steps, the rules' above the model's: one motion by frame, and all first hits by their frame.

    Args:
        example: by frame, the rules' panel and the model's.
        pooled: by group of hits, likewise; steps away from the wall and along it.
        reach: the largest step shown, in pixels on each axis.
        example_title: says which motion.
    """
    columns = max(len(example), len(pooled))
    figure = _figure(1.6 + 1.75 * columns, 9.6)
    upper, lower = figure.subfigures(2, 1)
    _panels(upper, example, columns, reach, ("right, px", "down, px"))
    upper.suptitle(example_title, fontsize=11)
    _panels(lower, pooled, columns, reach, ("away from the wall, px", "along it, px"))
    lower.suptitle("All first hits after the context, turned so that the wall is to the left", fontsize=11)
    return figure


def write(figure: Figure, path: str) -> None:
    """Writes a figure as PNG, aside and renamed."""
    files.write_with(path, lambda aside: figure.savefig(aside, format="png", dpi=_DOTS_PER_INCH))


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _panels(
    figure: Figure, pairs: Sequence[tuple[Panel, Panel]], columns: int, reach: int, labels: tuple[str, str]
) -> None:
    grid = figure.subplots(2, columns, sharex=True, sharey=True, squeeze=False)
    for column in range(columns):
        for row, source in enumerate(("rules", "model")):
            axes = grid[row, column]
            if column >= len(pairs):
                axes.remove()
                continue
            _histogram(axes, pairs[column][row], reach)
            if row == 1:
                axes.set_xlabel(labels[0], fontsize=9)
            if column == 0:
                axes.set_ylabel(f"{source}\n{labels[1]}", fontsize=9)


def _histogram(axes: Axes, panel: Panel, reach: int) -> None:
    edges = np.arange(-reach, reach + 2) - 0.5
    counts, _, _ = np.histogram2d(panel.steps[:, 1], panel.steps[:, 0], [edges, edges])
    extent = (edges[0], edges[-1], edges[-1], edges[0])
    axes.imshow(counts / max(counts.max(), 1), extent=extent, cmap="cividis", vmin=0, vmax=1)
    for line in (axes.axhline, axes.axvline):
        line(0, color="white", linewidth=0.5, alpha=0.5)
    axes.set_title(panel.title, fontsize=8.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.tick_params(labelsize=8)
