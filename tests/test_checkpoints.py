"""Checkpoints: exact round trips, damaged files, checkpoints of other models."""

import io
import os
import zipfile

import numpy as np
import pytest

from svg_tf.training import checkpoints
from svg_tf.training import train as training
from svg_tf.training.checkpoints import CheckpointError
from svg_tf.training.run import load_model, model_from_config

pytestmark = pytest.mark.usefixtures("kept_models")


def _arrays(model):
    return {name: v.numpy() for name, v in checkpoints.named_variables(model, training_state=True).items()}


@pytest.fixture
def saved(small):
    """A model and its run with checkpoints of steps 5 and 10."""
    config = small()
    model = training.compiled_model(config)
    for step in (5, 10):
        model.step.assign(step)
        checkpoints.save(checkpoints.path_of(config.run_dir, step), _arrays(model))
    return config, model


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_weights_survive_the_round_trip_exactly_in_half_precision_too(saved, dtype):
    config, model = saved
    arrays = _arrays(model)
    assert len(arrays) == len(model.variables) + len(model.optimizer.variables) + 6
    arrays = {name: array.astype(dtype) if array.dtype == np.float32 else array for name, array in arrays.items()}
    checkpoints.save(checkpoints.path_of(config.run_dir, 7), arrays)
    other = load_model(config.replace(seed=9), 7)
    for one, two in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(one).astype(arrays[f"model/{one.path}"].dtype), two)


def test_a_checkpoint_is_found_by_its_name(saved):
    config, model = saved
    for which, file in (("best", "step_00000010"), ("latest", "step_00000010"), ("5", "step_00000005")):
        assert file in checkpoints.load_weights(model, config.run_dir, which)
    checkpoints.save(os.path.join(checkpoints.folder(config.run_dir), checkpoints.BEST), _arrays(model))
    assert checkpoints.load_weights(model, config.run_dir, "best").endswith("best.npz")
    for which, message in (
        (7, "step_00000007.npz does not exist"),
        ("worst", "checkpoint is 'worst'"),
        ("²", "checkpoint is '²'; it must"),
    ):
        with pytest.raises(CheckpointError, match=message):
            checkpoints.load_weights(model, config.run_dir, which)
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        checkpoints.load_weights(model, "nowhere")


def test_a_checkpoint_of_another_model_is_an_error_and_changes_nothing(saved, small):
    config, model = saved
    wider = model_from_config(small(g_dim=9))
    before = [v.numpy() for v in wider.variables]
    shapes = r"tensor model/svg/.*kernel is float32 \[256, 8\]; this model needs float32 \[256, 9\]"
    with pytest.raises(CheckpointError, match=shapes):
        checkpoints.load_weights(wider, config.run_dir, "latest")
    for variable, value in zip(wider.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    with pytest.raises(CheckpointError, match="has no tensor model/svg/encoder/stage_0_conv_0/conv/kernel"):
        load_model(small(backbone="vgg"), "latest")
    arrays = _arrays(model) | {"model/svg/posterior/more": np.zeros(3, np.float32)}
    with pytest.raises(CheckpointError, match="has a tensor model/svg/posterior/more that this model lacks"):
        checkpoints.assign(checkpoints.named_variables(model, training_state=False), arrays, "file")


@pytest.mark.parametrize("tenth", [0, 3, 9])
def test_a_truncated_latest_checkpoint_gives_way_to_the_one_before(saved, tenth):
    config, model = saved
    latest = checkpoints.path_of(config.run_dir, 10)
    os.truncate(latest, os.path.getsize(latest) * tenth // 10)
    arrays = checkpoints.restore_latest(config.run_dir, checkpoints.named_variables(model, training_state=True))
    assert arrays["model/svg/step"] == int(model.step) == 5
    assert checkpoints.steps(config.run_dir) == [5] and os.path.exists(f"{latest}.damaged")


def test_values_that_are_not_finite_are_not_saved(tmp_path):
    with pytest.raises(CheckpointError, match="model/x is not finite"):
        checkpoints.save(str(tmp_path / "step_00000001.npz"), {"model/x": np.array([1.0, np.nan])})
    assert os.listdir(tmp_path) == []


def test_pruning_keeps_the_latest_up_to_the_one_just_written(tmp_path):
    for step in (200, 400, 500, 600):
        checkpoints.save(checkpoints.path_of(str(tmp_path), step), {"x": np.zeros(1)})
    checkpoints.prune(str(tmp_path), keep=1, last=500)
    assert checkpoints.steps(str(tmp_path)) == [500, 600]


def _zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return file.getvalue()


_HUGE = (
    b"\x93NUMPY\1\0\x46\0" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}".ljust(69) + b"\n"
)


@pytest.mark.parametrize("data", [b"", b"text" * 99, _zipped(a_txt=b"text"), _zipped(), _zipped(x_npy=_HUGE)])
def test_files_that_are_no_checkpoint_are_errors(saved, data):
    config, model = saved
    for step in (5, 10):
        with open(checkpoints.path_of(config.run_dir, step), "wb") as file:
            file.write(data)
    with pytest.raises(CheckpointError, match="step_00000010.npz") as error:
        checkpoints.load_weights(model, config.run_dir, "latest")
    assert "allow_pickle" not in str(error.value)
    with pytest.raises(CheckpointError):  # and neither file is renamed
        checkpoints.restore_latest(config.run_dir, checkpoints.named_variables(model, training_state=True))
    assert checkpoints.steps(config.run_dir) == [5, 10]


def test_changed_and_truncated_bytes_are_errors_or_without_effect(tmp_path):
    path, rng = str(tmp_path / "a.npz"), np.random.default_rng(0)
    whole = {"a": rng.standard_normal((20, 30)).astype(np.float32), "step": np.int64(7)}
    checkpoints.save(path, whole)
    with open(path, "rb") as file:
        original = file.read()
    refused = 0
    for number in range(150):
        data = bytearray(original)
        if number % 3:
            data[rng.integers(len(data) if number % 2 else 200)] ^= rng.integers(1, 256, dtype=np.uint8)
        else:
            del data[rng.integers(len(data)) :]
        with open(path, "wb") as file:
            file.write(data)
        try:
            arrays = checkpoints.read(path)
        except CheckpointError as error:
            assert path in str(error)
            refused += 1
        else:
            for name in whole.keys() & arrays.keys():
                np.testing.assert_array_equal(arrays[name], whole[name])
    assert refused > 100
