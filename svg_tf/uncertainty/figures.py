"""Figures of the analysis: the standard deviation over time, and the motion around a hit."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from svg_tf.uncertainty.motion import Steps

# Colors of Okabe and Ito, which color-blind readers can distinguish; markers repeat the information.
_BLUE = "#0072B2"
_DIGIT_STYLES = (("#D55E00", "v"), ("#009E73", "s"), ("#CC79A7", "D"), ("#56B4E9", "P"))


def stddev_over_time(mean: np.ndarray, std: np.ndarray, turns: np.ndarray, n_past: int, n_sets: int) -> Figure:
    """Draw Figure 6 of the paper: the prior along one motion, mean and std float [T] over sets of digits.

    Turns bool [T, N] are marked for each digit.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots()
    times = np.arange(len(mean))
    axes.axvspan(0, n_past - 0.5, color="#E8E8E8", label="context, not scored", linewidth=0)
    axes.fill_between(times, mean - std, mean + std, color=_BLUE, alpha=0.25, linewidth=0)
    label = f"learned prior: mean and standard deviation over {n_sets} sets of digits"
    axes.plot(times, mean, color=_BLUE, linewidth=1.6, label=label)
    bottom, top = np.nanmin(mean - std), np.nanmax(mean + std)
    for number, (color, marker) in enumerate(_DIGIT_STYLES[: turns.shape[1]]):
        shown = np.flatnonzero(turns[:, number])
        height = top + (number + 1) * 0.06 * (top - bottom)
        axes.vlines(shown, bottom, height, color=color, linewidth=0.8, alpha=0.5)
        label = f"digit {number + 1} turns after a wall hit"
        axes.plot(shown, np.full(len(shown), height), marker, color=color, markersize=6, label=label)
    axes.set(xlim=(0, len(mean) - 0.5), xlabel="frame t", ylabel="standard deviation, mean over z")
    axes.set_title("Learned prior p(z[t] | x[0..t-1]) along one motion, with different digits")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=9)
    return figure


def motion(steps: Sequence[Steps], hit: int, reach: int) -> Figure:
    """Draw Figure 5 of the paper: distributions of steps up to `reach` pixels, the rules above the model."""
    figure = Figure(figsize=(1.6 + 1.75 * len(steps), 4.8), layout="constrained")
    grid = figure.subplots(2, len(steps), sharex=True, sharey=True, squeeze=False)
    edges = np.arange(-reach, reach + 2) - 0.5
    remarks = {hit: " (hit)", hit + 1: " (turn)"}
    for column, each in zip(grid.T, steps, strict=True):
        for axes, values in zip(column, (each.rules, each.model), strict=True):
            counts, _, _ = np.histogram2d(values[:, 0], values[:, 1], [edges, edges])
            extent = (edges[0], edges[-1], edges[-1], edges[0])
            axes.imshow(counts / max(counts.max(), 1), extent=extent, cmap="cividis", vmin=0, vmax=1)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.tick_params(labelsize=8)
        column[0].set_title(f"t = {each.frame}{remarks.get(each.frame, '')}", fontsize=9)
        column[1].set_title(f"found {each.found:.0%}", fontsize=9)
        column[1].set_xlabel("right, px", fontsize=9)
    for axes, source in zip(grid[:, 0], ("rules", "model"), strict=True):
        axes.set_ylabel(f"{source}\ndown, px", fontsize=9)
    figure.suptitle("Steps of a digit from frame t-1 to t around a wall hit", fontsize=11)
    return figure
