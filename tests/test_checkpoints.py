"""Checkpoints: exact round trips, damaged files, checkpoints of other models."""

import io
import os
import zipfile

import numpy as np
import pytest

from svg_tf import presets
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
    for which, message in ((7, "step_00000007.npz does not exist"), ("²", "checkpoint is '²'; it must")):
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


def test_a_packed_run_generates_the_same_frames_up_to_half_precision(saved, tmp_path, clips):
    config, model = saved
    config.save(config.run_dir)
    checkpoints.save(os.path.join(checkpoints.folder(config.run_dir), checkpoints.BEST), _arrays(model))
    presets.pack(config.run_dir, str(tmp_path / "packed"))
    packed, context = presets.load(str(tmp_path / "packed")), clips(config, frames=3)
    np.testing.assert_allclose(packed.generate(context, 2, 2), model.generate(context, 2, 2), atol=2e-3)
    for one, other in zip(packed.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other.astype(np.float16))


def _zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return file.getvalue()


_HUGE = (
    b"\x93NUMPY\1\0\x46\0" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}".ljust(69) + b"\n"
)


@pytest.mark.parametrize("data", [b"", b"text" * 99, _zipped(a_txt=b"text"), _zipped(x_npy=_HUGE)])
def test_files_that_are_no_checkpoint_are_errors(saved, data):
    config, model = saved
    for step in (5, 10):
        with open(checkpoints.path_of(config.run_dir, step), "wb") as file:
            file.write(data)
    with pytest.raises(CheckpointError, match="step_00000010.npz") as error:
        checkpoints.load_weights(model, config.run_dir, "latest")
    assert "allow_pickle" not in str(error.value)
    with pytest.raises(CheckpointError):
        checkpoints.restore_latest(config.run_dir, checkpoints.named_variables(model, training_state=True))
