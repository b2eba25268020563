"""Where the frames of a picture are, and its words."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import ImageDraw, ImageFont

from svg_tf.visualization.colours import INK

_SMALLEST_TEXT = 9


class Layout(NamedTuple):
    """Sizes in pixels. They depend on the size of the frames alone, so pictures of one data set line up."""

    scale: int
    width: int
    height: int
    border: int
    gap: int
    text: int

    @classmethod
    def of(cls, frames: np.ndarray, scale: int | None, smallest: int, text: float) -> "Layout":
        """The sizes for frames [T, H, W, C]: the smallest scale, if None, that shows a side in `smallest` pixels."""
        height, width = frames.shape[1:3]
        if scale is None:
            scale = -(-smallest // min(height, width))
        elif scale < 1:
            raise ValueError(f"scale is {scale}, but must be at least 1")
        side = min(height, width) * scale
        border = max(3, side // 32)
        gap, text = max(3, side // 16), int(np.clip(text * side, 12, 26))
        return cls(scale, width * scale + 2 * border, height * scale + 2 * border, border, gap, text)

    def paste(self, canvas: np.ndarray, frame: np.ndarray, colour: tuple[int, int, int], x: int, y: int) -> None:
        """Draws a frame, uint8 [H, W, C], enlarged without smoothing and with its border, at the canvas' (x, y)."""
        place = canvas[y : y + self.height, x : x + self.width]
        place[:] = colour
        inside = slice(self.border, -self.border)
        place[inside, inside] = frame.repeat(self.scale, axis=0).repeat(self.scale, axis=1)


class Text(NamedTuple):
    """Words of a picture.

    Attributes:
        text: in ASCII, which is what the font has.
        place: x and y of the anchor, in pixels.
        anchor: which point of the text is there, in Pillow's letters: "mm" is its middle.
        width: the pixels that it may take.
    """

    text: str
    place: tuple[float, float]
    anchor: str
    width: float


@functools.lru_cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, of so many pixels."""
    return ImageFont.load_default(size)


def write(draw: ImageDraw.ImageDraw, texts: Sequence[Text], size: int) -> None:
    """Draws texts in one size, small enough for all of them if that is legible, and cuts those that never fit."""
    texts = [text._replace(text=" ".join(text.text.split())) for text in texts]
    while size > _SMALLEST_TEXT and any(font(size).getlength(text.text) > text.width for text in texts):
        size -= 1
    for text, place, anchor, width in texts:
        if font(size).getlength(text) > width:
            while text and font(size).getlength(text + "...") > width:
                text = text[:-1]
            text += "..."
        draw.text(place, text, fill=INK, font=font(size), anchor=anchor)
