"""Checkpoints: one NumPy archive each, arrays by name, whole or not there.

`checkpoints/step_00001200.npz` hold the whole training state, `checkpoints/best.npz` the same at the best validation
loss. A file is written aside, flushed and renamed, so a run that is killed at any moment keeps the one before.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from absl import logging

from svg_tf import array_files, files
from svg_tf.models.svg import SVG

BEST = "best.npz"
_STEP_FILE = re.compile(r"step_(\d{8,})\.npz")


class CheckpointError(ValueError):
    """A checkpoint that is missing, unreadable or does not fit; the message names the file and the tensor."""


def folder(run_dir: str) -> str:
    """Where a run keeps its checkpoints."""
    return os.path.join(run_dir, "checkpoints")


def named_variables(model: SVG, *, training_state: bool) -> dict[str, keras.Variable]:
    """The model's weights by path; with the training state also the optimizer's slots and the epoch's metrics."""
    groups = {"model": model.variables}
    if training_state:
        groups["optimizer"] = model.optimizer.variables
        groups["metrics"] = [variable for metric in model.metrics for variable in metric.variables]
    named = {f"{group}/{variable.path}": variable for group, list_ in groups.items() for variable in list_}
    if len(named) != sum(map(len, groups.values())):
        raise AssertionError("two variables have the same path")
    return named


def steps(run_dir: str) -> list[int]:
    """The steps of which there is a checkpoint, oldest first."""
    try:
        names = os.listdir(folder(run_dir))
    except FileNotFoundError:
        return []
    return sorted(int(match[1]) for name in names if (match := _STEP_FILE.fullmatch(name)))


def path_of(run_dir: str, step: int) -> str:
    """The file of a step's checkpoint."""
    return os.path.join(folder(run_dir), f"step_{step:08d}.npz")


def save(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by name, atomically.

    Raises:
        CheckpointError: an array is not finite; nothing was written.
        OSError: the disk is full or cannot be written; nothing that was there is lost.
    """
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise CheckpointError(f"{name} is not finite, so it is not saved to {path}")
    files.write_with(path, lambda aside: _write(aside, arrays))


def prune(run_dir: str, keep: int) -> None:
    """Removes all but the latest step checkpoints."""
    for step in steps(run_dir)[:-keep]:
        os.remove(path_of(run_dir, step))


def read(path: str) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint by name.

    Raises:
        CheckpointError: there is no such file, or it is damaged.
    """
    try:
        arrays = array_files.read_archive(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is not there; train the run first, or name another checkpoint") from None
    except (OSError, array_files.ArrayFileError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); name another checkpoint, or remove it") from None
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
            raise CheckpointError(f"{path} is damaged ({name} is not finite); name another checkpoint, or remove it")
    return arrays


def assign(variables: Mapping[str, keras.Variable], arrays: Mapping[str, np.ndarray], path: str) -> None:
    """Sets every variable from the array of its name; what is not the model's own may be passed over.

    Raises:
        CheckpointError: an array is missing or of another shape or type, or one of the model is superfluous; nothing
            was set.
    """
    for name, variable in variables.items():
        if name not in arrays:
            raise CheckpointError(f"{path} has no tensor {name}: it is of another model")
        if tuple(arrays[name].shape) != tuple(variable.shape):
            raise CheckpointError(
                f"{path}: the tensor {name} has shape {tuple(arrays[name].shape)}, the model's {tuple(variable.shape)}"
            )
        if arrays[name].dtype.name != variable.dtype:
            raise CheckpointError(f"{path}: the tensor {name} is {arrays[name].dtype}, the model's {variable.dtype}")
    superfluous = next((name for name in arrays if name.startswith("model/") and name not in variables), None)
    if superfluous:
        raise CheckpointError(f"{path} has the tensor {superfluous}, which the model has not: it is of another model")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def restore_latest(run_dir: str, variables: Mapping[str, keras.Variable]) -> dict[str, np.ndarray] | None:
    """Sets variables from the latest checkpoint that can be read; returns its arrays, or None where there is none.

    Raises:
        CheckpointError: there are checkpoints, but none can be read, or one does not fit.
    """
    candidates = [path_of(run_dir, step) for step in reversed(steps(run_dir))]
    for path in candidates:
        try:
            arrays = read(path)
        except CheckpointError as error:
            logging.warning("%s; trying the one before", error)
            continue
        assign(variables, arrays, path)
        return arrays
    if candidates:
        raise CheckpointError(f"none of the {len(candidates)} checkpoints in {folder(run_dir)} can be read")
    return None


def load_weights(model: SVG, run_dir: str, which: str = "best") -> str:
    """Sets the model's weights from a run and returns the file used.

    Args:
        model: of the run's configuration.
        run_dir: the run.
        which: best (the latest while there is no best), latest, or a step number.

    Raises:
        CheckpointError: no such checkpoint, or it does not fit the model.
    """
    available = steps(run_dir)
    if which == "best" and os.path.exists(os.path.join(folder(run_dir), BEST)):
        path = os.path.join(folder(run_dir), BEST)
    elif which in ("best", "latest"):
        if not available:
            raise CheckpointError(f"{run_dir} has no checkpoint yet; train it with bin/train.py")
        path = path_of(run_dir, available[-1])
    elif which.isdigit():
        path = path_of(run_dir, int(which))
    else:
        raise CheckpointError(f"checkpoint is {which!r}, but must be best, latest or a step of {available}")
    assign(named_variables(model, training_state=False), read(path), path)
    return path


def _write(path: str, arrays: Mapping[str, Any]) -> None:
    with open(path, "wb") as file:
        np.savez(file, **arrays)
