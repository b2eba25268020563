"""The state that a program's run has reached becomes a run like any other."""

import math
import os
import shutil
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from svg_tf import checkpoints, run, training
from svg_tf.checkpoints import CheckpointError
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.models.svg import SVG
from svg_tf.program.runner import description as description_lib

_OPTIONAL = ("optimizer", "metrics")


class Imported(NamedTuple):
    """What became of a state."""

    step: int
    checkpoint: str  # its file
    validation_loss: float
    is_best: bool  # by the validation loss, of those in the run
    has_optimizer: bool  # whether the optimizer's slots came along


def config_of(program: str, run_dir: str, **changes: str) -> Config:
    """The configuration that a program was written for, with another run_dir and some other changes.

    Raises:
        ProgramError: the program's description is missing or damaged.
        ConfigError: the configuration cannot work.
    """
    return Config(**{**description_lib.read(program).config, "run_dir": run_dir, **changes})


def import_state(program: str, state: str, config: Config) -> Imported:
    """Makes a checkpoint of a program's state, in a new run or beside the checkpoints of the run it belongs to.

    Without the optimizer's files, which are two thirds of a state, the checkpoint has the weights and the step with
    new slots. The state counts as the run's best if its validation loss is the lowest.

    Args:
        program: folder of the program.
        state: folder that the runner stored the state in.
        config: the run's, of config_of.

    Raises:
        ProgramError: a file is missing or damaged, or the state is of another program.
        ConfigError: config.run_dir holds another run.
        CheckpointError: the state does not fit the model, or is not finite.
        DataError: the data to validate with is missing or broken.
    """
    description = description_lib.read(program)
    arrays, step = description_lib.read_state(state, description, optional=_OPTIONAL)
    validation = make_dataset(config, "validation")
    model = training.compiled_model(config)
    has_optimizer = any(name.startswith("optimizer/") for name in arrays)
    variables = checkpoints.named_variables(model, training_state=has_optimizer)
    checkpoints.assign(variables, arrays, os.path.join(state, f"{description_lib.STATE}.json"))
    if not has_optimizer:
        model.optimizer.iterations.assign(step)  # which the learning rate goes by
        logging.warning("the optimizer's files are not in %s: training would go on with new slots", state)
    whole = checkpoints.named_variables(model, training_state=True)
    made = {name: variable.numpy() for name, variable in whole.items()}
    loss = _validation_loss(model, validation)
    run.open_run(config)
    best_path = os.path.join(checkpoints.folder(config.run_dir), checkpoints.BEST)
    best_loss = _best_loss(best_path)
    is_best = loss < best_loss
    made[training.BEST_LOSS] = np.float64(min(loss, best_loss))
    checkpoint = checkpoints.path_of(config.run_dir, step)
    if is_best:
        checkpoints.save(best_path, made)
    checkpoints.save(checkpoint, made)
    losses = os.path.join(state, "losses.csv")
    if os.path.exists(losses):
        os.makedirs(os.path.join(config.run_dir, "logs"), exist_ok=True)
        shutil.copy(losses, os.path.join(config.run_dir, "logs", "program_losses.csv"))
    return Imported(step, checkpoint, loss, is_best, has_optimizer)


def _validation_loss(model: SVG, data: tf.data.Dataset) -> float:
    """The objective on the validation clips, as after an epoch of training."""
    loss = float(model.evaluate(data, verbose=0, return_dict=True)["loss"])
    if not math.isfinite(loss):
        raise CheckpointError(f"the validation loss of this state is {loss}, so it is not imported")
    return loss


def _best_loss(path: str) -> float:
    if not os.path.exists(path):
        return math.inf
    return float(checkpoints.read(path).get(training.BEST_LOSS, math.inf))
