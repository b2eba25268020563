"""The videos of a picture."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from svg_tf.visualization.colours import FUTURE


class Row(NamedTuple):
    """One video of a picture.

    Attributes:
        label: what it is, for example "Best of 100"; in ASCII, which is what the font has.
        frames: float32 [T, H, W, C] in [0, 1], or uint8; C is 1 (grey) or 3 (RGB).
        kind: "truth" or "prediction"; the first n_past frames of either are context.
    """

    label: str
    frames: np.ndarray
    kind: str = "prediction"


def as_bytes(rows: Sequence[Row], n_past: int) -> list[np.ndarray]:
    """The rows' frames, checked, as uint8 [T, H, W, C].

    Raises:
        ValueError: rows that do not match or are no frames, n_past out of range.
    """
    if not rows:
        raise ValueError("there are no rows to show; give at least one")
    videos: list[np.ndarray] = []
    for row in rows:
        frames = np.asarray(row.frames)
        if row.kind not in FUTURE:
            raise ValueError(f"row {row.label!r} is of kind {row.kind!r}, but must be 'truth' or 'prediction'")
        if frames.ndim != 4 or frames.shape[-1] not in (1, 3) or frames.size == 0:
            raise ValueError(f"row {row.label!r} has shape {frames.shape}, but must be [T, H, W, C] with C of 1 or 3")
        if videos and frames.shape != videos[0].shape:
            raise ValueError(f"row {row.label!r} has shape {frames.shape}, but the first row has {videos[0].shape}")
        if frames.dtype != np.uint8:
            low, high = frames.min(), frames.max()
            if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN fails too
                raise ValueError(f"row {row.label!r} has values {low} to {high}, but must be in [0, 1] or uint8")
            frames = np.round(255 * np.clip(frames.astype(np.float32), 0, 1)).astype(np.uint8)
        videos.append(frames)
    if not 1 <= n_past < len(videos[0]):
        raise ValueError(f"n_past is {n_past}, but must be from 1 to one less than the clip's {len(videos[0])} frames")
    return videos
