"""Anybody's own videos: decoded once into a cache, clips straight from there."""

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from concurrent import futures

import numpy as np
from absl import logging
from tqdm import tqdm

from svg_tf import files
from svg_tf.config import Config
from svg_tf.data import cache, decoding, holdout
from svg_tf.data.decoding import Form
from svg_tf.data.errors import DataError
from svg_tf.data.stored_video import Collection, StoredVideo, contiguous_spans
from svg_tf.data.windows import SPLITS, Windows

_ENDINGS = decoding.VIDEO_ENDINGS + decoding.ARRAY_ENDINGS
_FRAMES, _FAULT = ".npy", ".txt"  # endings in the cache: a decoded video, or why it cannot be
_WANTED = (
    f"a folder of videos ({' '.join(_ENDINGS)}) or of folders of frames ({' '.join(decoding.IMAGE_ENDINGS)}), in "
    "train/ and test/ or together"
)


class Videos(Windows):
    """Clips of own videos, long ones visited more often, from any frame on.

    Videos in train/, validation/ and test/ are those splits; what is missing of the latter two is held out of
    train/, or of all videos where there is no train/, as holdout.divide says.

    Args:
        config: data_dir, cache_dir, image_width, channels, resize, and what Windows reads.
        split: train, validation or test.

    Raises:
        DataError: there are no videos, or too few can be used.
    """

    def __init__(self, config: Config, split: str) -> None:
        if split not in SPLITS:
            raise DataError(f"split is {split!r}, but must be one of {', '.join(SPLITS)}")
        collection = prepare(config)
        super().__init__(_split(collection.videos, split), config, split, collection, by_length=True)


def prepare(config: Config, retry: bool = False) -> Collection:
    """All videos of config.data_dir that can be used, in the order of their names, decoded where they are not yet.

    An interrupted call goes on where it was. A file is decoded again when its size or time changes.

    Args:
        config: data_dir, cache_dir, image_width, channels, resize.
        retry: try those again that could not be decoded before.

    Raises:
        DataError: there are no videos, none can be used, or the cache cannot be written.
    """
    folder = cache.data_folder(config, _WANTED)
    names = find(folder)
    if not names:
        raise DataError(f"{folder} has no videos in it or its folders: set --data_dir to {_WANTED}")
    form = Form(config.image_width, config.channels, config.resize)
    cached = os.path.join(
        cache.folder_of(folder, config.cache_dir), f"{form.width}x{form.width}x{form.channels}_{form.resize}"
    )
    with cache.writing(cached):
        files.remove_asides(cached)  # of a process that was killed while it decoded
        places = {name: os.path.join(cached, _key(folder, name)) for name in names}
        todo = [name for name, place in places.items() if not os.path.exists(place + _FRAMES)]
        _decode([name for name in todo if retry or not os.path.exists(places[name] + _FAULT)], places, folder, form)
        faults = {name: _text(places[name] + _FAULT) for name in todo if not os.path.exists(places[name] + _FRAMES)}
        listed = cache.report_skipped(cached, faults, len(names))
    if len(faults) == len(names):
        name, reason = next(iter(faults.items()))
        raise DataError(f"none of the {len(names)} videos in {folder} can be used; the first, {name}, {reason}")
    videos = [_stored(name, places[name] + _FRAMES) for name in names if name not in faults]
    return Collection(videos, faults, listed)


def find(folder: str) -> list[str]:
    """The videos under a folder, relative to it, in their natural order: files by their ending, folders of images."""
    found = []
    for where, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name != cache.NAME and not name.startswith(".")]
        names = [name for name in names if not name.startswith(".")]
        found += [os.path.join(where, name) for name in names if name.lower().endswith(_ENDINGS)]
        if any(name.lower().endswith(decoding.IMAGE_ENDINGS) for name in names):
            found.append(where)
    return sorted((os.path.relpath(path, folder) for path in found), key=decoding.natural_key)


def _split(videos: Sequence[StoredVideo], split: str) -> list[StoredVideo]:
    given: dict[str, list[StoredVideo]] = {name: [] for name in SPLITS}
    others: list[StoredVideo] = []
    for video in videos:
        given.get(video.name.split(os.sep)[0].lower(), others).append(video)
    if given[split] and split != "train":
        return given[split]
    pool = given["train"] or others
    held_out = [name for name in SPLITS[1:] if not given[name]]
    if split == "train" and held_out and len(pool) < holdout.ENOUGH:
        logging.info("%d videos are few: the end of each is held out for %s", len(pool), " and ".join(held_out))
    return holdout.divide(pool, held_out)[split]


def _key(folder: str, name: str) -> str:
    """Names the decoded video by what it is made of."""
    path = os.path.join(folder, name)
    parts = [path]
    if os.path.isdir(path):
        parts += [os.path.join(path, image) for image in sorted(os.listdir(path))]
    states = [(os.path.relpath(part, folder), os.stat(part).st_size, os.stat(part).st_mtime_ns) for part in parts]
    return hashlib.sha256(json.dumps(states).encode()).hexdigest()[:24]


def _decode(names: Sequence[str], places: dict[str, str], folder: str, form: Form) -> None:
    """Writes the frames of each video to its place, or the reason why not."""
    stop = threading.Event()

    def decode(name: str) -> None:
        source = os.path.join(folder, name)
        try:
            files.write_with(places[name] + _FRAMES, lambda aside: _write(aside, source, form, stop))
        except DataError as error:
            files.write_text(places[name] + _FAULT, str(error))

    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(decode, name) for name in names]
        try:
            for job in tqdm(futures.as_completed(jobs), "decode", len(jobs), unit="video", disable=not jobs):
                job.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _write(path: str, source: str, form: Form, stop: threading.Event) -> None:
    """Writes a video as .npy, uint8 [T, W, W, C], frame by frame: it may not fit into memory."""

    def header(count: int) -> dict:
        return {"descr": "|u1", "fortran_order": False, "shape": (count, form.width, form.width, form.channels)}

    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header(0))  # as long as that of any count
        count = 0
        for frame in decoding.read(source, form):
            if stop.is_set():
                raise InterruptedError("interrupted")
            file.write(frame.data)
            count += 1
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, header(count))


def _stored(name: str, path: str) -> StoredVideo:
    try:
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
            (count, height, width, channels), _, _ = np.lib.format.read_array_header_1_0(file)
            spans = contiguous_spans(file.tell(), count, height * width * channels)
            return StoredVideo(name, path, spans, (height, width, channels))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}; remove it, and it is made again") from None


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
