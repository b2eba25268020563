"""Image files: PNG, and GIF with one palette for all frames."""

import io
import os
import re
from collections.abc import Collection, Sequence

import numpy as np
from PIL import Image

from svg_tf import files
from svg_tf.visualization.drawing import BACKGROUND, GREEN, GREY, INK, RED, TRACK

_FIXED_COLOURS = (BACKGROUND, INK, GREEN, RED, GREY, TRACK)
_HOLD_SECONDS = 1.0
# One of 256 colours stays free: the encoder uses it for pixels that do not change, which halves the file.
_GIF_COLOURS = 255
_PALETTE_SAMPLE = 1 << 16


def write_png(path: str, image: Image.Image) -> None:
    """Write an image as PNG, atomically."""
    files.write_with(path, lambda temporary: image.save(temporary, format="PNG", optimize=True))


def write_gif(path: str, images: Sequence[Image.Image], fps: float = 6) -> None:
    """Write an animated GIF atomically, see `gif_bytes`."""
    files.write_bytes(path, gif_bytes(images, fps))


def remove_others(folder: str, pattern: str, names: Collection[str]) -> None:
    """Remove the files of a folder whose whole name matches a regular expression and is not in names."""
    for name in os.listdir(folder):
        if re.fullmatch(pattern, name) and name not in names:
            os.remove(os.path.join(folder, name))


def gif_bytes(images: Sequence[Image.Image], fps: float = 6) -> bytes:
    """Return an animated GIF that loops and holds its last image for one second.

    All images share one palette without dithering, so that static parts do not flicker.

    Args:
        images: RGB images of one size.
        fps: images per second, at most 50; GIF counts time in hundredths of a second.

    Raises:
        ValueError: no images, images of several sizes, or fps out of range.
    """
    if not images:
        raise ValueError("there are no images to animate.")
    sizes = {image.size for image in images}
    if len(sizes) > 1:
        raise ValueError(f"images have the sizes {sorted(sizes)}; all must have one size.")
    if not 0 < fps <= 50:
        raise ValueError(f"fps is {fps}; it must be above 0 and at most 50.")
    palette, indices = _shared_palette(np.stack([np.asarray(image.convert("RGB")) for image in images]))
    paletted = [Image.fromarray(index) for index in indices]
    for image in paletted:
        image.putpalette(palette.tobytes())
    step = 10 * round(100 / fps)
    durations = [step] * (len(images) - 1) + [max(step, round(1000 * _HOLD_SECONDS))]
    options = {"loop": 0, "duration": durations, "optimize": True, "palette": palette.tobytes()}
    buffer = io.BytesIO()
    paletted[0].save(buffer, format="GIF", save_all=True, append_images=paletted[1:], **options)
    return buffer.getvalue()


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
    entries = palette.astype(np.float32)
    packed = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)  # [...]
    seen = np.zeros(1 << 24, bool)
    seen[packed] = True
    nearest = np.zeros(1 << 24, np.uint8)
    used = np.flatnonzero(seen)
    for part in np.array_split(used, 1 + len(used) // 65536):
        colours = np.stack([part >> 16, (part >> 8) & 255, part & 255], axis=-1).astype(np.float32)
        nearest[part] = np.argmin((entries**2).sum(axis=1) - 2 * colours @ entries.T, axis=1)
    return palette, nearest[packed]
