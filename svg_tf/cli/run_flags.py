"""Flags of the commands that use a trained model: the run or preset, its checkpoint, its data, the output folder."""

import os
from typing import TYPE_CHECKING

from absl import flags

from svg_tf import presets
from svg_tf.config import Config, ConfigError

if TYPE_CHECKING:
    from svg_tf.models.svg import SVG

_RUN_DIR = flags.DEFINE_string("run_dir", "", "folder of the run; empty: --preset names the model")
_PRESET = flags.DEFINE_string("preset", "", "name of a model that ships with svg_tf; empty: --run_dir names the model")
CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "best", "checkpoint of the run: best (lowest validation loss), latest, or the number of a step"
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the data, if it has moved since the training")
_CACHE_DIR = flags.DEFINE_string("cache_dir", None, "folder of the decoded data, if it has moved since the training")


def config() -> Config:
    """Return the configuration of the run or preset, with --data_dir and --cache_dir applied."""
    if bool(_RUN_DIR.value) == bool(_PRESET.value):
        raise ConfigError("give either --run_dir=FOLDER or --preset=NAME")
    found = presets.load_config(_PRESET.value) if _PRESET.value else Config.load(_RUN_DIR.value)
    moved = {"run_dir": _default_folder(), "data_dir": _DATA_DIR.value, "cache_dir": _CACHE_DIR.value}
    return found.replace(**{name: folder for name, folder in moved.items() if folder is not None})


def load() -> tuple[Config, "SVG"]:
    """Return the configuration and the trained model. This imports TensorFlow."""
    found = config()
    from svg_tf.training.run import load_model

    return found, presets.load(_PRESET.value) if _PRESET.value else load_model(found, CHECKPOINT.value)


def folder_to_write(out: str, *default: str) -> str:
    """Return the folder `out` or, if that is empty, this folder inside the run's: `runs/PRESET` for a preset."""
    folder = os.path.expanduser(out) or os.path.join(_default_folder(), *default)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"--out is {folder}, which is not a folder")
    return folder


def _default_folder() -> str:
    return os.path.expanduser(_RUN_DIR.value or os.path.join("runs", _PRESET.value))
