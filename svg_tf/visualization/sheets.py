"""Clips as small as they are stored, for a program that shows them frame by frame."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from svg_tf.visualization.colours import FUTURE, GREEN
from svg_tf.visualization.rows import Row, as_bytes


class Sheet(NamedTuple):
    """All frames of some videos in one image, a line for every video and a column for every frame.

    Attributes:
        image: RGB, of len(rows) * height by T * width pixels.
        width: of a frame with its border, in pixels.
        height: the same.
    """

    image: Image.Image
    width: int
    height: int


def sheet(rows: Sequence[Row], n_past: int) -> Sheet:
    """Lays out videos pixel by pixel, each frame in its border and nothing between them.

    Args:
        rows: videos of one shape.
        n_past: frames of context.

    Raises:
        ValueError: rows that do not match or are no frames, n_past out of range.
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
