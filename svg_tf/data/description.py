"""Description of a data set: counts, pixel statistics and contact sheets of its splits."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from svg_tf import files
from svg_tf.config import Config
from svg_tf.data.dataset import count_test_clips, make_source
from svg_tf.data.errors import DataError
from svg_tf.data.windows import SPLITS, Windows
from svg_tf.progress import progress

_SHOWN_CLIPS = 8
_GENERATED_CLIPS = 256  # used for the statistics of a source that generates its clips
_LISTED_FAULTS = 10
_CHUNK = 1_000  # frames in memory at once
_FRAME, _GAP, _TEXT = 64, 2, 12  # pixels on a contact sheet: least width of a frame, gap, text height


def describe(config: Config, folder: str) -> tuple[str, bool]:
    """Read all stored frames of the three splits and write a contact sheet of each, folder/<dataset>_<split>.png.

    Returns:
        Lines of text, and whether all three splits exist.

    Raises:
        DataError: no split exists, or stored frames cannot be read.
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
        files.write_with(path, _sheet(source, split).save)
        lines.append(f"  {'':<11}contact sheet: {path}")
        if isinstance(source, Windows):
            skipped[source.collection.skipped_path] = source.collection.skipped
    if len(errors) == len(SPLITS):
        raise errors[0]
    for path, faults in skipped.items():
        if faults:
            lines.append(f"  skipped {len(faults):,} files, listed in {path}")
            lines += [f"    {name}: {reason}" for name, reason in list(faults.items())[:_LISTED_FAULTS]]
            lines += ["    ..."] if len(faults) > _LISTED_FAULTS else []
    return "\n".join(lines) + "\n", not errors


def contact_sheet(clips: np.ndarray, labels: Sequence[str], columns: int = 12) -> Image.Image:
    """Draw clips below each other, with time from left to right.

    Args:
        clips: uint8 [B, T, H, W, C]; C is 1 or 3.
        labels: B texts, written above the clips.
        columns: frames to show of each clip, evenly spaced from the first to the last.
    """
    batch, frames, height, width, _ = clips.shape
    chosen = np.unique(np.linspace(0, frames - 1, min(columns, frames)).round().astype(int))
    scale = -(-_FRAME // min(height, width))
    row_height, column_width = height * scale + 2 * _TEXT, width * scale + _GAP
    sheet = Image.new("RGB", (len(chosen) * column_width + _GAP, batch * row_height + _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for row, (clip, label) in enumerate(zip(clips, labels, strict=True)):
        for column, frame in enumerate(clip[chosen]):
            image = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
            image = image.resize((width * scale, height * scale), Image.Resampling.NEAREST)
            sheet.paste(image, (column * column_width + _GAP, row * row_height + 2 * _TEXT))
        text = f"{label}, frames {', '.join(map(str, chosen))} of {frames}" if row == 0 else label
        draw.text((_GAP, row * row_height + _TEXT), text, fill=(45, 45, 45), font=font, anchor="lm")
    return sheet


def _describe(source: Any, split: str) -> Iterator[str]:
    if not isinstance(source, Windows):
        clips = source.frames(tf.range(_GENERATED_CLIPS, dtype=tf.int64)).numpy()
        yield f"clips are generated; {_pixel_statistics([clips])} in the first {_GENERATED_CLIPS}"
        return
    lengths = [len(video) for video in source.videos]
    low, middle, high = min(lengths), int(np.median(lengths)), max(lengths)
    yield f"{len(lengths):,} videos of {low} to {high} frames (median {middle}), {sum(lengths):,} in total"
    if source.too_short:
        yield f"{len(source.too_short):,} more videos are too short for a clip"
    yield _pixel_statistics(_chunks(source))
    if split == "test":
        yield f"{source.test_clips:,} distinct test clips; evaluation uses {count_test_clips(source):,} by default"


def _chunks(source: Windows) -> Iterator[np.ndarray]:
    for video in progress(source.videos, len(source.videos), "read", "video"):
        for start in range(0, len(video), _CHUNK):
            yield video.read(start, min(_CHUNK, len(video) - start))


def _pixel_statistics(arrays: Iterable[np.ndarray]) -> str:
    low, high, total, count = 255, 0, 0, 0
    for array in arrays:
        low, high = min(low, int(array.min())), max(high, int(array.max()))
        total, count = total + int(array.sum(dtype=np.int64)), count + array.size
    return f"pixels {low} to {high}, mean {total / count:.1f}"


def _sheet(source: Any, split: str) -> Image.Image:
    indices = tf.range(_SHOWN_CLIPS, dtype=tf.int64)
    labels = [f"{split} clip {index}" for index in range(_SHOWN_CLIPS)]
    if isinstance(source, Windows):
        videos, starts = (values.numpy() for values in source.places(indices))
        places = zip(labels, videos, starts, strict=True)
        labels = [f"{label}: {source.videos[video].name} from {start}" for label, video, start in places]
    return contact_sheet(source.frames(indices).numpy(), labels)
