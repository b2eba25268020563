"""Statistics of batch normalisation that are estimated anew."""

import json

import numpy as np
import pytest

from svg_tf.config import ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.models.batch_norm import BatchNorm
from svg_tf.models.svg import SVG
from svg_tf.training import recalibration


@pytest.fixture
def config(small):
    return small(batch_size=4)


@pytest.fixture
def model(config, trained_statistics):
    return trained_statistics(SVG(config))


def _statistics(model):
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, BatchNorm)]
    return {
        f"{layer.path}/{name}": getattr(layer, name).numpy()
        for layer in layers
        for name in ("moving_mean", "moving_variance")
    }


def test_the_first_layers_statistics_are_the_plain_average_of_its_batches_own(model, config):
    recalibration.recalibrate(model, config, 3)
    means, variances = [], []
    for clips in make_dataset(config, "train").take(3).as_numpy_iterator():
        maps = model.encoder.stages[0].conv(clips.reshape(-1, *clips.shape[2:]) / np.float32(255)).numpy()
        means.append(maps.mean(axis=(0, 1, 2), dtype=np.float64))
        variances.append(maps.var(axis=(0, 1, 2), dtype=np.float64, ddof=1))
    norm = model.encoder.stages[0].norm
    np.testing.assert_allclose(norm.moving_mean.numpy(), np.mean(means, axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance.numpy(), np.mean(variances, axis=0), rtol=1e-4)


def test_what_was_stored_before_does_not_matter_to_true_clips(small, config, trained_statistics):
    results = []
    for offset in (0.0, 0.7):
        model = trained_statistics(SVG(config))
        for layer in model._flatten_layers():
            if isinstance(layer, BatchNorm):
                layer.moving_mean.assign(layer.moving_mean + offset)
        recalibration.recalibrate(model, config, 2)
        results.append(_statistics(model))
    for name, values in results[0].items():
        np.testing.assert_array_equal(values, results[1][name], err_msg=name)


def test_only_the_statistics_change(model, config):
    before = {v.path: v.numpy() for v in model.variables if "moving" not in v.path}
    recalibration.recalibrate(model, config, 1, over="both")
    for variable in model.variables:
        if variable.path in before:
            np.testing.assert_array_equal(variable.numpy(), before[variable.path], err_msg=variable.path)


def test_rollouts_give_other_statistics_and_both_their_mean(config, trained_statistics):
    results = {}
    for over in recalibration.OVER:
        model = trained_statistics(SVG(config))
        report = recalibration.recalibrate(model, config, 2, over=over)
        results[over] = _statistics(model)
        assert (report["over"], report["clips"]) == (over, 8)
    name = next(name for name in results["clips"] if "stage_0" in name and name.endswith("mean"))
    assert np.abs(results["clips"][name] - results["rollouts"][name]).max() > 1e-3
    for name, values in results["both"].items():
        middle = (results["clips"][name] + results["rollouts"][name]) / 2
        np.testing.assert_allclose(values, middle, rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_report_names_the_largest_changes_and_the_loss(model, config):
    norm = model.encoder.head.norm
    recalibration.recalibrate(model, config, 2)
    deviation = np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    norm.moving_mean.assign(norm.moving_mean + 10 * deviation)
    report = json.loads(json.dumps(recalibration.recalibrate(model, config, 2)))
    assert report["largest_mean_shift"]["layer"] == norm.path
    assert report["largest_mean_shift"]["standard_deviations"] == pytest.approx(10, rel=1e-3)
    assert report["validation_loss_after"] != report["validation_loss_before"]
    assert report["layers"] == len(_statistics(model)) // 2
    again = recalibration.recalibrate(model, config, 2)
    assert again["largest_variance_factor"]["factor"] == pytest.approx(1, rel=1e-5)
    assert again["validation_loss_before"] == again["validation_loss_after"]


@pytest.mark.parametrize("prior", ["fixed", "none"])
def test_every_kind_of_prior_can_be_recalibrated(small, prior):
    config = small(prior=prior)
    recalibration.recalibrate(SVG(config), config, 1, over="both")


@pytest.mark.parametrize(("options", "named"), [({"batches": 0}, "0"), ({"batches": 1, "over": "noise"}, "noise")])
def test_what_cannot_be_is_said(model, config, options, named):
    with pytest.raises(ConfigError, match=named):
        recalibration.recalibrate(model, config, **options)
