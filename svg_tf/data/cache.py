"""The cache of a data folder: decoded videos, positions of frames, and the list of skipped files."""

import contextlib
import glob
import hashlib
import json
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures

import numpy as np
from absl import logging

from svg_tf import files
from svg_tf.config import Config
from svg_tf.data import decoding
from svg_tf.data.decoding import Form
from svg_tf.data.errors import DataError
from svg_tf.data.windows import Collection, StoredVideo
from svg_tf.progress import progress

NAME = "svg_tf_cache"
_FRAMES, _FAULT = ".frames", ".txt"  # raw uint8 [T, W, W, C], or the reason why a video cannot be decoded


def data_folder(config: Config, expected: str) -> str:
    """Return the absolute path of config.data_dir, or raise a DataError with its expected content."""
    folder = os.path.abspath(os.path.expanduser(config.data_dir))
    if not config.data_dir or not os.path.isdir(folder):
        raise DataError(f"data_dir {config.data_dir!r} is not a folder: set --data_dir to {expected}")
    return folder


def folder_of(folder: str, cache_dir: str) -> str:
    """Return the cache folder of a data folder: inside it, or a unique folder in cache_dir if that is not empty."""
    if not cache_dir:
        return os.path.join(folder, NAME)
    folder = os.path.realpath(folder)
    unique = f"{os.path.basename(folder)}-{hashlib.sha256(folder.encode()).hexdigest()[:8]}"
    return os.path.join(os.path.abspath(os.path.expanduser(cache_dir)), unique)


@contextlib.contextmanager
def writing(folder: str) -> Iterator[None]:
    """Create a folder, and turn each OSError of the block into a DataError."""
    try:
        os.makedirs(folder, exist_ok=True)
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{folder} cannot be written: {reason}; set --cache_dir to a writable folder") from None


def report_skipped(folder: str, faults: dict[str, str], total: int) -> str:
    """Write the list of skipped files into the cache folder, log a warning if it changed, and return its path."""
    files.remove_temporary_files(folder)  # left by a killed process
    path = os.path.join(folder, "skipped.json")
    known = {}
    with contextlib.suppress(FileNotFoundError, ValueError), open(path, encoding="utf-8") as file:
        known = json.load(file)
    if faults != known:
        files.write_text(path, json.dumps(faults, indent=1, ensure_ascii=False) + "\n")
        if faults:
            first, reason = next(iter(faults.items()))
            logging.warning("skipped %d of %d, see %s; the first: %s %s", len(faults), total, path, first, reason)
    return path


def decode(
    config: Config,
    folder: str,
    names: Sequence[str],
    form: Form,
    retry: bool = False,
    cut: Callable[[StoredVideo], list[StoredVideo]] = lambda video: [video],
) -> Collection:
    """Decode the videos of a folder that are not in its cache, and return all usable ones.

    A call after an interrupted one decodes the rest. A file whose size or modification time changes is decoded again,
    and with `retry` also each one that failed. `cut` returns the parts of a decoded video that belong to the
    collection, or raises a DataError.
    """
    top = folder_of(folder, config.cache_dir)
    cached = os.path.join(top, f"{form.width}x{form.width}x{form.channels}_{form.resize}")
    videos: list[StoredVideo] = []
    faults: dict[str, str] = {}
    with writing(cached):
        files.remove_temporary_files(cached)  # left by a killed process
        places = {name: os.path.join(cached, key(folder, name)) for name in names}
        todo = {
            os.path.join(folder, name): place
            for name, place in places.items()
            if not (os.path.exists(place + _FRAMES) or os.path.exists(place + _FAULT) and not retry)
        }
        _decode_each(todo, form)
        for name, place in places.items():
            try:
                videos += cut(_load(name, place, form))
            except DataError as error:
                faults[name] = str(error)
        skipped_path = report_skipped(top, faults, len(names))
    if not videos:
        name, reason = next(iter(faults.items()))
        raise DataError(f"none of the {len(names)} videos in {folder} is usable; the first, {name}, {reason}")
    return Collection(videos, faults, skipped_path)


def key(folder: str, name: str) -> str:
    """Return a file name that changes with the files that a video consists of."""
    path, states = os.path.join(folder, name), []
    for part in (path, *sorted(glob.glob(os.path.join(glob.escape(path), "*")))):  # with the images of a folder
        size = time = 0
        with contextlib.suppress(OSError):  # a dangling link is reported when it is decoded
            size, time = os.stat(part).st_size, os.stat(part).st_mtime_ns
        states.append((os.path.relpath(part, folder), size, time))
    return hashlib.sha256(json.dumps(states).encode()).hexdigest()[:24]


def _decode_each(places: dict[str, str], form: Form) -> None:
    """Write each video, or the reason why it cannot be decoded, to its place: {path: place without ending}."""
    stop = threading.Event()

    def decode_one(path: str) -> None:
        def write(temporary: str) -> None:
            with open(temporary, "wb") as file:
                for frame in decoding.read(path, form):
                    if stop.is_set():
                        raise InterruptedError("interrupted")
                    file.write(frame.data)

        try:
            files.write_with(places[path] + _FRAMES, write)
        except DataError as error:
            files.write_text(places[path] + _FAULT, str(error))

    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            decoded = pool.map(decode_one, places)
            list(progress(decoded, total=len(places), desc="decode", unit="video", disable=not places))
        finally:
            stop.set()


def _load(name: str, place: str, form: Form) -> StoredVideo:
    """Return a decoded video, or raise the DataError that says why it could not be decoded."""
    path = place + _FRAMES
    if not os.path.exists(path):
        with open(place + _FAULT, encoding="utf-8") as file:
            raise DataError(file.read())
    shape = (form.width, form.width, form.channels)
    size = math.prod(shape)
    count, rest = divmod(os.path.getsize(path), size)
    if not count or rest:
        raise DataError(f"is damaged in the cache; remove {path} to decode it again")
    edges = size * np.arange(count + 1, dtype=np.int64)
    return StoredVideo(name, path, np.stack([edges[:-1], edges[1:]], axis=1), shape)
