"""Clips that play together."""

import itertools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from svg_tf.visualization.colours import BACKGROUND, FUTURE, GREEN, RED, TRACK
from svg_tf.visualization.layout import Layout, Text, write
from svg_tf.visualization.rows import Row, as_bytes


def animation(clips: Sequence[Sequence[Row]], n_past: int, scale: int | None = None) -> list[Image.Image]:
    """Several clips playing together: a line for every clip, a column for every row; one image a time step.

    Args:
        clips: the rows of every clip; all clips have rows of the same labels, kinds and shapes, in one order.
        n_past: frames of context.
        scale: screen pixels a pixel; by default the smallest that shows a frame at 96 pixels or more.

    Returns:
        T images of one size.

    Raises:
        ValueError: clips or rows that do not match or are no frames, n_past out of range, scale below 1.
    """
    if not clips:
        raise ValueError("there are no clips to show; give at least one")
    heads = [[(row.label, row.kind) for row in rows] for rows in clips]
    for number, head in enumerate(heads):
        if head != heads[0]:
            raise ValueError(f"clip {number} has the rows {head}, but clip 0 has {heads[0]}; they must be the same")
    columns = len(heads[0])
    videos = as_bytes(list(itertools.chain.from_iterable(clips)), n_past)
    frames, layout = len(videos[0]), Layout.of(videos[0], scale, smallest=96, text=0.17)
    margin, line = 2 * layout.gap, round(1.5 * layout.text)
    grid = columns * layout.width + (columns - 1) * layout.gap
    width = max(grid, 14 * layout.text)  # the footer's words need it
    lefts = [margin + (width - grid) // 2 + c * (layout.width + layout.gap) for c in range(columns)]
    tops = [margin + line + r * (layout.height + layout.gap) for r in range(len(clips))]
    bottom = tops[-1] + layout.height + 2 * layout.gap

    image = Image.new("RGB", (width + 2 * margin, bottom + layout.border + line + margin), BACKGROUND)
    middles = [(x + layout.width / 2, margin + line / 2) for x in lefts]
    labels = [Text(row.label, place, "mm", layout.width) for row, place in zip(clips[0], middles, strict=True)]
    write(ImageDraw.Draw(image), labels, layout.text)
    canvas = np.array(image)

    images = []
    for t in range(frames):
        for cell, video in enumerate(videos):
            r, c = divmod(cell, columns)
            colour = GREEN if t < n_past else FUTURE[heads[0][c][1]]
            layout.paste(canvas, video[t], colour, lefts[c], tops[r])
        image = Image.fromarray(canvas)
        _footer(ImageDraw.Draw(image), t, frames, n_past, (margin, bottom, width), layout)
        images.append(image)
    return images


def _footer(
    draw: ImageDraw.ImageDraw, t: int, frames: int, n_past: int, place: tuple[int, int, int], layout: Layout
) -> None:
    """A bar that fills as time goes by, green up to n_past and red from there, and the time in words."""
    x, y, width = place
    now, future = (x + round(width * steps / frames) for steps in (t + 1, n_past))
    for colour, start, stop in ((TRACK, x, x + width), (GREEN, x, min(now, future)), (RED, future, now)):
        if start < stop:
            draw.rectangle([start, y, stop - 1, y + layout.border - 1], fill=colour)
    middle = y + layout.border + 0.75 * layout.text
    phase = "context" if t < n_past else "prediction"
    time = Text(f"t = {t} / {frames}", (x, middle), "lm", width / 2)
    write(draw, [time, Text(phase, (x + width, middle), "rm", width / 2)], layout.text)
