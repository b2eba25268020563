"""A clip as a table of frames."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from svg_tf.visualization.colours import BACKGROUND, FUTURE, GREEN, INK, RED
from svg_tf.visualization.layout import Layout, Text, font, write
from svg_tf.visualization.rows import Row, as_bytes


def strip(rows: Sequence[Row], n_past: int, scale: int | None = None) -> Image.Image:
    """A clip as a table: a line for every row, a column for every frame, time from left to right.

    Args:
        rows: videos of one shape.
        n_past: frames of context; a gap and a line part them from the future.
        scale: screen pixels a pixel; by default the smallest that shows a frame at 64 pixels or more.

    Raises:
        ValueError: rows that do not match or are no frames, n_past out of range, scale below 1.
    """
    videos = as_bytes(rows, n_past)
    frames, layout = len(videos[0]), Layout.of(videos[0], scale, smallest=64, text=0.26)
    margin = divider = 2 * layout.gap
    gutter, line, pitch = 7 * layout.text, round(1.4 * layout.text), layout.width + layout.gap
    lefts = [margin + gutter + t * pitch + (divider if t >= n_past else 0) for t in range(frames)]
    top = margin + 2 * line + layout.gap
    tops = [top + r * (layout.height + layout.gap) for r in range(len(rows))]

    canvas = np.full((tops[-1] + layout.height + margin, lefts[-1] + layout.width + margin, 3), BACKGROUND, np.uint8)
    for row, video, y in zip(rows, videos, tops, strict=True):
        for t, (frame, x) in enumerate(zip(video, lefts, strict=True)):
            layout.paste(canvas, frame, GREEN if t < n_past else FUTURE[row.kind], x, y)
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)

    bar = margin + line
    spans = [
        ("context", GREEN, lefts[0], lefts[n_past - 1] + layout.width),
        ("prediction", RED, lefts[n_past], lefts[-1] + layout.width),
    ]
    for _, colour, x0, x1 in spans:
        draw.rectangle([x0, bar, x1 - 1, bar + layout.border - 1], fill=colour)
    words = [Text(word, ((x0 + x1) / 2, margin + line / 2), "mm", x1 - x0) for word, _, x0, x1 in spans]
    write(draw, words, layout.text)
    x = lefts[n_past] - (divider + layout.gap + layout.border) // 2
    draw.rectangle([x, bar, x + max(1, layout.border // 2), tops[-1] + layout.height - 1], fill=INK)

    axis = bar + layout.border + line / 2
    # Every second, third, ... time is labelled where frames are too narrow for all.
    every = -(-round(font(layout.text).getlength(f"{frames}") + layout.gap) // pitch)
    times = [Text(str(t), (lefts[t] + layout.width / 2, axis), "mm", every * pitch) for t in range(0, frames, every)]
    write(draw, [Text("t =", (lefts[0] - layout.gap, axis), "rm", gutter), *times], layout.text)
    x, middles = lefts[0] - 2 * layout.gap, [y + layout.height / 2 for y in tops]
    labels = [Text(row.label, (x, y), "rm", gutter - layout.gap) for row, y in zip(rows, middles, strict=True)]
    write(draw, labels, layout.text)
    return image
