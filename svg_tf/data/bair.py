"""BAIR robot pushing (Ebert et al., CoRL 2017): clips straight from the published TFRecords, or from those of TFDS."""

import glob
import os

import numpy as np

from svg_tf.config import Config
from svg_tf.data import cache, decoding, records
from svg_tf.data.errors import DataError
from svg_tf.data.stored_video import Collection, StoredVideo
from svg_tf.data.windows import SPLITS, Windows

URL = "http://rail.eecs.berkeley.edu/datasets/bair_robot_pushing_dataset_v0.tar"

_FRAMES = 30
_SHAPE = (64, 64, 3)
_FOLDERS = ("", "softmotion30_44k", os.path.join("bair_robot_pushing_dataset_v0", "softmotion30_44k"))
_TFDS = "bair_robot_pushing_small"
_MOST_VALIDATION = 256
_WANTED = (
    f"softmotion30_44k, which holds train/*.tfrecords and test/*.tfrecords and is published as {URL} (30 GB), or to a "
    f"folder in which TensorFlow Datasets has prepared {_TFDS}"
)


class BAIR(Windows):
    """Clips of the camera image_aux1, pixels as stored: every trajectory once an epoch, from any frame on.

    The test takes its trajectories (256 as published) in the order of the files, from their first frame.
    The last 256 training trajectories, of a tenth of all if that is less, are held out for validation.
    The first use reads all records, verifies them, and keeps the places of the frames.

    Args:
        config: data_dir, cache_dir, and what Windows reads.
        split: train, validation or test.

    Raises:
        DataError: the files are missing, or too few can be used.
    """

    def __init__(self, config: Config, split: str) -> None:
        if split not in SPLITS:
            raise DataError(f"split is {split!r}, but must be one of {', '.join(SPLITS)}")
        collection = trajectories(config, "test" if split == "test" else "train")
        videos = collection.videos
        if split != "test":
            held_out = min(_MOST_VALIDATION, -(-len(videos) // 10))
            videos = videos[:-held_out] if split == "train" else videos[-held_out:]
        super().__init__(videos, config, split, collection, in_order=True)


def trajectories(config: Config, part: str) -> Collection:
    """The trajectories of part, train or test, in the order of the files.

    Raises:
        DataError: there are none, or none that can be used.
    """
    folder, paths = _published(config, part)
    encoded = not paths
    if encoded:
        folder, paths = _tfds(config, part)
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
        for record in index.records:
            fault = _fault(record.spans, encoded)
            if fault:
                faults[f"{name}:{record.number}"] = fault
            else:
                videos.append(StoredVideo(f"{name}:{record.number}", index.path, record.spans, _SHAPE, encoded))
    with cache.writing(cached):
        listed = cache.report_skipped(os.path.join(cached, part), faults, total)
    if not videos:
        reason = f": {next(iter(faults))} {next(iter(faults.values()))}" if faults else ""
        raise DataError(f"{folder} has no trajectory of the {part} part that can be used{reason}; get it from {URL}")
    return Collection(videos, faults, listed)


def _published(config: Config, part: str) -> tuple[str, list[str]]:
    """The folder as published, and the files of a part; no files where TFDS may have them."""
    if not config.data_dir:
        return "", []
    top = cache.data_folder(config, _WANTED)
    for folder in (os.path.join(top, name) for name in _FOLDERS):
        paths = glob.glob(os.path.join(glob.escape(os.path.join(folder, part)), "*.tfrecord*"))
        if paths:
            return folder, sorted(paths, key=decoding.natural_key)
        if os.path.isdir(os.path.join(folder, "train")) or os.path.isdir(os.path.join(folder, "test")):
            raise DataError(f"{folder} has no {part}/*.tfrecords: set --data_dir to {_WANTED}")
    return top, []


def _tfds(config: Config, part: str) -> tuple[str, list[str]]:
    """The folder and files of TensorFlow Datasets, whose order is its own."""
    import tensorflow_datasets as tfds

    top = os.path.expanduser(config.data_dir) or tfds.core.constants.DATA_DIR
    if not os.path.isdir(os.path.join(top, _TFDS)):
        raise DataError(f"data_dir {top} has neither train/*.tfrecords nor {_TFDS}: set --data_dir to {_WANTED}")
    builder = tfds.builder(_TFDS, data_dir=top)
    if part not in builder.info.splits:
        raise DataError(f"{builder.data_dir} has no {part} split: set --data_dir to {_WANTED}")
    return os.path.abspath(top), [os.fspath(path) for path in builder.info.splits[part].filepaths]


def _fault(spans: np.ndarray, encoded: bool) -> str:
    sizes = spans[:, 1] - spans[:, 0]
    if len(spans) != _FRAMES:
        return f"has {len(spans)} frames, not {_FRAMES}"
    if not encoded and (sizes != np.prod(_SHAPE)).any():
        return f"has a frame of {sizes[sizes != np.prod(_SHAPE)][0]} bytes, not {np.prod(_SHAPE)}"
    return ""
