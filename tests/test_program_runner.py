"""Programs run by JAX on its CPU client, from their writing to a run made of what came back."""

import itertools
import json
import os

import numpy as np
import pytest
import tensorflow as tf

from svg_tf import checkpoints, training
from svg_tf.data.dataset import make_dataset
from svg_tf.program import reader, writer
from svg_tf.program.runner import command
from svg_tf.program.runner import description as description_lib

jax = pytest.importorskip("jax", reason="JAX is not installed, which runs the programs")
from svg_tf.program.runner.executable import Executable, portable  # noqa: E402 - it loads JAX

CHANGES = {
    "learning_rate_schedule": "cosine",
    "beta_schedule": "linear",
    "beta_warmup_steps": 4,
    "steps_per_epoch": 3,
    "n_past": 2,
    "n_future": 2,
    "n_eval": 5,
}


def run(folder, *arguments):
    """The runner's command on a program; its numbers."""
    path = os.path.join(folder, "results.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["run_program.py", *arguments, f"--json={path}"])
        command.main(folder)
    with open(path) as file:
        return json.load(file)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    from conftest import SMALL

    from svg_tf.config import Config

    return Config(**{**SMALL, **CHANGES, "run_dir": str(tmp_path_factory.mktemp("runs") / "run")})


@pytest.fixture(scope="module")
def program(config, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("programs") / "program")
    writer.write(config, folder, "train", steps_per_call=4, expected_steps=5)
    return folder


def test_the_first_steps_lose_what_they_lose_in_tensorflow(program, capsys):
    result = run(program, "check", "--tolerance=1e-4")["check"]
    assert result["steps"] == 5
    assert result["equal"]
    assert "equal" in capsys.readouterr().out
    np.testing.assert_allclose(result["losses"], result["expected"], rtol=1e-3)
    losses = np.array(result["losses"])[:, 0]
    assert len(set(losses)) == 5


def test_losses_that_differ_end_the_command_with_an_error(program, capsys):
    path = os.path.join(program, "program.json")
    with open(path) as file:
        text = file.read()
    values = json.loads(text)
    values["expected"][4][1] *= 1.1
    try:
        with open(path, "w") as file:
            json.dump(values, file)
        with pytest.raises(SystemExit) as error:
            run(program, "check", "train")
    finally:
        with open(path, "w") as file:
            file.write(text)
    assert error.value.code == 1
    assert "NOT EQUAL, reconstruction_loss of step 5" in capsys.readouterr().out
    assert not os.path.exists(os.path.join(program, "out", "state.json"))  # it did not train


def test_the_program_can_be_sent_to_a_plugin(program):
    from jax._src.lib import _jax
    from jax._src.lib.mlir.dialects import hlo

    code = description_lib.read_code(program, description_lib.read(program))
    for version in (hlo.get_current_version(), hlo.get_minimum_version()):
        assert _jax.mlir.serialize_portable_artifact(portable(code), version, False)


def test_it_is_compiled_once(program, capsys):
    run(program, "check")
    compiled = [entry for entry in os.scandir(os.path.join(program, "out")) if entry.name.startswith("compiled-")]
    assert len(compiled) == 1
    stamp = compiled[0].stat().st_mtime_ns
    with open(compiled[0].path, "r+b") as file:
        file.truncate(100)
    assert run(program, "check")["check"]["equal"]
    assert "compiling again" in capsys.readouterr().out
    assert os.stat(compiled[0].path).st_mtime_ns != stamp


def test_time_is_measured_beside_the_devices_own_rate(program):
    result = run(program, "time", "torch", "--seconds=0.05", "--product_size=64")
    assert result["product_rates"].keys() == {"float32", "bfloat16"}
    assert result["time"]["share_of_product_rate"] > 0
    assert result["time"]["frames_per_second"] * result["time"]["step_seconds"] == pytest.approx(2 * 4)
    assert result["time"]["memory"]["alias"] > 0.9 * (result["time"]["memory"]["output"] - 48)  # the state's own
    assert result["time"]["compiler_costs"]["flops"] > 0
    assert ("skipped" in result["torch"]) or result["torch"]["step_seconds"] > 0


def test_a_run_trained_by_jax_comes_back_as_the_run_that_tensorflow_trains(program, config, tmp_path, capsys):
    result = run(program, "train", "--part_mb=0.02", "--minutes=10", "--save_minutes=0")
    assert result["step"] == config.total_steps == 6
    with open(os.path.join(program, "out", "losses.csv")) as file:
        rows = file.read().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "4", "6"]
    run_config = reader.config_of(program, str(tmp_path / "run"))
    imported = reader.import_state(program, os.path.join(program, "out"), run_config)
    model = training.compiled_model(config)
    step, losses = tf.function(model.train_step), []
    for batch in itertools.islice(make_dataset(config, "train"), 6):
        model.reset_metrics()
        losses.append(float(step(batch)["loss"]))
    np.testing.assert_allclose(float(rows[1].split(",")[1]), np.mean(losses[:4]), rtol=1e-5)
    np.testing.assert_allclose(float(rows[2].split(",")[1]), np.mean(losses[4:]), rtol=1e-5)
    plain = float(model.evaluate(make_dataset(config, "validation"), verbose=0, return_dict=True)["loss"])
    assert imported.validation_loss == pytest.approx(plain, rel=1e-3)
    arrays = checkpoints.read(imported.checkpoint)
    variables = checkpoints.named_variables(model, training_state=True)
    assert int(arrays["model/svg/updates"]) == int(arrays["optimizer/adam/iteration"]) == 6
    for name, variable in variables.items():
        before_norm = "coder/" in name and name.endswith(("bias", "moving_mean")) and "pixels" not in name
        if not before_norm and not name.startswith("metrics/"):
            np.testing.assert_allclose(arrays[name], variable.numpy(), rtol=1e-3, atol=2e-4, err_msg=name)


def test_what_cannot_run_is_told_in_a_sentence(program, capsys):
    for arguments, message in (
        (["check", "--platform=abacus"], "error: JAX has no platform 'abacus' here"),
        (["check", "--part_mb=0"], "error: part_mb is 0.0, but must be above 0"),
        (["check", f"--program={program}/none"], "program.json is not there; name the folder that holds it"),
    ):
        with pytest.raises(SystemExit) as error:
            run(program, *arguments)
        assert message in str(error.value.code)


def test_a_step_in_bfloat16_takes_its_batches_and_does_not_train(small, tmp_path):
    folder = str(tmp_path / "program")
    config = small(mixed_precision="bfloat16", n_past=1, n_future=1, batch_size=3)
    writer.write(config, folder, "step", expected_steps=3)
    result = run(folder, "check")["check"]
    assert result["equal"]
    assert result["tolerance"] == 3e-2
    description = description_lib.read(folder)
    code, out = description_lib.read_code(folder, description), os.path.join(folder, "out")
    compiled = Executable(code, description, jax.devices("cpu")[0], out)
    assert "bf16" in compiled._executable.hlo_modules()[0].to_string()
    with pytest.raises(SystemExit) as error:
        run(folder, "train")
    assert "holds a program of kind step; write one of kind train to train" in str(error.value.code)
