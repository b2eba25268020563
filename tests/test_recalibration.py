"""New estimates of the stored statistics of batch normalization."""

import json

import numpy as np
import pytest

from svg_tf.config import ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.models.batch_norm import BatchNorm
from svg_tf.training import recalibration


@pytest.fixture
def config(small):
    return small(batch_size=4)


def _statistics(model):
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, BatchNorm)]
    return {v.path: v.numpy() for layer in layers for v in (layer.moving_mean, layer.moving_variance)}


def test_the_first_layers_statistics_are_the_average_over_its_batches(lively, config):
    model = lively()
    recalibration.recalibrate(model, config, 3)
    means, variances = [], []
    for clips in make_dataset(config, "train").take(3).as_numpy_iterator():
        maps = model.encoder.stages[0].conv(clips.reshape(-1, *clips.shape[2:]) / np.float32(255)).numpy()
        means.append(maps.mean(axis=(0, 1, 2), dtype=np.float64))
        variances.append(maps.var(axis=(0, 1, 2), dtype=np.float64, ddof=1))
    norm = model.encoder.stages[0].norm
    np.testing.assert_allclose(norm.moving_mean.numpy(), np.mean(means, axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance.numpy(), np.mean(variances, axis=0), rtol=1e-4)


def test_rollouts_give_other_statistics_and_both_their_mean_and_nothing_else_changes(lively, config):
    model, results = lively(), {}
    before = {variable.path: variable.numpy() for variable in model.variables}
    for over in ("clips", "rollouts", "both"):
        for variable in model.variables:
            variable.assign(before[variable.path])
        report = json.loads(json.dumps(recalibration.recalibrate(model, config, 2, over=over)))
        results[over] = _statistics(model)
        assert (report["over"], report["clips"], report["layers"]) == (over, 8, len(results[over]) // 2)
        assert report["validation_loss_before"] != report["validation_loss_after"]
        for variable in model.variables:
            if "moving" not in variable.path:
                np.testing.assert_array_equal(variable.numpy(), before[variable.path], err_msg=variable.path)
    name = next(name for name in results["clips"] if "stage_0" in name and name.endswith("mean"))
    assert np.abs(results["clips"][name] - results["rollouts"][name]).max() > 1e-3
    for name, values in results["both"].items():
        middle = (results["clips"][name] + results["rollouts"][name]) / 2
        np.testing.assert_allclose(values, middle, rtol=1e-4, atol=1e-5, err_msg=name)
    # Old statistics have no effect on those of true clips.
    recalibration.recalibrate(model, config, 2)
    for name, values in _statistics(model).items():
        np.testing.assert_array_equal(values, results["clips"][name], err_msg=name)


def test_a_model_without_a_latent_can_be_recalibrated(tiny, small):
    recalibration.recalibrate(tiny(prior="none"), small(prior="none"), 1, over="both")


def test_a_model_without_batch_normalization_is_an_error_before_any_work(tiny, config, monkeypatch):
    model = tiny()
    monkeypatch.setattr(model, "_flatten_layers", lambda: [])
    monkeypatch.setattr(recalibration, "make_dataset", None)
    with pytest.raises(ConfigError, match="^backbone dcgan has no batch normalization"):
        recalibration.recalibrate(model, config, 1)
