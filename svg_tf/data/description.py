"""Description of a data set: counts, pixel statistics and contact sheets of its splits."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from svg_tf import visualization
from svg_tf.config import Config
from svg_tf.data.dataset import count_test_clips, make_source
from svg_tf.data.errors import DataError
from svg_tf.data.windows import SPLITS, Windows
from svg_tf.progress import progress

_SHOWN_CLIPS = 8
_GENERATED_CLIPS = 256  # used for the statistics of a source that generates its clips
_LISTED_FAULTS = 10
_CHUNK = 1_000  # frames in memory at once


def describe(config: Config, folder: str) -> tuple[str, bool]:
    """Read all stored frames of the three splits and write a contact sheet of each, folder/<dataset>_<split>.png.

    Returns lines of text, and whether all three splits exist. Without any split, it raises a DataError.
    """
    size = f"{config.image_width}x{config.image_width}x{config.channels}"
    lines, skipped, errors = [f"{config.dataset} {size} {config.data_dir}".strip()], {}, []
    for split in SPLITS:
        try:
            source = make_source(config, split)
        except DataError as error:
            lines.append(f"  {split:<11}missing: {error}")
            errors.append(error)
            continue
        path = os.path.join(folder, f"{config.dataset}_{split}.png")
        lines += [f"  {split:<11}{text}" for text in (*_describe(source, split), f"contact sheet: {path}")]
        clips = source.frames(tf.range(_SHOWN_CLIPS, dtype=tf.int64)).numpy()
        rows = [visualization.Row(f"clip {number}", clip, "truth") for number, clip in enumerate(clips)]
        visualization.write_png(path, visualization.strip(rows, config.n_past))
        if isinstance(source, Windows):
            skipped[source.collection.skipped_path] = source.collection.skipped
    if len(errors) == len(SPLITS):
        raise errors[0]
    for path, faults in skipped.items():
        if faults:
            lines.append(f"  skipped {len(faults):,} files, listed in {path}")
            lines += [f"    {name}: {reason}" for name, reason in list(faults.items())[:_LISTED_FAULTS]]
    return "\n".join(lines) + "\n", not errors


def _describe(source: Any, split: str) -> Iterator[str]:
    if not isinstance(source, Windows):
        clips = source.frames(tf.range(_GENERATED_CLIPS, dtype=tf.int64)).numpy()
        yield f"clips are generated; {_statistics([clips])} in the first {_GENERATED_CLIPS}"
        return
    lengths = [len(video) for video in source.videos]
    low, middle, high = min(lengths), int(np.median(lengths)), max(lengths)
    yield f"{len(lengths):,} videos of {low} to {high} frames (median {middle}), {sum(lengths):,} in total"
    if source.too_short:
        yield f"{len(source.too_short):,} more videos are too short for a clip"
    parts = (
        video.read(start, min(_CHUNK, len(video) - start))
        for video in progress(source.videos, desc="read", unit="video")
        for start in range(0, len(video), _CHUNK)
    )
    yield _statistics(parts)
    if split == "test":
        yield f"{source.test_clips:,} distinct test clips; evaluation uses {count_test_clips(source):,} by default"


def _statistics(arrays: Iterable[np.ndarray]) -> str:
    low, high, total, count = 255, 0, 0, 0
    for array in arrays:
        low, high = min(low, int(array.min())), max(high, int(array.max()))
        total, count = total + int(array.sum(dtype=np.int64)), count + array.size
    return f"pixels {low} to {high}, mean {total / count:.1f}"
