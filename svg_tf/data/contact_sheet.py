"""A contact sheet: a few clips of a data set, a line each, to look at before training on it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_FRAME = 64  # pixels that a frame has at least on the sheet
_GAP = 2
_TEXT = 12


def contact_sheet(clips: np.ndarray, labels: Sequence[str], columns: int = 12) -> Image.Image:
    """Draws clips one under the other, time from left to right.

    Args:
        clips: uint8 [B, T, H, W, C], C is 1 or 3.
        labels: B texts, one above each clip.
        columns: frames to show of a clip, evenly spaced, the first and the last among them.
    """
    batch, frames, height, width, channels = clips.shape
    chosen = np.unique(np.linspace(0, frames - 1, min(columns, frames)).round().astype(int))
    scale = -(-_FRAME // min(height, width))
    line = 2 * _TEXT
    pitch = np.array([height * scale + line, width * scale + _GAP])
    canvas = np.full((batch * pitch[0] + _GAP, len(chosen) * pitch[1] + _GAP, 3), 255, np.uint8)
    for row, clip in enumerate(clips):
        for column, frame in enumerate(clip[chosen]):
            y, x = pitch * (row, column) + (line, _GAP)
            large = frame.repeat(scale, axis=0).repeat(scale, axis=1)
            canvas[y : y + large.shape[0], x : x + large.shape[1]] = large  # grey is spread over three channels
    image = Image.fromarray(canvas)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(_TEXT)
    for row, label in enumerate(labels):
        text = f"{label}, frames {', '.join(str(number) for number in chosen)} of {frames}" if row == 0 else label
        draw.text((_GAP, row * pitch[0] + line // 2), text, fill=(45, 45, 45), font=font, anchor="lm")
    return image
