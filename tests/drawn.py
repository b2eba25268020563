"""Clips to draw, and functions that find them in a picture."""

import io

import numpy as np
from PIL import Image, ImageSequence

from svg_tf.visualization import Row

COLOURS = {"green": (0, 150, 70), "red": (220, 45, 45), "grey": (165, 165, 165)}


def moving_clip(frames=6, side=32, channels=1, seed=0):
    """Return a soft blob that moves over a texture: float32 [T, H, W, C]."""
    rng = np.random.default_rng(seed)
    ground = 0.2 * rng.random((side, side, channels))
    start, speed = rng.uniform(0.3, 0.7, 2) * side, rng.uniform(-1, 1, 2)
    y, x = np.mgrid[:side, :side]
    centres = start + np.arange(frames)[:, None] * speed
    blobs = [np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (0.02 * side**2)) for cy, cx in centres]
    tint = np.array([0.8, 0.5, 0.3])[:channels]
    return np.stack([ground + tint * blob[..., None] for blob in blobs]).astype(np.float32)


def rows_of(frames=6, side=32, channels=1, labels=("Truth", "Best of 5", "Sample 1")):
    clips = [moving_clip(frames, side, channels, seed) for seed in range(len(labels))]
    kinds = ["truth"] + (len(labels) - 1) * ["prediction"]
    return [Row(*row) for row in zip(labels, clips, kinds, strict=True)]


def framed_in(image):
    """Return the framed pictures in an image, line by line: lists of (x, y, name of the border's colour)."""
    pixels = np.pad(np.asarray(image.convert("RGB")), [(1, 32), (1, 32), (0, 0)])
    found = []
    for name, colour in COLOURS.items():
        here = (pixels == colour).all(axis=-1)
        corner = here[1:-32, 1:-32] & ~here[:-33, 1:-32] & ~here[1:-32, :-33]
        for step in range(4, 33, 4):  # long edges both down and across, unlike those of a bar or a letter
            corner &= here[1 + step : len(here) - 32 + step, 1:-32]
            corner &= here[1:-32, 1 + step : here.shape[1] - 32 + step]
        found += [(y, x, name) for y, x in np.argwhere(corner).tolist()]
    lines = {}
    for y, x, name in sorted(found):
        lines.setdefault(y, []).append((x, y, name))
    return list(lines.values())


def colours_in(image):
    return [[name for _, _, name in line] for line in framed_in(image)]


def content_at(image, place, side):
    """Return the picture inside the border at a place: uint8 [side, side, 3]."""
    pixels = np.asarray(image.convert("RGB"))
    x, y, name = place
    border = int(np.argmax((pixels[y + side // 2, x:] != COLOURS[name]).any(axis=-1)))
    return pixels[y + border : y + border + side, x + border : x + border + side]


def as_shown(frame, side):
    frame = np.round(255 * frame).astype(np.uint8)
    scale = side // frame.shape[0]
    return np.broadcast_to(np.kron(frame, np.ones([scale, scale, 1], np.uint8)), [side, side, 3])


def gif_frames(data):
    image = Image.open(io.BytesIO(data))
    return [(frame.info["duration"], frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
