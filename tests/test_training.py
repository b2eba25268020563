"""A run from its configuration: what it writes, exact resume, signals, callbacks, errors."""

import csv
import os
import signal

import keras
import numpy as np
import pytest
from conftest import SMALL
from PIL import Image

from svg_tf.config import Config, ConfigError
from svg_tf.training import checkpoints
from svg_tf.training import train as training
from svg_tf.training.callbacks import Futures

pytestmark = pytest.mark.usefixtures("kept_models")


def _latest(config):
    return checkpoints.read(checkpoints.path_of(config.run_dir, checkpoints.steps(config.run_dir)[-1]))


def _best(config):
    return checkpoints.read(os.path.join(checkpoints.folder(config.run_dir), checkpoints.BEST))


def _assert_same(one, other):
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def _rows(config):
    with open(os.path.join(config.run_dir, "logs", "epochs.csv"), newline="") as file:
        return list(csv.DictReader(file))


def _losses(config):
    return [{name: value for name, value in row.items() if name != "clips_per_second"} for row in _rows(config)]


class _At(keras.callbacks.Callback):
    """Calls an action in a hook, at the number of steps made."""

    def __init__(self, step, hook, action):
        super().__init__()

        def call(*_, **__):
            if int(self.model.step) == step:
                action()

        setattr(self, hook, call)


def _crash():
    raise RuntimeError("crash")


def test_a_run_writes_checkpoints_logs_and_pictures(small):
    config = small()
    model = training.train(config)
    assert int(model.step) == 8
    assert checkpoints.steps(config.run_dir) == [4, 8]
    rows = _rows(config)
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "4"), ("2", "8")]
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx([0.002, 0.002])
    for row in rows:
        assert all(np.isfinite(float(value)) for value in row.values())
        assert 0 < float(row["val_mean_psnr"]) <= float(row["val_best_psnr"])
    assert _best(config)["progress/best"] == min(float(row["val_loss"]) for row in rows)
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
def test_a_crashed_run_resumes_bit_for_bit(small, tmp_path, whole, crash):
    cut = small(run_dir=str(tmp_path / "cut"), checkpoint_every=2)
    with pytest.raises(RuntimeError, match="crash"):
        training.train(cut, callbacks=[_At(crash, "on_train_batch_begin", _crash)])
    assert checkpoints.steps(cut.run_dir)[-1] == {3: 2, 4: 4, 5: 4, 6: 6}[crash]
    training.train(cut)
    _assert_same(_latest(whole), _latest(cut))
    assert _losses(whole) == _losses(cut)


def test_a_signal_in_the_last_step_of_an_epoch_saves_before_the_validation_which_the_resumed_run_makes(
    small, tmp_path, whole
):
    cut, tested, handler = small(run_dir=str(tmp_path / "cut")), [], signal.getsignal(signal.SIGTERM)
    count = _At(4, "on_test_begin", lambda: tested.append(1))

    def stop():
        os.kill(os.getpid(), signal.SIGTERM)

    training.train(cut, callbacks=[_At(3, "on_train_batch_begin", stop), count])
    assert signal.getsignal(signal.SIGTERM) is handler
    assert not tested and checkpoints.steps(cut.run_dir) == [4] and not os.path.exists(cut.run_dir + "/logs/epochs.csv")
    training.train(cut, callbacks=[count])
    assert tested
    _assert_same(_latest(whole), _latest(cut))
    _assert_same(_best(whole), _best(cut))
    assert _losses(whole) == _losses(cut)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "saved", "end"),
    [
        ({"batch_size": 4, "gradient_accumulation_steps": 2, "mixed_precision": "float16", "warmup_steps": 3}, 3, 16),
        ({"recurrence": "conv", "conv_filters": 4, "scheduled_sampling": 0.5}, 6, 8),
    ],
    ids=["accumulation in float16", "convolutional recurrence"],
)
def test_other_runs_resume_bit_for_bit(small, tmp_path, changes, saved, end):
    whole, cut = (small(run_dir=str(tmp_path / name), checkpoint_every=1, **changes) for name in ("whole", "cut"))
    training.train(whole)
    with pytest.raises(RuntimeError, match="crash"):
        training.train(cut, callbacks=[_At(6, "on_train_batch_begin", _crash)])
    assert checkpoints.steps(cut.run_dir)[-1] == saved
    assert int(training.train(cut).step) == end
    _assert_same(_latest(whole), _latest(cut))


def test_the_hooks_are_those_of_fit_in_its_order(small, tiny, frames):
    class Recorder(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.calls = []

        def __getattribute__(self, name):
            if name.startswith("on_") and "predict" not in name:
                self.calls.append(name)
            return super().__getattribute__(name)

    ours, theirs = Recorder(), Recorder()
    model = tiny()
    model.compile(run_eagerly=True)
    clips = frames(model, batch=4)
    model.fit(clips, batch_size=1, epochs=2, validation_data=clips[:1], callbacks=[theirs], verbose=0)
    training.train(small(), callbacks=[ours])

    def called(recorder):
        calls = recorder.calls[recorder.calls.index("on_train_begin") :]
        return [name for name in calls if name != "on_batch_end" and name != "on_batch_begin"]

    assert called(ours) == called(theirs)


def test_stock_callbacks_work(small, tmp_path):
    config = small(epochs=4)
    csv_path, best = tmp_path / "log.csv", tmp_path / "best.keras"
    model = training.train(
        config,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1, min_delta=1e9),
            keras.callbacks.EarlyStopping(monitor="val_best_psnr", mode="max", patience=1, min_delta=1e9),
            keras.callbacks.ModelCheckpoint(str(best), monitor="val_loss", save_best_only=True),
            keras.callbacks.CSVLogger(str(csv_path)),
            keras.callbacks.TensorBoard(str(tmp_path / "tensorboard")),
        ],
    )
    assert int(model.step) == 8  # stopped after the second of four epochs
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001)
    with open(csv_path, newline="") as file:
        assert [float(row["val_loss"]) for row in csv.DictReader(file)] == [float(r["val_loss"]) for r in _rows(config)]
    saved = keras.models.load_model(str(best))
    assert type(saved.optimizer).__name__ == "Adam" and int(saved.step) in (4, 8)
    assert os.listdir(tmp_path / "tensorboard")


def test_the_best_checkpoint_is_that_of_the_best_score(small, monkeypatch):
    config = small(epochs=3, best_by="free_running")
    scores = iter([20.0, 22.0, 21.0])
    monkeypatch.setattr(Futures, "on_epoch_end", lambda *_: _[-1].update(val_best_psnr=next(scores)))
    training.train(config)
    assert int(_best(config)["model/svg/step"]) == 8 and _best(config)["progress/best"] == -22.0


def test_a_finished_run_is_left_as_it_is_and_another_configuration_refused(whole):
    before = _latest(whole)
    training.train(whole)
    _assert_same(before, _latest(whole))
    with pytest.raises(ConfigError, match="holds a run with beta=0.0001, not 0.5"):
        training.train(whole.replace(beta=0.5))


def test_a_run_with_a_damaged_latest_checkpoint_goes_on_from_the_one_before(small):
    config = small(checkpoint_every=2)
    with pytest.raises(RuntimeError, match="crash"):
        training.train(config, callbacks=[_At(7, "on_train_batch_begin", _crash)])
    os.truncate(checkpoints.path_of(config.run_dir, 6), 1000)
    with pytest.raises(RuntimeError, match="crash"):
        training.train(
            config.replace(keep_checkpoints=1, checkpoint_every=1), callbacks=[_At(5, "on_train_batch_begin", _crash)]
        )
    assert checkpoints.steps(config.run_dir) == [5, 6]
    training.train(config)
    assert int(_latest(config)["model/svg/step"]) == 8


def test_grappler_cannot_reorder_the_sums_of_logged_losses(small):
    """Otherwise it adds up total, reconstruction loss and KL in an order that varies at run time."""
    config = small()
    model = training.compiled_model(config)
    batch = next(iter(training.make_dataset(config, "train")))
    for step in (model.train_step, model.test_step):
        operations = training.tf.function(step).get_concrete_function(batch).graph.get_operations()
        ensured = [op for op in operations if op.type == "EnsureShape" and op.outputs[0].shape.rank == 0]
        assert len(ensured) == len(model.metrics) == 3


def test_a_dry_run_trains_two_steps_without_data_prints_the_peak_and_writes_nothing(small):
    config = small(digits="mnist", data_dir="nowhere")
    text = training.dry_run(config)
    assert "MiB" in text
    assert "first step: " in text and "total" in text and not os.path.exists(config.run_dir)
