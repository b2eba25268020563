"""Less memory for a training step: what is computed again, and a batch in parts."""

import numpy as np
import pytest
import tensorflow as tf

from svg_tf import memory
from svg_tf.models.batch_norm import BatchNorm
from svg_tf.models.svg import SVG
from svg_tf.training import train as training

BACKBONES = ["dcgan", "vgg"]


def _step(config, frames, jit=False):
    """The loss, the gradients and the stored statistics after a step."""
    model = training.compiled_model(config)
    result, gradients = tf.function(model._gradients, jit_compile=jit)(tf.constant(frames))
    named = {weight.path: gradient for weight, gradient in zip(model.trainable_variables, gradients, strict=True)}
    named |= {variable.path: variable for variable in model.non_trainable_variables} | result._asdict()
    return {name: tensor.numpy() for name, tensor in named.items()}


def _assert_equal(states, atol=1e-6):
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        np.testing.assert_allclose(value, states[1][name], rtol=1e-3, atol=atol, err_msg=name)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["graph", "XLA"])
def test_a_step_is_the_same_when_the_decoder_is_computed_again(small, clips, backbone, jit):
    config = small(backbone=backbone)
    _assert_equal([_step(config.replace(remat=remat), clips(config), jit) for remat in (False, True)])


@pytest.mark.parametrize(("backbone", "most"), [("dcgan", 0.9), ("vgg", 0.75)])
def test_computing_again_needs_less_memory(small, backbone, most):
    forecasts = []
    for remat in (False, True):
        config = small(backbone=backbone, batch_size=8, base_width=16, remat=remat)
        forecasts.append(memory.forecast(training.compiled_model(config), config).activations)
    assert forecasts[1] < most * forecasts[0]


def _freeze_statistics(monkeypatch):
    """Batch normalisation by stored statistics in training too: without batches that depend on each other."""
    stored = BatchNorm.call
    monkeypatch.setattr(BatchNorm, "call", lambda self, inputs, training=False: stored(self, inputs, training=False))


@pytest.mark.parametrize("prior", ["learned", "none"])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(small, clips, monkeypatch, prior):
    _freeze_statistics(monkeypatch)
    config = small(prior=prior, batch_size=6)
    frames = clips(config, batch=6)
    _assert_equal([_step(config.replace(accumulation=parts), frames) for parts in (1, 3)])


def test_each_part_is_a_batch_of_its_own_to_batch_normalisation(small, clips):
    config = small(batch_size=4, prior="none")
    frames = tf.constant(clips(config, batch=4))
    model = training.compiled_model(config.replace(accumulation=2))
    result, gradients = tf.function(model._gradients)(frames)
    single = training.compiled_model(config)
    parts = [tf.function(single._gradients)(frames[part : part + 2]) for part in (0, 2)]
    np.testing.assert_allclose(result.loss, np.mean([part[0].loss for part in parts]), rtol=1e-5)
    for weight, total, one, two in zip(model.trainable_variables, gradients, parts[0][1], parts[1][1], strict=True):
        np.testing.assert_allclose(total, (one + two) / 2, rtol=1e-3, atol=1e-6, err_msg=weight.path)
    for layer, expected in zip(model._flatten_layers(), single._flatten_layers(), strict=True):
        if isinstance(layer, BatchNorm):
            np.testing.assert_allclose(layer.moving_mean, expected.moving_mean, rtol=1e-4, atol=1e-6)


def test_parts_need_less_memory(small):
    forecasts = []
    for parts in (1, 4):
        config = small(batch_size=16, base_width=8, accumulation=parts)
        forecasts.append(memory.forecast(training.compiled_model(config), config).activations)
    assert forecasts[1] < 0.5 * forecasts[0]


@pytest.mark.slow
def test_parts_and_recomputation_compile_together(small, clips):
    config = small(batch_size=4, accumulation=2, remat=True)
    frames = clips(config, batch=4)
    _assert_equal([_step(config, frames, jit) for jit in (False, True)], atol=1e-4)  # gradients are up to 0.03


def test_a_model_that_computes_again_has_the_same_weights_by_name(small):
    names = [[v.path for v in SVG(small(remat=remat)).variables] for remat in (False, True)]
    assert names[0] == names[1]
