"""The folder of what is made of the data once: decoded frames, places of frames, and the list of what was skipped."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator

from absl import logging

from svg_tf import files
from svg_tf.config import Config
from svg_tf.data.errors import DataError

NAME = "svg_tf_cache"
_SKIPPED = "skipped.json"


def data_folder(config: Config, wanted: str) -> str:
    """The folder that config.data_dir names.

    Raises:
        DataError: it is no folder; the message ends with what is wanted in it.
    """
    folder = os.path.abspath(os.path.expanduser(config.data_dir))
    if not config.data_dir:
        raise DataError(f"data_dir is empty: set --data_dir to {wanted}")
    if not os.path.isdir(folder):
        raise DataError(f"data_dir {config.data_dir} is not a folder: set --data_dir to {wanted}")
    return folder


def folder_of(folder: str, cache_dir: str) -> str:
    """The cache of a folder of data: in it, or in cache_dir under a name of its own."""
    if not cache_dir:
        return os.path.join(folder, NAME)
    folder = os.path.realpath(folder)
    own = f"{os.path.basename(folder)}-{hashlib.sha256(folder.encode()).hexdigest()[:8]}"
    return os.path.join(os.path.abspath(os.path.expanduser(cache_dir)), own)


@contextlib.contextmanager
def writing(folder: str) -> Iterator[None]:
    """Makes folder, and turns an OSError into one sentence.

    Raises:
        DataError: folder cannot be made or written, or the disk is full.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{folder} cannot be written: {reason}; name a folder that can by --cache_dir") from None


def report_skipped(folder: str, faults: dict[str, str], total: int) -> str:
    """Lists in folder what was left out, says so where that is news, and returns the path of the list.

    Args:
        folder: the cache.
        faults: {path, relative to the data: reason}.
        total: how many there were, those left out included.
    """
    path = os.path.join(folder, _SKIPPED)
    if faults == _read(path):
        return path
    files.write_text(path, json.dumps(faults, indent=1, ensure_ascii=False) + "\n")
    if faults:
        first, reason = next(iter(faults.items()))
        logging.warning("skipped %d of %d, listed in %s; the first: %s %s", len(faults), total, path, first, reason)
    return path


def _read(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
