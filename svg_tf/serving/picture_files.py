"""Frames as PNG files on a client's side."""

import io

import numpy as np
from PIL import Image


def encode(frame: np.ndarray) -> bytes:
    """A frame, uint8 [H, W, C] with C of 1 or 3, as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).save(buffer, "PNG")
    return buffer.getvalue()


def decode(data: bytes, channels: int) -> np.ndarray:
    """A PNG file as a frame, uint8 [H, W, C]."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], channels)
