import os

import numpy as np
import pytest

from svg_tf.training import checkpoints
from svg_tf.training import train as training


def _arrays(model):
    return {name: v.numpy() for name, v in checkpoints.named_variables(model, training_state=True).items()}


@pytest.fixture
def saved(small):
    """A model and its run with checkpoints of steps 5 and 10."""
    config = small()
    model = training.compiled_model(config)
    for step in (5, 10):
        model.updates.assign(step)
        checkpoints.save(checkpoints.path_of(config.run_dir, step), _arrays(model))
    return config, model


def test_all_of_the_training_state_has_a_name_of_its_own(small):
    model = training.compiled_model(small())
    names = checkpoints.named_variables(model, training_state=True)
    assert len(names) == len(model.variables) + len(model.optimizer.variables) + 6
    assert "model/svg/encoder/stage_0/conv/kernel" in names


def test_weights_come_back_bit_for_bit(saved, small):
    config, model = saved
    other = training.compiled_model(small(seed=9))
    checkpoints.load_weights(other, config.run_dir, "latest")
    for one, two in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("which", "file"), [("best", "step_00000010"), ("latest", "step_00000010"), ("5", "step_00000005")]
)
def test_a_checkpoint_is_found_by_its_name(saved, which, file):
    config, model = saved
    assert file in checkpoints.load_weights(model, config.run_dir, which)


def test_the_best_is_preferred_where_there_is_one(saved):
    config, model = saved
    checkpoints.save(os.path.join(checkpoints.folder(config.run_dir), checkpoints.BEST), _arrays(model))
    assert checkpoints.load_weights(model, config.run_dir, "best").endswith("best.npz")


@pytest.mark.parametrize(
    ("which", "message"), [("7", "step_00000007.npz is not there"), ("worst", "checkpoint is 'worst'")]
)
def test_a_checkpoint_that_is_not_there_is_told(saved, which, message):
    config, model = saved
    with pytest.raises(checkpoints.CheckpointError, match=message):
        checkpoints.load_weights(model, config.run_dir, which)


def test_a_run_without_checkpoints_is_told(small):
    model = training.compiled_model(small())
    with pytest.raises(checkpoints.CheckpointError, match="has no checkpoint yet"):
        checkpoints.load_weights(model, "nowhere", "best")


def test_a_checkpoint_of_another_model_is_refused_by_the_tensors_name_and_nothing_is_set(saved, small):
    config, _ = saved
    wider = training.compiled_model(small(g_dim=9))
    before = [v.numpy() for v in wider.variables]
    with pytest.raises(checkpoints.CheckpointError, match=r"tensor model/svg/.*linear/kernel has shape \(256, 8\)"):
        checkpoints.load_weights(wider, config.run_dir, "latest")
    for variable, value in zip(wider.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    with pytest.raises(
        checkpoints.CheckpointError, match="has no tensor model/svg/encoder/stage_0_conv_0/conv/kernel"
    ):
        checkpoints.load_weights(training.compiled_model(small(backbone="vgg")), config.run_dir, "latest")


@pytest.mark.parametrize("tenth", range(10))
def test_a_truncated_latest_checkpoint_gives_way_to_the_one_before(saved, tenth):
    config, model = saved
    latest = checkpoints.path_of(config.run_dir, 10)
    os.truncate(latest, os.path.getsize(latest) * tenth // 10)
    variables = checkpoints.named_variables(model, training_state=True)
    arrays = checkpoints.restore_latest(config.run_dir, variables)
    assert arrays["model/svg/updates"] == int(model.updates) == 5


def test_only_damaged_checkpoints_are_an_error(saved):
    config, model = saved
    for step in (5, 10):
        with open(checkpoints.path_of(config.run_dir, step), "wb") as file:
            file.write(b"not an archive")
    with pytest.raises(checkpoints.CheckpointError, match="none of the 2 checkpoints"):
        checkpoints.restore_latest(config.run_dir, checkpoints.named_variables(model, training_state=True))


def test_what_is_not_finite_is_not_saved(tmp_path):
    path = str(tmp_path / "step_00000001.npz")
    with pytest.raises(checkpoints.CheckpointError, match="model/x is not finite"):
        checkpoints.save(path, {"model/x": np.array([1.0, np.nan])})
    assert os.listdir(tmp_path) == []


def test_pruning_keeps_the_latest_and_the_best(saved):
    config, model = saved
    folder = checkpoints.folder(config.run_dir)
    checkpoints.save(os.path.join(folder, checkpoints.BEST), _arrays(model))
    checkpoints.prune(config.run_dir, keep=1)
    assert sorted(os.listdir(folder)) == ["best.npz", "step_00000010.npz"]
