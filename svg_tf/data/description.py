"""What a data set is, in words and numbers: every stored frame is read for it, which verifies that it can be."""

import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from svg_tf import visualization
from svg_tf.config import Config
from svg_tf.data import contact_sheet
from svg_tf.data.dataset import make_source
from svg_tf.data.errors import DataError
from svg_tf.data.windows import SPLITS, Windows

_SHOWN_CLIPS = 8
_DRAWN_CLIPS = 256  # of a source that draws its clips on the fly
_LISTED = 10
_CHUNK = 1_000  # frames to have in memory at once


class Values(NamedTuple):
    """Of all pixels, in 0..255."""

    low: int
    high: int
    mean: float


def describe(config: Config, folder: str) -> tuple[str, bool]:
    """Describes the three splits and writes folder/<dataset>_<split>.png, a contact sheet of each.

    Returns:
        Lines of text, and whether all three splits are there.

    Raises:
        DataError: no split is there, or stored frames cannot be read back.
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
        lines += [f"  {split:<11}{text}" for text in _describe(source, split)]
        path = os.path.join(folder, f"{config.dataset}_{split}.png")
        visualization.write_png(path, _sheet(source, split))
        lines.append(f"  {'':<11}shown in {path}")
        if isinstance(source, Windows):
            skipped[source.collection.skipped_path] = source.collection.skipped
    if len(errors) == len(SPLITS):
        raise errors[0]
    for path, faults in skipped.items():
        if faults:
            lines.append(f"  skipped {len(faults):,}, listed in {path}")
            lines += [f"    {name}: {reason}" for name, reason in list(faults.items())[:_LISTED]]
            lines += ["    ..."] if len(faults) > _LISTED else []
    return "\n".join(lines) + "\n", not errors


def _describe(source: Any, split: str) -> Iterator[str]:
    if not isinstance(source, Windows):
        clips = source.frames(tf.range(_DRAWN_CLIPS, dtype=tf.int64)).numpy()
        yield f"drawn on the fly; {_in_words(_values([clips]))} in the first {_DRAWN_CLIPS}"
        return
    lengths = [len(video) for video in source.videos]
    low, middle, high = min(lengths), int(np.median(lengths)), max(lengths)
    yield f"{len(lengths):,} videos of {low} to {high} frames (median {middle}), {sum(lengths):,} in all"
    if source.too_short:
        yield f"{len(source.too_short):,} more are too short for a clip"
    yield _in_words(_values(_chunks(source)))
    if split == "test":
        yield f"{source.test_clips:,} clips are the test"


def _chunks(source: Windows) -> Iterator[np.ndarray]:
    for video in tqdm(source.videos, desc="read", unit="video", leave=False):
        for start in range(0, len(video), _CHUNK):
            yield video.read(start, min(_CHUNK, len(video) - start))


def _values(arrays: Iterable[np.ndarray]) -> Values:
    low, high, total, count = 255, 0, 0, 0
    for array in arrays:
        low, high = min(low, int(array.min())), max(high, int(array.max()))
        total, count = total + int(array.sum(dtype=np.int64)), count + array.size
    return Values(low, high, total / count)


def _in_words(values: Values) -> str:
    return f"pixels {values.low} to {values.high}, mean {values.mean:.1f}"


def _sheet(source: Any, split: str) -> Image.Image:
    indices = tf.range(_SHOWN_CLIPS, dtype=tf.int64)
    labels = [f"{split} clip {index}" for index in range(_SHOWN_CLIPS)]
    if isinstance(source, Windows):
        videos, starts = (values.numpy() for values in source.places(indices))
        places = zip(labels, videos, starts, strict=True)
        labels = [f"{label}: {source.videos[video].name} from {start}" for label, video, start in places]
    return contact_sheet.contact_sheet(source.frames(indices).numpy(), labels)
