"""Pictures of clips: a strip over time, a sheet for a player, an animation."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from svg_tf.visualization import drawing
from svg_tf.visualization.drawing import FUTURE, GREEN, RED, Layout, Row, Text, as_bytes, write


def strip(rows: Sequence[Row], n_past: int) -> Image.Image:
    """Draw a clip as a table: one line per row, one column per frame, time from left to right.

    A gap and a line separate the n_past context frames from the future.

    Raises:
        ValueError: rows that do not match, or n_past out of range.
    """
    videos = as_bytes(rows, n_past)
    frames, layout = len(videos[0]), Layout.of(videos[0], smallest=64, text=0.26)
    margin = divider = 2 * layout.gap
    gutter, line, pitch = 7 * layout.text, round(1.4 * layout.text), layout.width + layout.gap
    lefts = [margin + gutter + t * pitch + (divider if t >= n_past else 0) for t in range(frames)]
    top = margin + 2 * line + layout.gap
    tops = [top + r * (layout.height + layout.gap) for r in range(len(rows))]

    size = tops[-1] + layout.height + margin, lefts[-1] + layout.width + margin, 3
    canvas = np.full(size, drawing.BACKGROUND, np.uint8)
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
    draw.rectangle([x, bar, x + max(1, layout.border // 2), tops[-1] + layout.height - 1], fill=drawing.INK)

    axis = bar + layout.border + line / 2
    # Where frames are narrow, only every second, third, ... time is labelled.
    every = -(-round(drawing.font(layout.text).getlength(f"{frames}") + layout.gap) // pitch)
    times = [Text(str(t), (lefts[t] + layout.width / 2, axis), "mm", every * pitch) for t in range(0, frames, every)]
    write(draw, [Text("t =", (lefts[0] - layout.gap, axis), "rm", gutter), *times], layout.text)
    x, middles = lefts[0] - 2 * layout.gap, [y + layout.height / 2 for y in tops]
    labels = [Text(row.label, (x, y), "rm", gutter - layout.gap) for row, y in zip(rows, middles, strict=True)]
    write(draw, labels, layout.text)
    return image


class Sheet(NamedTuple):
    """All frames of some videos in one image, one line per video and one column per frame."""

    image: Image.Image
    width: int  # of a frame with its border, in pixels
    height: int


def sheet(rows: Sequence[Row], n_past: int) -> Sheet:
    """Lay out videos pixel by pixel, each frame with its border and without gaps.

    Raises:
        ValueError: rows that do not match, or n_past out of range.
    """
    videos = as_bytes(rows, n_past)
    frames, height, width = videos[0].shape[:3]
    border = max(1, min(height, width) // 32)
    height, width = height + 2 * border, width + 2 * border
    canvas = np.empty((len(rows), height, frames, width, 3), np.uint8)
    for line, row, video in zip(canvas, rows, videos, strict=True):
        line[:, :n_past], line[:, n_past:] = GREEN, FUTURE[row.kind]
        line[border:-border, :, border:-border] = video.transpose(1, 0, 2, 3)  # [H, T, W, C]
    return Sheet(Image.fromarray(canvas.reshape(len(rows) * height, frames * width, 3)), width, height)


def animation(clips: Sequence[Sequence[Row]], n_past: int) -> list[Image.Image]:
    """Draw several clips over time: one line per clip, one column per row, one image of the same size per frame.

    All clips have rows of the same labels, kinds and shapes, in the same order.

    Raises:
        ValueError: rows that do not match, or n_past out of range.
    """
    columns = len(clips[0])
    videos = as_bytes(list(itertools.chain.from_iterable(clips)), n_past)
    frames, layout = len(videos[0]), Layout.of(videos[0], smallest=96, text=0.17)
    margin, line = 2 * layout.gap, round(1.5 * layout.text)
    grid = columns * layout.width + (columns - 1) * layout.gap
    width = max(grid, 14 * layout.text)  # at least that of the footer
    lefts = [margin + (width - grid) // 2 + c * (layout.width + layout.gap) for c in range(columns)]
    tops = [margin + line + r * (layout.height + layout.gap) for r in range(len(clips))]
    bottom = tops[-1] + layout.height + 2 * layout.gap

    image = Image.new("RGB", (width + 2 * margin, bottom + layout.border + line + margin), drawing.BACKGROUND)
    middles = [(x + layout.width / 2, margin + line / 2) for x in lefts]
    labels = [Text(row.label, place, "mm", layout.width) for row, place in zip(clips[0], middles, strict=True)]
    write(ImageDraw.Draw(image), labels, layout.text)
    canvas = np.array(image)

    images = []
    for t in range(frames):
        for cell, video in enumerate(videos):
            r, c = divmod(cell, columns)
            colour = GREEN if t < n_past else FUTURE[clips[r][c].kind]
            layout.paste(canvas, video[t], colour, lefts[c], tops[r])
        image = Image.fromarray(canvas)
        _footer(ImageDraw.Draw(image), t, frames, n_past, (margin, bottom, width), layout)
        images.append(image)
    return images


def _footer(
    draw: ImageDraw.ImageDraw, t: int, frames: int, n_past: int, place: tuple[int, int, int], layout: Layout
) -> None:
    """Draw a progress bar, green up to n_past and then red, and the time as text."""
    x, y, width = place
    now, future = (x + round(width * steps / frames) for steps in (t + 1, n_past))
    for colour, start, stop in ((drawing.TRACK, x, x + width), (GREEN, x, min(now, future)), (RED, future, now)):
        if start < stop:
            draw.rectangle([start, y, stop - 1, y + layout.border - 1], fill=colour)
    middle = y + layout.border + 0.75 * layout.text
    phase = "context" if t < n_past else "prediction"
    time = Text(f"t = {t} / {frames}", (x, middle), "lm", width / 2)
    write(draw, [time, Text(phase, (x + width, middle), "rm", width / 2)], layout.text)
