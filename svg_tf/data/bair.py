"""Clips of BAIR robot pushing (Ebert et al., CoRL 2017), read from the published TFRecords or from those of TFDS.

A trajectory has 740 KB, of which a clip needs a part. Each file is scanned once for the positions of its frames.
"""

import glob
import json
import math
import os

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from svg_tf import files
from svg_tf.config import Config
from svg_tf.data import cache, decoding
from svg_tf.data.errors import DataError
from svg_tf.data.windows import Collection, StoredVideo, Windows
from svg_tf.progress import progress

URL = "http://rail.eecs.berkeley.edu/datasets/bair_robot_pushing_dataset_v0.tar"
TFDS_NAME = "bair_robot_pushing_small"

_FRAMES = 30
_SHAPE = (64, 64, 3)
_FOLDERS = ("", "softmotion30_44k", os.path.join("bair_robot_pushing_dataset_v0", "softmotion30_44k"))
_MAX_VALIDATION = 256
_HEAD, _TAIL = 12, 4  # bytes around a TFRecord: its length with a checksum, and the checksum of the record
_EXPECTED = (
    f"softmotion30_44k, which contains train/*.tfrecords and test/*.tfrecords and is published as {URL} (30 GB), or "
    f"to a folder in which TensorFlow Datasets has prepared {TFDS_NAME}"
)


class BAIR(Windows):
    """Clips of the camera image_aux1: each trajectory once per epoch, starting at any frame.

    The test split is the beginning of each test trajectory (256 as published), in the order of the files. The last 256
    training trajectories, or a tenth if that is less, are held out for validation. The first use reads and verifies
    all records. See `Windows` for arguments, attributes and errors.
    """

    def __init__(self, config: Config, split: str) -> None:
        collection = trajectories(config, "test" if split == "test" else "train")
        videos = collection.videos
        if split != "test":
            held_out = min(_MAX_VALIDATION, -(-len(videos) // 10))
            videos = videos[:-held_out] if split == "train" else videos[-held_out:]
        super().__init__(videos, config, split, collection, in_order=True)


def trajectories(config: Config, part: str) -> Collection:
    """Return the usable trajectories of a part, train or test, in the order of the files."""
    folder, paths = published(config, part)
    encoded = not paths  # TFDS stores PNG files
    if encoded:
        folder, paths = _prepared_by_tfds(config, part)
    cached = cache.folder_of(folder, config.cache_dir)
    videos: list[StoredVideo] = []
    faults: dict[str, str] = {}
    with cache.writing(cached):
        for path in progress(paths, desc="index", unit="file"):
            name = os.path.relpath(path, folder)
            place = os.path.join(cached, "records", f"{cache.key(folder, name)}.json")
            if not os.path.exists(place):
                files.write_text(place, json.dumps(_scan(path, encoded)))
            with open(place, encoding="utf-8") as file:
                found = json.load(file)
            faults |= {f"{name}:{number}": reason for number, reason in found["faults"].items()}
            for number, spans in found["spans"].items():
                videos.append(StoredVideo(f"{name}:{number}", path, np.array(spans, np.int64), _SHAPE, encoded))
        skipped_path = cache.report_skipped(os.path.join(cached, part), faults, len(videos) + len(faults))
    if not videos:
        reason = f": {next(iter(faults))} {next(iter(faults.values()))}" if faults else ""
        raise DataError(f"{folder} has no usable trajectory in its {part} part{reason}; get it from {URL}")
    return Collection(videos, faults, skipped_path)


def published(config: Config, part: str) -> tuple[str, list[str]]:
    """Return the folder and TFRecord files of a part as published; no files if data_dir does not have them."""
    if not config.data_dir:
        return "", []
    top = cache.data_folder(config, _EXPECTED)
    for folder in (os.path.normpath(os.path.join(top, name)) for name in _FOLDERS):
        paths = glob.glob(os.path.join(glob.escape(folder), part, "*.tfrecord*"))
        if paths:
            return folder, sorted(paths, key=decoding.natural_key)
    return top, []


def _prepared_by_tfds(config: Config, part: str) -> tuple[str, list[str]]:
    """Return the folder and files of TensorFlow Datasets, which has its own order of trajectories."""
    import tensorflow_datasets as tfds

    top = os.path.expanduser(config.data_dir) or tfds.core.constants.DATA_DIR
    splits = tfds.builder(TFDS_NAME, data_dir=top).info.splits if os.path.isdir(os.path.join(top, TFDS_NAME)) else {}
    if part not in splits:
        raise DataError(f"{top} has no {part}/*.tfrecords and no prepared {TFDS_NAME}: set --data_dir to {_EXPECTED}")
    return os.path.abspath(top), [os.fspath(path) for path in splits[part].filepaths]


def _scan(path: str, encoded: bool) -> dict[str, dict]:
    """Return "spans", {record number: positions of its frames in the file}, and "faults", {record number: reason}."""
    spans, faults = {}, {}
    number, offset = -1, 0
    try:
        for number, serialized in enumerate(tf.data.TFRecordDataset(path).as_numpy_iterator()):
            offset += _HEAD
            try:
                spans[number] = [(offset + start, offset + stop) for start, stop in _frames(serialized, encoded)]
            except DecodeError:
                faults[number] = "is not a tf.train.Example"
            except DataError as error:
                faults[number] = str(error)
            offset += len(serialized) + _TAIL
    except tf.errors.OpError:
        faults[number + 1] = "is damaged or cut short; the records after it are lost"
    return {"spans": spans, "faults": faults}


def _frames(serialized: bytes, encoded: bool) -> list[tuple[int, int]]:
    """Return the positions of a trajectory's frames in its record.

    Protobuf parsers return no positions, so the bytes of each frame are searched; equal frames share the first one.
    """
    features = tf.train.Example.FromString(serialized).features.feature
    frames: list[bytes] = []
    for name in ["image_aux1"] if encoded else [f"{frame}/image_aux1/encoded" for frame in range(_FRAMES)]:
        if name not in features:
            raise DataError(f"lacks the feature {name}")
        frames += features[name].bytes_list.value
    if len(frames) != _FRAMES:
        raise DataError(f"has {len(frames)} frames, not {_FRAMES}")
    for frame in frames:
        if not encoded and len(frame) != math.prod(_SHAPE):
            raise DataError(f"has a frame of {len(frame)} bytes, not {math.prod(_SHAPE)}")
    starts = map(serialized.index, frames)
    return [(start, start + len(frame)) for start, frame in zip(starts, frames, strict=True)]
