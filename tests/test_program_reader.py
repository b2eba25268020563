"""A program's state as a run."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest

from svg_tf import checkpoints, rollout, training
from svg_tf.config import Config, ConfigError
from svg_tf.data.moving_mnist import MovingMNIST
from svg_tf.models.svg import SVG
from svg_tf.program import reader, step
from svg_tf.program.runner import description as description_lib
from svg_tf.program.runner.description import Description
from svg_tf.program.runner.parts import ProgramError

STEP = 5  # of 8, in the middle of the second epoch of 4


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    from conftest import SMALL

    run_dir = str(tmp_path_factory.mktemp("runs") / "plain")
    return Config(**{**SMALL, "n_past": 1, "n_future": 2, "n_eval": 4, "prior": "fixed", "run_dir": run_dir})


@pytest.fixture(scope="module")
def program(config, tmp_path_factory):
    """A program's folder, but for the code, and the state after 5 steps in its out, made in TensorFlow."""
    folder = str(tmp_path_factory.mktemp("programs"))
    description = Description(
        kind="train",
        steps_per_call=STEP,
        total_steps=config.total_steps,
        arguments=(),
        results=(),
        frames_per_step=6,
        flops_per_step=1.0,
        expected=(),
        config={**vars(config), "run_dir": "elsewhere"},
        sha256=hashlib.sha256(b"").hexdigest(),
        versions={},
    )
    with open(os.path.join(folder, description_lib.DESCRIPTION), "w") as file:
        json.dump(description.to_json(), file)
    model = training.compiled_model(config)
    step.train_function(model, MovingMNIST(config, "train"), STEP)()
    variables = checkpoints.named_variables(model, training_state=True)
    arrays = {name: variable.numpy() for name, variable in variables.items()}
    description_lib.write_state(os.path.join(folder, "out"), description, arrays, 10_000)
    with open(os.path.join(folder, "out", "losses.csv"), "w") as file:
        file.write("step,loss\n5,1.0\n")
    return folder, arrays


def imported(program, run_dir, state="out", **changes):
    config = reader.config_of(program, str(run_dir), **changes)
    return reader.import_state(program, os.path.join(program, state), config), config


def test_training_goes_on_from_an_imported_state_as_if_it_had_been_trained_here(
    program, config, tmp_path, monkeypatch
):
    folder, _ = program
    result, run_config = imported(folder, tmp_path / "run")
    assert (result.step, result.is_best, result.has_optimizer) == (STEP, True, True)
    assert result.checkpoint == checkpoints.path_of(run_config.run_dir, STEP)
    assert Config.load(run_config.run_dir) == run_config
    assert run_config == config.replace(run_dir=run_config.run_dir)
    training.train(run_config)
    training.train(config)
    ours, plain = (checkpoints.read(checkpoints.path_of(run.run_dir, 8)) for run in (run_config, config))
    assert ours["model/svg/updates"] == plain["model/svg/updates"] == 8
    for name in ("metrics/loss/total", "metrics/loss/count", "metrics/kl/total", "progress/best_val_loss"):
        np.testing.assert_allclose(ours[name], plain[name], rtol=1e-3, err_msg=name)
    np.testing.assert_allclose(
        ours["model/svg/decoder/pixels/conv/kernel"], plain["model/svg/decoder/pixels/conv/kernel"], atol=1e-4
    )
    assert (tmp_path / "run" / "logs" / "program_losses.csv").read_text() == "step,loss\n5,1.0\n"


def test_an_imported_run_gives_its_weights_and_draws_futures(program, tmp_path, clips):
    folder, arrays = program
    result, config = imported(folder, tmp_path / "run")
    for which in ("best", "latest", str(STEP)):
        model = SVG(config.replace(seed=5))
        checkpoints.load_weights(model, config.run_dir, which)
        for name, variable in checkpoints.named_variables(model, training_state=False).items():
            np.testing.assert_array_equal(variable.numpy(), arrays[name], err_msg=name)
    frames = rollout.generate(model, clips(config, frames=1), 2, np.zeros([2, 1], np.int64)).frames
    assert frames.shape == [1, 2, 2, 32, 32, 1]
    assert np.all(np.isfinite(frames))


def test_the_best_checkpoint_is_that_of_the_lowest_validation_loss(program, tmp_path, monkeypatch):
    folder, _ = program
    losses = iter([0.5, 0.7, 0.3])
    monkeypatch.setattr(reader, "_validation_loss", lambda *_: next(losses))
    first, config = imported(folder, tmp_path / "run")
    best = os.path.join(checkpoints.folder(config.run_dir), checkpoints.BEST)
    assert (first.is_best, checkpoints.read(best)["progress/best_val_loss"]) == (True, 0.5)
    stamp = os.stat(best).st_mtime_ns
    assert not imported(folder, tmp_path / "run")[0].is_best
    assert os.stat(best).st_mtime_ns == stamp
    assert checkpoints.read(checkpoints.path_of(config.run_dir, STEP))["progress/best_val_loss"] == 0.5
    assert imported(folder, tmp_path / "run")[0].is_best
    assert checkpoints.read(best)["progress/best_val_loss"] == 0.3


def test_the_weights_alone_make_a_checkpoint_with_a_new_optimizer_at_the_same_step(program, tmp_path):
    folder, arrays = program
    state = tmp_path / "state"
    state.mkdir()
    for entry in os.scandir(os.path.join(folder, "out")):
        if "-optimizer" not in entry.name and "-metrics" not in entry.name:
            shutil.copy(entry.path, state)
    result, config = imported(folder, tmp_path / "run", state=str(state))
    assert not result.has_optimizer
    made = checkpoints.read(result.checkpoint)
    assert made["optimizer/adam/iteration"] == made["model/svg/updates"] == STEP
    slots = [name for name in made if name.endswith(("_momentum", "_velocity"))]
    assert slots
    assert not any(made[name].any() for name in slots)
    np.testing.assert_array_equal(made["model/svg/posterior/embed/kernel"], arrays["model/svg/posterior/embed/kernel"])


def test_a_state_of_another_program_or_for_another_run_is_refused_and_leaves_nothing(program, small, tmp_path):
    folder, arrays = program
    description = description_lib.read(folder)
    other = tmp_path / "state"
    description_lib.write_state(str(other), Description(**{**vars(description), "sha256": "other"}), arrays, 10**6)
    with pytest.raises(ProgramError, match="state of another program"):
        imported(folder, tmp_path / "run", state=str(other))
    assert not os.path.exists(tmp_path / "run")
    small(run_dir=str(tmp_path / "taken"), z_dim=7).save(str(tmp_path / "taken"))
    with pytest.raises(ConfigError, match="taken holds a run with"):
        imported(folder, tmp_path / "taken")
    assert os.listdir(tmp_path / "taken") == ["config.json"]
