"""Flags of the commands that take a trained run: which run, which checkpoint, where its data is, where to write."""

import os

from absl import flags

from svg_tf.config import Config, ConfigError

_RUN_DIR = flags.DEFINE_string("run_dir", None, "folder of the run", required=True)
_CHECKPOINT = flags.DEFINE_string("checkpoint", "best", "best (by the validation loss), latest, or a step's number")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the data, where it has moved since the training")
_CACHE_DIR = flags.DEFINE_string("cache_dir", None, "folder of what was decoded of the data, where that has moved")


def checkpoint() -> str:
    """Which checkpoint of the run to take: best, latest, or a step's number."""
    return _CHECKPOINT.value


def config() -> Config:
    """The run's configuration, with the folders of data where they are now.

    Raises:
        ConfigError: there is no run in the folder, or its configuration cannot be read.
    """
    moved = {"data_dir": _DATA_DIR.value, "cache_dir": _CACHE_DIR.value}
    given = {name: folder for name, folder in moved.items() if folder is not None}
    return Config.load(_RUN_DIR.value).replace(**given)


def folder_to_write(out: str, *default: str) -> str:
    """The folder `out`, or, where that is empty, the one of these names inside of the run's.

    Raises:
        ConfigError: it is there and no folder.
    """
    folder = out or os.path.join(_RUN_DIR.value, *default)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"out {folder} is not a folder")
    return folder
