"""The folder of a program: what another machine needs to run it, and nothing of TensorFlow."""

import dataclasses
import hashlib
import importlib.metadata
import itertools
import json
import os
import shutil
import tempfile
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from svg_tf import checkpoints, training
from svg_tf.benchmarks import flops
from svg_tf.config import Config, ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.data.moving_mnist import MovingMNIST
from svg_tf.models.svg import SVG
from svg_tf.program import runner, step
from svg_tf.program.runner import description as description_lib
from svg_tf.program.runner import parts
from svg_tf.program.runner.description import Description

KINDS = ("step", "train")

_ENTRY = '''"""Runs the program in this folder: python run_program.py check time torch train [--help]"""

import os

from runner import command

command.main(os.path.dirname(os.path.abspath(__file__)))
'''


def write(
    config: Config,
    folder: str,
    kind: str,
    *,
    steps_per_call: int = 100,
    expected_steps: int = 3,
    part_bytes: int = 15_000_000,
) -> dict[str, Any]:
    """Writes the program of a run's training step, from where the run stands; nothing of the program is run.

    In the folder: `program.stablehlo`, `program.json` (runner.description), the state and the inputs in parts
    (runner.parts), `run_program.py` with the package `runner` that it needs, and the PyTorch model to compare with.

    Args:
        config: the run's. Where config.run_dir has checkpoints the program begins with the latest, else with new
            weights.
        folder: a new or empty one.
        kind: step (the batch is an argument; the folder has max(1, expected_steps) of them) or train (the clips of
            stochastic moving MNIST are drawn inside).
        steps_per_call: updates in one call of a program of kind train, at least 1.
        expected_steps: how many steps to make here, in TensorFlow without XLA, for the losses to compare with; 0 for
            none. They need the memory and the time of training.
        part_bytes: largest file of the state and the inputs.

    Returns:
        Fit for JSON: kind, arguments, code_bytes, lowering_seconds, flops_per_step, first_step, expected.

    Raises:
        ConfigError: the folder is not empty or cannot be written, or the kind does not fit the configuration.
        DataError: the data is missing or broken.
        CheckpointError: the run's checkpoints cannot be read or do not fit.
    """
    _check(config, folder, kind, steps_per_call)
    clips = MovingMNIST(config, "train") if kind == "train" else None
    model = training.compiled_model(config)
    variables = checkpoints.named_variables(model, training_state=True)
    checkpoints.restore_latest(config.run_dir, variables)
    first_step = int(model.updates)
    data = make_dataset(config, "train", first_step)
    batches = [batch.numpy() for batch in itertools.islice(data, max(1, expected_steps))]
    begun = time.monotonic()
    program = _lower(model, variables, clips, steps_per_call)
    lowering_seconds = time.monotonic() - begun
    arrays = {name: variable.numpy() for name, variable in variables.items()}
    inputs = {step.FRAMES: np.stack(batches if clips is None else batches[:1])}
    if clips is not None:
        inputs[step.DIGITS] = clips.digits.numpy()
    description = Description(
        kind=kind,
        steps_per_call=1 if clips is None else steps_per_call,
        total_steps=config.total_steps,
        arguments=program.arguments,
        results=program.results,
        frames_per_step=config.batch_size * config.n_frames,
        flops_per_step=_flops(model),
        expected=_losses(model, batches[:expected_steps]),
        config=dataclasses.asdict(config),
        sha256=hashlib.sha256(program.code).hexdigest(),
        versions={name: importlib.metadata.version(name) for name in ("tensorflow", "keras")},
    )
    try:
        _write_folder(folder, program.code, description, arrays, inputs, part_bytes)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written ({error.strerror}); name another folder") from None
    return {
        "kind": kind,
        "arguments": len(program.arguments),
        "code_bytes": len(program.code),
        "lowering_seconds": lowering_seconds,
        "flops_per_step": description.flops_per_step,
        "first_step": first_step,
        "expected": description.expected,
    }


def _check(config: Config, folder: str, kind: str, steps_per_call: int) -> None:
    if kind not in KINDS:
        raise ConfigError(f"kind is {kind!r}, but must be one of {', '.join(KINDS)}")
    if kind == "train" and config.dataset != "smmnist":
        raise ConfigError(f"dataset is {config.dataset}, but only smmnist's clips can be drawn inside; take kind step")
    if steps_per_call < 1:
        raise ConfigError(f"steps_per_call is {steps_per_call}, but must be at least 1")
    if os.path.exists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
        raise ConfigError(f"{folder} is not an empty folder; name another one for the program")


def _lower(
    model: SVG, variables: dict[str, keras.Variable], clips: MovingMNIST | None, steps_per_call: int
) -> step.Program:
    if clips is None:
        frames = tf.TensorSpec(step.frames_shape(model), tf.uint8)
        return step.lower(step.step_function(model), variables, {step.FRAMES: frames}, {})
    function = step.train_function(model, clips, steps_per_call)
    return step.lower(function, variables, {}, {step.DIGITS: clips.digits})


def _flops(model: SVG) -> float:
    frames = tf.TensorSpec(step.frames_shape(model), tf.uint8)
    return float(flops.count(tf.function(model.train_step).get_concrete_function(frames).graph))


def _losses(model: SVG, batches: list[np.ndarray]) -> tuple[tuple[float, ...], ...]:
    """The losses of steps on these batches, made in TensorFlow; the model goes on."""
    function = step.step_function(model)
    return tuple(tuple(float(loss) for loss in function(batch)[0]) for batch in batches)


def _write_folder(
    folder: str,
    code: bytes,
    description: Description,
    arrays: parts.Arrays,
    inputs: parts.Arrays,
    part_bytes: int,
) -> None:
    """Made aside and renamed, so that there is no half of it."""
    folder = os.path.abspath(folder)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".aside-", dir=os.path.dirname(folder)) as aside:
        made = os.path.join(aside, "program")
        os.makedirs(made)
        parts.write_bytes(os.path.join(made, description_lib.CODE), code)
        text = json.dumps(description.to_json(), indent=1) + "\n"
        parts.write_bytes(os.path.join(made, description_lib.DESCRIPTION), text.encode())
        description_lib.write_state(made, description, arrays, part_bytes)
        parts.save(made, description_lib.INPUTS, inputs, {}, "0", part_bytes)
        parts.write_bytes(os.path.join(made, "run_program.py"), _ENTRY.encode())
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(os.path.dirname(runner.__file__), os.path.join(made, "runner"), ignore=ignored)
        shutil.copy(os.path.join(os.path.dirname(flops.__file__), "torch_model.py"), made)
        os.rename(made, folder)
