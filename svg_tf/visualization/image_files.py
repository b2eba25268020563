"""Image files: PNG, and GIF with one palette for all frames."""

import os
import re
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from svg_tf import files
from svg_tf.visualization.drawing import BACKGROUND, GREEN, GREY, INK, RED, TRACK

_FIXED_COLOURS = (BACKGROUND, INK, GREEN, RED, GREY, TRACK)
_FRAME_MS, _LAST_FRAME_MS = 170, 1000
# One of 256 colours stays free: the encoder uses it for pixels that do not change, which halves the file.
_GIF_COLOURS = 255
_PALETTE_SAMPLE = 1 << 16


def write_png(path: str, image: Image.Image) -> None:
    """Write an image as PNG, atomically."""
    files.write_with(path, lambda temporary: image.save(temporary, format="PNG", optimize=True))


def write_gif(path: str, images: Sequence[Image.Image]) -> None:
    """Write RGB images of one size as an animated GIF atomically: six a second, in a loop that holds the last image.

    All images share one palette without dithering, so that static parts do not flicker.
    """
    palette, indices = _shared_palette(np.stack([np.asarray(image) for image in images]))
    paletted = [Image.fromarray(index) for index in indices]
    for image in paletted:
        image.putpalette(palette.tobytes())
    durations = [_FRAME_MS] * (len(images) - 1) + [_LAST_FRAME_MS]
    options: dict[str, Any] = {"loop": 0, "duration": durations, "optimize": True, "palette": palette.tobytes()}
    options |= {"format": "GIF", "save_all": True, "append_images": paletted[1:]}
    files.write_with(path, lambda temporary: paletted[0].save(temporary, **options))


def remove_others(folder: str, pattern: str, names: Collection[str]) -> None:
    """Remove the files of a folder whose whole name matches a regular expression and is not in names."""
    for name in os.listdir(folder):
        if re.fullmatch(pattern, name) and name not in names:
            os.remove(os.path.join(folder, name))


def _shared_palette(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a palette, uint8 [N, 3], and the index of the nearest colour of each pixel, uint8 [...].

    Replaces Pillow's mapping to a palette, which has 6 bits per channel: it makes bands of greys and tints white.
    """
    flat = pixels.reshape(-1, 3)
    sample = flat[np.linspace(0, len(flat) - 1, _PALETTE_SAMPLE).astype(np.int64)]
    # Maximum coverage keeps the colours of a small bright object; median cut drops them.
    free = _GIF_COLOURS - len(_FIXED_COLOURS)
    adaptive = Image.fromarray(sample[None]).quantize(free, Image.Quantize.MAXCOVERAGE, kmeans=1)
    palette = np.concatenate([_FIXED_COLOURS, np.reshape(adaptive.getpalette() or [], [-1, 3])]).astype(np.uint8)
    packed = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)  # [...]
    nearest = np.zeros(1 << 24, np.uint8)  # a table, because np.unique takes seconds
    nearest[packed] = 1
    used = np.flatnonzero(nearest)
    nearest[used] = cKDTree(palette).query(np.stack([used >> 16, (used >> 8) & 255, used & 255], axis=-1))[1]
    return palette, nearest[packed]
