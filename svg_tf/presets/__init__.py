"""Trained models that ship with the package.

A preset is a small run: a folder with config.json, checkpoints/best.npz (weights in float16) and README.md, its model
card.
"""

import os
from typing import TYPE_CHECKING

from svg_tf.config import Config, ConfigError

if TYPE_CHECKING:
    from svg_tf.models.svg import SVG

_FOLDER = os.path.dirname(os.path.abspath(__file__))


def list_presets() -> dict[str, str]:
    """Return the names of the presets that ship with the package, each with the title of its model card."""
    names = sorted(name for name in os.listdir(_FOLDER) if os.path.exists(os.path.join(_FOLDER, name, "config.json")))
    return {name: _title(name) for name in names}


def load(name_or_path: str) -> "SVG":
    """Return a trained model: a preset by name, or the best checkpoint of a run folder.

    Raises:
        ConfigError: there is no such preset or run; a ValueError.
    """
    from svg_tf.training.run import load_model  # imports TensorFlow

    return load_model(load_config(name_or_path))


def load_config(name_or_path: str) -> Config:
    """Return the configuration of a preset or of a run folder, with run_dir set to its folder.

    Raises:
        ConfigError: there is no such preset or run; a ValueError.
    """
    folder = os.path.join(_FOLDER, name_or_path)
    if name_or_path in list_presets():
        return Config.load(folder)
    path = os.path.expanduser(name_or_path)
    if not os.path.isdir(path):
        raise ConfigError(
            f"{name_or_path!r} is neither a preset nor a run folder; the presets are {', '.join(list_presets())}."
        )
    return Config.load(path)


def pack(run_dir: str, folder: str) -> None:
    """Make a preset of a run: its configuration, and the weights of its best checkpoint as float16.

    Add a README.md to the folder, whose first line is the title of the model card.
    """
    import numpy as np

    from svg_tf.training import checkpoints

    config = Config.load(run_dir)
    arrays = checkpoints.read(os.path.join(checkpoints.folder(run_dir), checkpoints.BEST))
    weights = {name: array for name, array in arrays.items() if name.startswith("model/")}
    for name, array in weights.items():
        weights[name] = array.astype(np.float16) if array.dtype == np.float32 else array
    checkpoints.save(os.path.join(checkpoints.folder(folder), checkpoints.BEST), weights)
    config.replace(run_dir=f"runs/{os.path.basename(folder)}", data_dir="", cache_dir="").save(folder)


def _title(name: str) -> str:
    with open(os.path.join(_FOLDER, name, "README.md"), encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()
