"""The KTH actions: prepared once through TensorFlow Datasets, then clips straight from its files."""

import os
from pathlib import Path

from absl import logging

from svg_tf.config import Config
from svg_tf.data import cache, holdout, kth_actions, records
from svg_tf.data.errors import DataError
from svg_tf.data.stored_video import Collection, StoredVideo, contiguous_spans
from svg_tf.data.windows import SPLITS, Windows

# The persons of each split. The publications train on those of validation too; here no choice sees the test's.
PERSONS = {
    "svg": {"train": range(1, 19), "validation": (19, 20), "test": range(21, 26)},
    "savp": {"train": range(1, 15), "validation": (15, 16), "test": range(17, 26)},
    "official": {
        "train": range(11, 19),
        "validation": (1, 4, 19, 20, 21, 23, 24, 25),
        "test": (2, 3, 5, 6, 7, 8, 9, 10, 22),
    },
}


class KTH(Windows):
    """Clips of the KTH actions: any sub-sequence (or whole video) as often as any other, from any frame on.

    The first use decodes the AVIs in config.data_dir, which takes minutes; so does one after videos were added.

    Args:
        config: data_dir, cache_dir, kth_split, kth_clips, image_width, and what Windows reads.
        split: train, validation or test.

    Raises:
        DataError: videos are missing, or too few can be used.
    """

    def __init__(self, config: Config, split: str) -> None:
        collection = prepare(config)
        super().__init__(_split(collection.videos, config, split), config, split, collection)


def prepare(config: Config) -> Collection:
    """Everything there is of KTH in config.data_dir, decoded if need be: the sub-sequences or whole videos by name.

    Raises:
        DataError: there is nothing, or nothing that can be used.
    """
    folder = cache.data_folder(config, f"a folder of {kth_actions.MANUAL}")
    cached = cache.folder_of(folder, config.cache_dir)
    builder = _prepared(Path(folder), cached, config)
    with cache.writing(cached):
        skipped = dict(builder.info.metadata["skipped"])
        listed = cache.report_skipped(cached, skipped, len(builder.info.metadata["sources"]))
        paths = [os.fspath(path) for split in builder.info.splits.values() for path in split.filepaths]
        found = records.index(paths, ["video"], os.path.join(cached, "records"), name="name")
    shape = (config.image_width, config.image_width, 1)
    videos = []
    for index in found:
        if index.faults:
            reason = next(iter(index.faults.values()))
            raise DataError(f"{index.path} {reason}; remove its folder, and it is prepared again")
        for record in index.records:
            first, stop = record.spans[0]
            spans = contiguous_spans(first, (stop - first) // (shape[0] * shape[1]), shape[0] * shape[1])
            videos.append(StoredVideo(record.name, index.path, spans, shape))
    return Collection(sorted(videos, key=lambda video: video.name), skipped, listed)


def _prepared(folder: Path, cached: str, config: Config) -> kth_actions.KthActions:
    import tensorflow_datasets as tfds

    name = f"{config.image_width}" if config.kth_clips == "trimmed" else f"{config.image_width}_whole"
    if (folder / "kth_actions" / name).is_dir():  # data_dir is a folder of TensorFlow Datasets
        return kth_actions.KthActions(data_dir=os.fspath(folder), config=name)
    videos = kth_actions.find_videos(folder)
    if os.path.isdir(os.path.join(cached, "kth_actions", name)):
        builder = kth_actions.KthActions(data_dir=cached, config=name)
        if builder.is_prepared() and (not videos or builder.info.metadata["sources"] == kth_actions.sizes(videos)):
            return builder
    if not videos:
        raise DataError(
            f"{folder} has no files such as person01_boxing_d1_uncomp.avi in it or its folders; set --data_dir to a "
            f"folder of {kth_actions.MANUAL}"
        )
    if config.kth_clips == "trimmed":
        kth_actions.read_sequences(folder)  # fails before a folder is made
    logging.info("decoding %d videos of %s into %s", len(videos), folder, cached)
    download = tfds.download.DownloadConfig(
        manual_dir=os.fspath(folder), download_mode=tfds.download.GenerateMode.REUSE_CACHE_IF_EXISTS
    )
    with cache.writing(cached):
        builder = kth_actions.KthActions(data_dir=cached, config=name)
        builder.download_and_prepare(download_config=download)
    return builder


def _split(videos: list[StoredVideo], config: Config, split: str) -> list[StoredVideo]:
    if split not in SPLITS:
        raise DataError(f"split is {split!r}, but must be one of {', '.join(SPLITS)}")
    if config.kth_split == "trial":
        return holdout.divide(videos, SPLITS[1:])[split]
    persons = PERSONS[config.kth_split][split]
    chosen = [video for video in videos if kth_actions.person_of(video.name) in persons]
    if not chosen:
        there = sorted({kth_actions.person_of(video.name) for video in videos})
        raise DataError(
            f"data_dir {config.data_dir} has no video of the persons {', '.join(map(str, persons))}, who are the "
            f"{split} split of --kth_split={config.kth_split}; it has persons {', '.join(map(str, there))}. Add "
            f"{kth_actions.MANUAL}, or try what is there by --kth_split=trial"
        )
    return chosen
