import csv
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from conftest import SMALL
from PIL import Image

from svg_tf.config import Config, ConfigError
from svg_tf.training import checkpoints
from svg_tf.training import train as training


def _latest(config):
    return checkpoints.read(checkpoints.path_of(config.run_dir, checkpoints.steps(config.run_dir)[-1]))


def _assert_same(one, other):
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def _rows(config):
    with open(os.path.join(config.run_dir, "logs", "epochs.csv"), newline="") as file:
        return list(csv.DictReader(file))


def _losses(config):
    return [{name: value for name, value in row.items() if name != "clips_per_second"} for row in _rows(config)]


@pytest.fixture
def stop_at(monkeypatch):
    """Makes training fail at the beginning of the step after `updates`, as a crash would."""

    def arm(updates):
        original = training.Saver.on_train_batch_begin

        def crash(self, batch, logs=None):
            if int(self.model.updates) == updates:
                monkeypatch.setattr(training.Saver, "on_train_batch_begin", original)
                raise RuntimeError("crash")

        monkeypatch.setattr(training.Saver, "on_train_batch_begin", crash)

    return arm


def test_a_run_writes_what_it_promises(small):
    config = small()
    model = training.train(config)
    assert int(model.updates) == 8
    assert checkpoints.steps(config.run_dir) == [4, 8]
    rows = _rows(config)
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "4"), ("2", "8")]
    for row in rows:
        assert all(np.isfinite(float(value)) for value in row.values())
    best = checkpoints.read(os.path.join(checkpoints.folder(config.run_dir), "best.npz"))
    assert best["progress/best_val_loss"] == min(float(row["val_loss"]) for row in rows)
    for epoch in (1, 2):
        with Image.open(os.path.join(config.run_dir, "samples", f"epoch_{epoch:04d}.gif")) as gif:
            assert gif.n_frames == config.n_frames
        assert os.path.exists(os.path.join(config.run_dir, "samples", f"epoch_{epoch:04d}.png"))
    assert any(name.startswith("events.out") for name in os.listdir(os.path.join(config.run_dir, "logs")))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The configuration of a run that nothing disturbed."""
    config = Config(**{**SMALL, "run_dir": str(tmp_path_factory.mktemp("runs") / "whole")})
    training.train(config)
    return config


@pytest.mark.parametrize("crash", [3, *(pytest.param(step, marks=pytest.mark.slow) for step in (4, 5, 6))])
def test_a_crashed_run_resumes_bit_for_bit(small, tmp_path, stop_at, whole, crash):
    cut = small(run_dir=str(tmp_path / "cut"), checkpoint_every=2)
    stop_at(crash)
    with pytest.raises(RuntimeError, match="crash"):
        training.train(cut)
    assert checkpoints.steps(cut.run_dir)[-1] == {3: 2, 4: 4, 5: 4, 6: 6}[crash]
    training.train(cut)
    _assert_same(_latest(whole), _latest(cut))
    assert _losses(whole) == _losses(cut)


@pytest.mark.slow
def test_a_longer_run_goes_on_from_a_shorter_one(small, tmp_path):
    whole = small(run_dir=str(tmp_path / "whole"), epochs=3)
    training.train(whole)
    parts = small(run_dir=str(tmp_path / "parts"), epochs=1)
    training.train(parts)
    training.train(parts.replace(epochs=3))
    _assert_same(_latest(whole), _latest(parts))


def test_a_finished_run_is_left_as_it_is(small):
    config = small(epochs=1)
    training.train(config)
    before = _latest(config)
    training.train(config)
    _assert_same(before, _latest(config))


def test_a_run_of_another_configuration_is_refused_by_the_fields_name(small):
    config = small(epochs=1)
    training.train(config)
    with pytest.raises(ConfigError, match="holds a run with beta=0.0001, not 0.5"):
        training.train(config.replace(beta=0.5))


def test_a_folder_that_is_no_run_is_refused(small, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and holds no run"):
        training.train(small(run_dir=str(tmp_path)))


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_good_checkpoint(small, monkeypatch):
    config = small(epochs=3)
    training.train(config.replace(epochs=1))
    good = _latest(config)
    original = training.compiled_model

    def poisoned(config):
        model = original(config)
        step = model.train_step

        def train_step(frames):
            logs = step(frames)
            return {name: value + np.float32(np.nan) for name, value in logs.items()}

        model.train_step = train_step
        return model

    monkeypatch.setattr(training, "compiled_model", poisoned)
    with pytest.raises(training.NonFiniteError, match="^loss at step 5 .*step_00000004.npz, is kept; try a lower"):
        training.train(config)
    _assert_same(good, _latest(config))


def test_a_validation_loss_that_is_not_finite_ends_the_run_too(small, monkeypatch):
    config = small()
    monkeypatch.setattr(
        training.SVG, "test_step", lambda self, _: {name: np.float32(np.nan) for name in ("loss", "kl")}
    )
    with pytest.raises(training.NonFiniteError, match="^val_loss at step 4 .* is not finite; none was saved"):
        training.train(config)


def test_weights_that_are_not_finite_are_not_saved(small, monkeypatch):
    config = small(checkpoint_every=1)
    original = training.compiled_model

    def poisoned(config):
        model = original(config)
        model.encoder.head.norm.moving_mean.assign(np.full(config.g_dim, np.nan))
        return model

    monkeypatch.setattr(training, "compiled_model", poisoned)
    with pytest.raises(
        training.NonFiniteError, match="model/svg/encoder/head/norm/moving_mean is not finite; none was"
    ):
        training.train(config)
    assert checkpoints.steps(config.run_dir) == []


_TRAIN = textwrap.dedent("""
    import sys
    from svg_tf.training import train as training
    from svg_tf.config import Config
    training.train(Config.load(sys.argv[1]))
""")


def _start(config):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen([sys.executable, "-c", _TRAIN, config.run_dir], env=environment, stderr=subprocess.PIPE)


def _wait_for_step(config, step, process, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if (checkpoints.steps(config.run_dir) or [0])[-1] >= step:
            return
        time.sleep(0.01)
    raise AssertionError(f"no checkpoint of step {step}: {process.stderr.read().decode()[-2000:]}")


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", ["false", "true"])
def test_a_run_killed_at_random_moments_ends_as_an_undisturbed_one(small, tmp_path, jit_compile):
    sizes = {"epochs": 3, "steps_per_epoch": 20, "checkpoint_every": 1, "rnn_size": 64, "jit_compile": jit_compile}
    whole = small(run_dir=str(tmp_path / "whole"), **sizes)
    training.train(whole)
    cut = small(run_dir=str(tmp_path / "cut"), **sizes)
    cut.save(cut.run_dir)
    rng = random.Random(0)
    for kill in range(4):
        process = _start(cut)
        _wait_for_step(cut, 10 * (kill + 1), process)
        time.sleep(rng.random() / 5)
        process.send_signal(signal.SIGKILL)
        process.wait()
    training.train(cut)
    _assert_same(_latest(whole), _latest(cut))
    assert _losses(whole) == _losses(cut)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_saves_and_leaves_with_a_sentence(small, number):
    config = small(steps_per_epoch=10_000, checkpoint_every=2)
    config.save(config.run_dir)
    process = _start(config)
    _wait_for_step(config, 4, process)
    process.send_signal(number)
    assert process.wait(60) == 0
    stopped = checkpoints.steps(config.run_dir)[-1]
    assert stopped >= 4
    assert int(_latest(config)["model/svg/updates"]) == stopped
