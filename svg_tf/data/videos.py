"""Clips of your own videos, which are decoded once into a cache."""

import os
from collections.abc import Sequence

from absl import logging

from svg_tf.config import Config
from svg_tf.data import cache, decoding
from svg_tf.data.decoding import Form
from svg_tf.data.errors import DataError
from svg_tf.data.windows import ENOUGH_VIDEOS, SPLITS, Collection, StoredVideo, Windows, divide

_ENDINGS = decoding.VIDEO_ENDINGS + decoding.ARRAY_ENDINGS
_EXPECTED = (
    f"a folder of videos ({' '.join(_ENDINGS)}) or of folders of frames ({' '.join(decoding.IMAGE_ENDINGS)}), with or "
    "without the subfolders train, validation and test"
)


class Videos(Windows):
    """Clips of your own videos, starting at any frame; long videos are visited more often.

    Videos in the folders train/, validation/ and test/ form these splits. A split without a folder is held out of
    train/, or of all videos if there is no train/, with `windows.divide`. See `Windows` for arguments, attributes and
    errors.
    """

    def __init__(self, config: Config, split: str) -> None:
        collection = prepare(config)
        super().__init__(_split(collection.videos, split), config, split, collection, by_length=True)


def prepare(config: Config, retry: bool = False) -> Collection:
    """Return all usable videos of config.data_dir in natural order of their names; see `cache.decode`."""
    folder = cache.data_folder(config, _EXPECTED)
    names = find(folder)
    if not names:
        raise DataError(f"{folder} and its subfolders contain no videos: set --data_dir to {_EXPECTED}")
    form = Form(config.image_width, config.channels, config.resize)
    return cache.decode(config, folder, names, form, retry=retry)


def find(folder: str) -> list[str]:
    """Return the paths of the video files and image folders below a folder, relative to it and in natural order."""
    found = []
    for where, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name != cache.NAME and not name.startswith(".")]
        names = [name for name in names if not name.startswith(".")]
        found += [os.path.join(where, name) for name in names if name.lower().endswith(_ENDINGS)]
        if any(name.lower().endswith(decoding.IMAGE_ENDINGS) for name in names):
            found.append(where)
    return sorted((os.path.relpath(path, folder) for path in found), key=decoding.natural_key)


def _split(videos: Sequence[StoredVideo], split: str) -> list[StoredVideo]:
    folders: dict[str, list[StoredVideo]] = {name: [] for name in SPLITS}
    others: list[StoredVideo] = []
    for video in videos:
        folders.get(video.name.split(os.sep)[0].lower(), others).append(video)
    if folders[split] and split != "train":
        return folders[split]
    pool = folders["train"] or others
    held_out = [name for name in SPLITS[1:] if not folders[name]]
    if split == "train" and held_out and len(pool) < ENOUGH_VIDEOS:
        logging.info("fewer than %d videos: the end of each is held out for %s", ENOUGH_VIDEOS, " and ".join(held_out))
    return divide(pool, held_out)[split]
