"""New estimates of the stored statistics of batch normalization."""

import numpy as np
import pytest

from svg_tf.config import ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.training import recalibration


def test_the_statistics_are_averages_over_the_batches_and_nothing_else_changes(lively, small):
    model, config = lively(), small(batch_size=4)
    before = {variable.path: variable.numpy() for variable in model.variables}
    validation = next(iter(make_dataset(config, "validation")))
    losses = [float(model.objective(validation, None, config.beta, False)[0].loss)]
    report = recalibration.recalibrate(model, config, 3)
    losses.append(float(model.objective(validation, None, config.beta, False)[0].loss))
    np.testing.assert_allclose([report["validation_loss_before"], report["validation_loss_after"]], losses, rtol=1e-5)
    assert report["batches"] == 3 and losses[0] != losses[1]
    for variable in model.variables:
        assert np.array_equal(variable, before[variable.path]) != ("moving" in variable.path), variable.path
    means, variances = [], []
    for clips in make_dataset(config, "train").take(3).as_numpy_iterator():
        maps = model.encoder.stages[0].conv(clips.reshape(-1, *clips.shape[2:]) / np.float32(255)).numpy()
        means.append(maps.mean(axis=(0, 1, 2), dtype=np.float64))
        variances.append(maps.var(axis=(0, 1, 2), dtype=np.float64, ddof=1))
    norm = model.encoder.stages[0].norm
    assert norm.momentum == 0.9
    np.testing.assert_allclose(norm.moving_mean.numpy(), np.mean(means, axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance.numpy(), np.mean(variances, axis=0), rtol=1e-4)


def test_a_model_without_batch_normalization_is_an_error(tiny, small, monkeypatch):
    model = tiny(prior="none")
    recalibration.recalibrate(model, small(prior="none"), 1)
    monkeypatch.setattr(model, "_flatten_layers", lambda: [])
    with pytest.raises(ConfigError, match="^backbone dcgan has no batch normalization"):
        recalibration.recalibrate(model, small(prior="none"), 1)
