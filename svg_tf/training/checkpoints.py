"""Checkpoints of a run: NumPy archives with the whole training state by name, written atomically.

`checkpoints/step_00001200.npz` are the latest, `checkpoints/best.npz` the one with the best validation score.
"""

import os
import re
import zipfile
from collections.abc import Mapping

import keras
import numpy as np
from absl import logging

from svg_tf import files
from svg_tf.models.svg import SVG

BEST = "best.npz"
_STEP_FILE = re.compile(r"step_(\d{8,})\.npz", re.ASCII)


class CheckpointError(ValueError):
    """A checkpoint is missing, unreadable or of another model; the message names the file and the remedy."""


def folder(run_dir: str) -> str:
    """Return the folder of a run's checkpoints."""
    return os.path.join(run_dir, "checkpoints")


def path_of(run_dir: str, step: int) -> str:
    """Return the path of a step's checkpoint."""
    return os.path.join(folder(run_dir), f"step_{step:08d}.npz")


def steps(run_dir: str) -> list[int]:
    """Return the steps that have a checkpoint, in ascending order."""
    names = os.listdir(folder(run_dir)) if os.path.isdir(folder(run_dir)) else []
    return sorted(int(match[1]) for name in names if (match := _STEP_FILE.fullmatch(name)))


def named_variables(model: SVG, *, training_state: bool) -> dict[str, keras.Variable]:
    """Return the weights of a model by path; with training_state also those of the optimizer and of the metrics."""
    groups = {"model": model.variables}
    if training_state:
        groups["optimizer"] = model.optimizer.variables
        groups["metrics"] = [variable for metric in model.metrics for variable in metric.variables]
    return {f"{group}/{variable.path}": variable for group, variables in groups.items() for variable in variables}


def save(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, atomically. Raises OSError, and changes no file, if the disk is full."""

    def write(temporary: str) -> None:
        with open(temporary, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    files.write_with(path, write)


def prune(run_dir: str, keep: int, last: int) -> None:
    """Remove all but the `keep` latest checkpoints up to step `last`, the one just written."""
    for step in [step for step in steps(run_dir) if step <= last][:-keep]:
        os.remove(path_of(run_dir, step))


def read(path: str) -> dict[str, np.ndarray]:
    """Return the arrays of a checkpoint by name. Raises CheckpointError if the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files}
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist. Train the run first, or name another checkpoint.") from None
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen kinds on damaged files
        # NumPy takes other files for pickles and says how to load one.
        reason = " ".join(str(error).split())[:120] if zipfile.is_zipfile(path) else "it is not an npz file"
        raise CheckpointError(f"{path} is damaged ({reason}). Name another checkpoint, or remove it.") from None


def assign(variables: Mapping[str, keras.Variable], arrays: Mapping[str, np.ndarray], path: str) -> None:
    """Assign each variable the array of its name; arrays of the optimizer and metrics may be left over.

    Raises CheckpointError, and assigns nothing, if an array is missing, left over, or of another shape or dtype.
    """
    for name, variable in variables.items():
        if name not in arrays:
            raise CheckpointError(f"{path} has no tensor {name}; it is a checkpoint of another model.")
        array = arrays[name]
        # Presets store float16.
        if array.shape != tuple(variable.shape) or not np.can_cast(array.dtype, variable.dtype):
            raise CheckpointError(
                f"{path}: the tensor {name} is {array.dtype} {list(array.shape)}; this model needs {variable.dtype} "
                f"{list(variable.shape)}."
            )
    left_over = next((name for name in arrays if name.startswith("model/") and name not in variables), None)
    if left_over:
        raise CheckpointError(f"{path} has a tensor {left_over} that this model lacks; it is of another model.")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def restore_latest(run_dir: str, variables: Mapping[str, keras.Variable]) -> dict[str, np.ndarray] | None:
    """Assign variables from the latest readable checkpoint and return its arrays; None: there is no checkpoint."""
    available = steps(run_dir)
    for step in reversed(available):
        path = path_of(run_dir, step)
        try:
            arrays = read(path)
        except CheckpointError as error:
            logging.warning("%s Trying the checkpoint before it.", error)
            continue
        assign(variables, arrays, path)
        return arrays
    if available:
        raise CheckpointError(f"No checkpoint in {folder(run_dir)} can be read. Remove the folder to start anew.")
    return None


def load_weights(model: SVG, run_dir: str, which: str | int = "best") -> str:
    """Load the weights of a run and return the path of the checkpoint; see `run.load_model`."""
    available, which = steps(run_dir), str(which)
    best = os.path.join(folder(run_dir), BEST)
    if which == "best" and os.path.exists(best):
        path = best
    elif which in ("best", "latest"):
        if not available:
            raise CheckpointError(f"{run_dir} has no checkpoint yet. Train it with svg-tf train.")
        path = path_of(run_dir, available[-1])
    elif which.isascii() and which.isdigit():
        path = path_of(run_dir, int(which))
    else:
        raise CheckpointError(f"checkpoint is {which!r}; it must be best, latest or one of the steps {available}.")
    assign(named_variables(model, training_state=False), read(path), path)
    return path
