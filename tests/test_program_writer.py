"""A program's folder, without running the program."""

import ast
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from svg_tf import checkpoints, training
from svg_tf.config import ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.program import writer
from svg_tf.program.runner import description as description_lib
from svg_tf.program.runner import parts


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A configuration whose step is quickly traced."""
    from conftest import SMALL

    from svg_tf.config import Config

    run_dir = str(tmp_path_factory.mktemp("runs") / "run")
    return Config(**{**SMALL, "n_past": 1, "n_future": 2, "prior": "fixed", "run_dir": run_dir})


@pytest.fixture(scope="module")
def started(tiny):
    """The run's arrays at step 3, which are in its only checkpoint."""
    model = training.compiled_model(tiny)
    model.updates.assign(3)
    model.optimizer.iterations.assign(3)
    variables = checkpoints.named_variables(model, training_state=True)
    rng = np.random.default_rng(0)
    for name, variable in variables.items():
        if "kernel_momentum" in name:
            variable.assign(rng.standard_normal(variable.shape))
    arrays = {name: variable.numpy() for name, variable in variables.items()}
    checkpoints.save(checkpoints.path_of(tiny.run_dir, 3), arrays)
    return arrays


@pytest.fixture(scope="module")
def written(tiny, started, tmp_path_factory):
    """The folder of a program that trains, from step 3 on, and what write said of it."""
    folder = str(tmp_path_factory.mktemp("programs") / "program")
    result = writer.write(tiny, folder, "train", steps_per_call=4, expected_steps=2, part_bytes=20_000)
    return folder, result


def test_the_program_takes_and_gives_back_every_variable(written, started):
    folder, result = written
    description = description_lib.read(folder)
    assert set(description.arguments) == {"digits", *started}
    assert description.results[0] == "losses"
    assert set(description.results[1:]) == set(started)
    assert len(description.results) == len(started) + 1
    assert (description.kind, description.steps_per_call, description.total_steps) == ("train", 4, 8)
    assert description.frames_per_step == 2 * 3
    assert description.flops_per_step == result["flops_per_step"] > 1e6
    code = description_lib.read_code(folder, description)
    assert hashlib.sha256(code).hexdigest() == description.sha256
    assert len(code) < 1_000_000  # the digits, for one, are no constants of it


def test_the_state_is_that_of_the_runs_latest_checkpoint_and_the_frames_are_those_of_its_next_step(
    written, started, tiny
):
    folder, result = written
    description = description_lib.read(folder)
    arrays, step = description_lib.read_state(folder, description)
    assert step == result["first_step"] == 3
    for name, array in started.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    inputs, _ = parts.load(folder, description_lib.INPUTS)
    np.testing.assert_array_equal(inputs["frames"], [next(iter(make_dataset(tiny, "train", 3)))])
    assert inputs["digits"].shape[1:] == (tiny.digit_size, tiny.digit_size)
    sizes = [os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder) if name[-4:-3] == "."]
    assert max(sizes) == 20_000


def test_the_losses_to_compare_with_are_those_that_tensorflow_trains_by(written, tiny, started):
    folder, _ = written
    model = training.compiled_model(tiny)
    checkpoints.assign(checkpoints.named_variables(model, training_state=True), started, "")
    losses = []
    for batch in make_dataset(tiny, "train", 3).take(2):
        model.reset_metrics()
        losses.append([float(value) for value in model.train_step(batch).values()])
    np.testing.assert_allclose(description_lib.read(folder).expected, losses, rtol=1e-4)


def test_the_folders_code_needs_numpy_and_jax_alone(written):
    folder, _ = written
    allowed = {"jax", "numpy", "torch", "torch_model", "runner"} | sys.stdlib_module_names
    found = set()
    for path in [os.path.join(folder, "run_program.py"), *runner_files(folder)]:
        with open(path, encoding="utf-8") as file:
            for node in ast.walk(ast.parse(file.read())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    found.add(node.module.split(".")[0])
    assert found <= allowed
    assert "jax" in found


def runner_files(folder):
    return [entry.path for entry in os.scandir(os.path.join(folder, "runner")) if entry.name.endswith(".py")]


def test_the_folders_own_command_says_what_it_can_do(written):
    folder, _ = written
    command = [sys.executable, "-S", os.path.join(folder, "run_program.py")]
    packages = os.path.dirname(os.path.dirname(np.__file__))
    blocked = {"PYTHONPATH": packages}  # -S: without the project, which is installed by a path file
    result = subprocess.run([*command, "--help"], env=blocked, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    for name in ("--minutes", "--part_mb", "--save_minutes", "check", "torch"):
        assert name in result.stdout
    result = subprocess.run([*command, "time", "--seconds=0"], env=blocked, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stderr == "error: seconds is 0.0, but must be above 0\n"


def test_what_cannot_be_written_is_told_before_a_model_is_made(small, tmp_path, written, monkeypatch):
    monkeypatch.setattr(training, "compiled_model", None)
    folder = str(tmp_path / "program")
    with pytest.raises(ConfigError, match="is not an empty folder"):
        writer.write(small(), written[0], "train")
    with pytest.raises(ConfigError, match="kind is 'loop', but must be one of step, train"):
        writer.write(small(), folder, "loop")
    with pytest.raises(ConfigError, match="dataset is bair, but only smmnist's"):
        writer.write(small(dataset="bair", channels=3, image_width=64), folder, "train")
    with pytest.raises(ConfigError, match="steps_per_call is 0"):
        writer.write(small(), folder, "train", steps_per_call=0)
    assert not os.path.exists(folder)


def test_a_folder_that_cannot_be_made_is_told_and_nothing_is_left(written, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    description = description_lib.read(written[0])
    monkeypatch.setattr(parts, "save", full)
    with pytest.raises(OSError, match="No space left"):
        writer._write_folder(str(tmp_path / "program"), b"", description, {"model/svg/updates": np.int64(0)}, {}, 9)
    assert os.listdir(tmp_path) == []
