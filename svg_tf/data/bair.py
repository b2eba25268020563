"""Clips of BAIR robot pushing (Ebert et al., CoRL 2017), read from the published TFRecords or from those of TFDS."""

import glob
import os

import numpy as np

from svg_tf.config import Config
from svg_tf.data import cache, decoding, records
from svg_tf.data.errors import DataError
from svg_tf.data.stored_video import Collection, StoredVideo
from svg_tf.data.windows import Windows, check_split

URL = "http://rail.eecs.berkeley.edu/datasets/bair_robot_pushing_dataset_v0.tar"
TFDS_NAME = "bair_robot_pushing_small"

_FRAMES = 30
_SHAPE = (64, 64, 3)
_FOLDERS = ("", "softmotion30_44k", os.path.join("bair_robot_pushing_dataset_v0", "softmotion30_44k"))
_MAX_VALIDATION = 256
_EXPECTED = (
    f"softmotion30_44k, which contains train/*.tfrecords and test/*.tfrecords and is published as {URL} (30 GB), or "
    f"to a folder in which TensorFlow Datasets has prepared {TFDS_NAME}"
)


class BAIR(Windows):
    """Clips of the camera image_aux1: each trajectory once per epoch, starting at any frame.

    The test split is the beginning of each test trajectory (256 as published), in the order of the files. The last 256
    training trajectories, or a tenth if that is less, are held out for validation. The first use reads and verifies
    all records and caches the positions of the frames.

    Args:
        config: fields data_dir, cache_dir, and those of `Windows`.
        split: train, validation or test.

    Raises:
        DataError: the files are missing, or too few are usable.
    """

    def __init__(self, config: Config, split: str) -> None:
        check_split(split)
        collection = trajectories(config, "test" if split == "test" else "train")
        videos = collection.videos
        if split != "test":
            held_out = min(_MAX_VALIDATION, -(-len(videos) // 10))
            videos = videos[:-held_out] if split == "train" else videos[-held_out:]
        super().__init__(videos, config, split, collection, in_order=True)


def trajectories(config: Config, part: str) -> Collection:
    """Return the trajectories of a part, train or test, in the order of the files.

    Raises:
        DataError: there are none, or none is usable.
    """
    folder, paths = published(config, part)
    encoded = not paths
    if encoded:
        folder, paths = _prepared_by_tfds(config, part)
    features = ["image_aux1"] if encoded else [f"{frame}/image_aux1/encoded" for frame in range(_FRAMES)]
    cached = cache.folder_of(folder, config.cache_dir)
    with cache.writing(cached):
        found = records.index(paths, features, os.path.join(cached, "records"))
    videos, total = [], 0
    faults: dict[str, str] = {}
    for index in found:
        name = os.path.relpath(index.path, folder)
        total += len(index.records) + len(index.faults)
        faults |= {f"{name}:{number}": reason for number, reason in index.faults.items()}
        for number, spans in index.records.items():
            fault = _fault(spans, encoded)
            if fault:
                faults[f"{name}:{number}"] = fault
            else:
                videos.append(StoredVideo(f"{name}:{number}", index.path, spans, _SHAPE, encoded))
    with cache.writing(cached):
        skipped_path = cache.report_skipped(os.path.join(cached, part), faults, total)
    if not videos:
        reason = f": {next(iter(faults))} {next(iter(faults.values()))}" if faults else ""
        raise DataError(f"{folder} has no usable trajectory in its {part} part{reason}; get it from {URL}")
    return Collection(videos, faults, skipped_path)


def published(config: Config, part: str) -> tuple[str, list[str]]:
    """Return the folder and TFRecord files of a part as published; no files if data_dir does not have them.

    Raises:
        DataError: data_dir is not a folder, or has the other part only.
    """
    if not config.data_dir:
        return "", []
    top = cache.data_folder(config, _EXPECTED)
    for folder in (os.path.join(top, name) for name in _FOLDERS):
        paths = glob.glob(os.path.join(glob.escape(os.path.join(folder, part)), "*.tfrecord*"))
        if paths:
            return folder, sorted(paths, key=decoding.natural_key)
        if os.path.isdir(os.path.join(folder, "train")) or os.path.isdir(os.path.join(folder, "test")):
            raise DataError(f"{folder} has no {part}/*.tfrecords: set --data_dir to {_EXPECTED}")
    return top, []


def _prepared_by_tfds(config: Config, part: str) -> tuple[str, list[str]]:
    """Return the folder and files of TensorFlow Datasets, which stores the trajectories in its own order."""
    import tensorflow_datasets as tfds

    top = os.path.expanduser(config.data_dir) or tfds.core.constants.DATA_DIR
    if not os.path.isdir(os.path.join(top, TFDS_NAME)):
        raise DataError(f"data_dir {top} has neither train/*.tfrecords nor {TFDS_NAME}: set --data_dir to {_EXPECTED}")
    builder = tfds.builder(TFDS_NAME, data_dir=top)
    if part not in builder.info.splits:
        raise DataError(f"{builder.data_dir} has no {part} split: set --data_dir to {_EXPECTED}")
    return os.path.abspath(top), [os.fspath(path) for path in builder.info.splits[part].filepaths]


def _fault(spans: np.ndarray, encoded: bool) -> str:
    """Return what is wrong with the frames of a trajectory, or an empty string."""
    sizes = spans[:, 1] - spans[:, 0]
    if len(spans) != _FRAMES:
        return f"has {len(spans)} frames, not {_FRAMES}"
    if not encoded and (sizes != np.prod(_SHAPE)).any():
        return f"has a frame of {sizes[sizes != np.prod(_SHAPE)][0]} bytes, not {np.prod(_SHAPE)}"
    return ""
