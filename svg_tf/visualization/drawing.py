"""What all pictures share: rows of frames, colours, sizes and text."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import ImageDraw, ImageFont

BACKGROUND, INK = (255, 255, 255), (45, 45, 45)
GREEN, RED, GREY, TRACK = (0, 150, 70), (220, 45, 45), (165, 165, 165), (225, 225, 225)
FUTURE = {"truth": GREY, "prediction": RED}  # border from n_past on, by the row's kind
_SMALLEST_TEXT = 9


class Row(NamedTuple):
    """One video of a picture.

    Attributes:
        label: for example "Best of 100", in ASCII, which is what the font has.
        frames: float32 [T, H, W, C] in [0, 1], or uint8; C is 1 (grey) or 3 (RGB).
        kind: "truth" or "prediction". The first n_past frames of both are context.
    """

    label: str
    frames: np.ndarray
    kind: str = "prediction"


def as_bytes(rows: Sequence[Row], n_past: int) -> list[np.ndarray]:
    """Check the rows of a picture and return their frames as uint8 [T, H, W, C].

    Raises:
        ValueError: rows of different shapes, values out of range, or n_past out of range.
    """
    videos: list[np.ndarray] = []
    for row in rows:
        frames = np.asarray(row.frames)
        if frames.shape != rows[0].frames.shape:
            raise ValueError(f"row {row.label!r} has shape {frames.shape}; the first row has {rows[0].frames.shape}.")
        if frames.dtype != np.uint8:
            low, high = frames.min(), frames.max()
            if not (low >= -1e-3 and high <= 1 + 1e-3):  # fails for NaN too
                raise ValueError(f"row {row.label!r} has values {low} to {high}; they must be in [0, 1], or uint8.")
            frames = np.round(255 * np.clip(frames.astype(np.float32), 0, 1)).astype(np.uint8)
        videos.append(frames)
    if not 1 <= n_past < len(videos[0]):
        raise ValueError(f"n_past is {n_past}; it must be from 1 to one less than the clip's {len(videos[0])} frames.")
    return videos


class Layout(NamedTuple):
    """Sizes in pixels. They depend on the size of the frames only, so pictures of one data set line up."""

    scale: int
    width: int
    height: int
    border: int
    gap: int
    text: int

    @classmethod
    def of(cls, frames: np.ndarray, smallest: int, text: float) -> "Layout":
        """Return the sizes for frames [T, H, W, C] of `smallest` pixels or more; text is its height over their side."""
        height, width = frames.shape[1:3]
        scale = -(-smallest // min(height, width))
        side = min(height, width) * scale
        border = max(3, side // 32)
        gap, text = max(3, side // 16), int(np.clip(text * side, 12, 26))
        return cls(scale, width * scale + 2 * border, height * scale + 2 * border, border, gap, text)

    def paste(self, canvas: np.ndarray, frame: np.ndarray, colour: tuple[int, int, int], x: int, y: int) -> None:
        """Draw a frame, uint8 [H, W, C], at (x, y), scaled without smoothing and with its border."""
        place = canvas[y : y + self.height, x : x + self.width]
        place[:] = colour
        inside = slice(self.border, -self.border)
        place[inside, inside] = frame.repeat(self.scale, axis=0).repeat(self.scale, axis=1)


class Text(NamedTuple):
    """A text in a picture, in ASCII."""

    text: str
    place: tuple[float, float]  # x and y of the anchor, in pixels
    anchor: str  # Pillow's name of the point of the text at this place: "mm" is its middle
    width: float  # pixels that it may take


@functools.lru_cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's built-in font in a size in pixels."""
    return ImageFont.load_default(size)


def write(draw: ImageDraw.ImageDraw, texts: Sequence[Text], size: int) -> None:
    """Draw texts in one size, reduced until all fit or it is the smallest; truncate those that do not fit then."""
    texts = [text._replace(text=" ".join(text.text.split())) for text in texts]
    while size > _SMALLEST_TEXT and any(font(size).getlength(text.text) > text.width for text in texts):
        size -= 1
    for text, place, anchor, width in texts:
        if font(size).getlength(text) > width:
            while text and font(size).getlength(text + "...") > width:
                text = text[:-1]
            text += "..."
        draw.text(place, text, fill=INK, font=font(size), anchor=anchor)
