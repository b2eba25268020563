import numpy as np
import pytest
import tensorflow as tf
import tflite_models

from svg_tf import noise, rollout
from svg_tf.tflite import module as tflite_module

HORIZON = 4
_TRACED = {}  # by the model's kind: tracing is what takes the time


@pytest.fixture(params=tflite_models.KINDS, ids=str)
def traced(request, small, trained_statistics):
    """A model and its functions."""
    kind = str(request.param)
    if kind not in _TRACED:
        model = tflite_models.make(small, trained_statistics, **request.param)
        _TRACED[kind] = model, tflite_module.signatures(model, HORIZON, looped=True)
    return _TRACED[kind]


def _inputs(model, clips):
    context = clips(model.config, 1, frames=model.config.n_past) / np.float32(255)
    steps = model.config.n_past - 1 + HORIZON
    return context, noise.rollout_noise(tf.constant([[5]], tf.int64), steps, model.config.z_dim)


def _expected(model, context, eps):
    return rollout.roll_out(model, tf.constant(context), eps).frames[0].numpy()  # [1, T, H, W, C]


def _inputs_of(function):
    """The specifications of a function's inputs, by name."""
    return function.structured_input_signature[1]


def _taken(function, **values):
    return {name: values[name] for name in _inputs_of(function)}


def test_observe_and_repeated_steps_equal_a_rollout(traced, clips):
    model, functions = traced
    context, eps = _inputs(model, clips)
    expected = _expected(model, context, eps)
    past = model.config.n_past - 1
    states = functions["observe"](**_taken(functions["observe"], context=context, eps=eps[None, :past, 0, 0]))
    for t in range(HORIZON):
        made = functions["step"](**_taken(functions["step"], eps=eps[None, past + t, 0, 0], **states))
        np.testing.assert_allclose(made["frame"], expected[:, t], atol=1e-6)
        states = {**states, **made}


@pytest.mark.parametrize("looped", [True, False])
def test_the_rollout_is_that_of_the_library(traced, clips, looped):
    model, functions = traced
    context, eps = _inputs(model, clips)
    expected = _expected(model, context, eps)
    if not looped:
        functions = tflite_module.signatures(model, HORIZON, looped=False)
    function = functions["rollout"]
    made = function(**_taken(function, context=context, eps=eps[None, :, 0, 0]))["frames"]
    assert made.shape == (1, HORIZON, *context.shape[2:])
    np.testing.assert_allclose(made, expected, atol=1e-6)
    loops = [op for op in function.graph.get_operations() if "While" in op.type]
    assert bool(loops) == looped


def test_all_shapes_are_static_and_batch_one(traced):
    for function in traced[1].values():
        signature = {**_inputs_of(function), **function.structured_outputs}
        for name, spec in signature.items():
            assert spec.shape.is_fully_defined() and spec.shape[0] == 1 and spec.dtype == tf.float32, name


def test_step_returns_the_skips_only_where_they_change(traced):
    model, function = traced[0], traced[1]["step"]
    inputs = {name for name in _inputs_of(function) if name != "eps"}
    outputs = set(function.structured_outputs)
    skips = {name for name in inputs if name.startswith("skip_")}
    expected = inputs if model.config.skip_frame == "every" else inputs - skips
    assert skips and outputs == expected | {"frame"}


def test_eps_is_an_input_exactly_where_it_has_a_use(traced):
    model, functions = traced
    expected = {"observe", "step", "rollout"} if model.has_latent else set()
    if model.config.n_past == 1:
        expected.remove("observe")
    assert {name for name, function in functions.items() if "eps" in _inputs_of(function)} == expected
