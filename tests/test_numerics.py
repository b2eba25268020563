"""Training where numbers run away: it stays finite or says what did not, and what it saved is sound."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from svg_tf import losses, noise, rollout
from svg_tf.metrics.psnr import psnr
from svg_tf.metrics.ssim import ssim
from svg_tf.training import checkpoints, loop
from svg_tf.training import train as training
from svg_tf.training.train import NonFiniteError

RATE = 0.002  # as published
STEPS = 30


def _clips(kind, config):
    """Clips uint8 [B, T, H, W, C] of a kind: black, constant, noise, or of a single pixel that moves."""
    shape = [config.batch_size, config.n_frames, config.image_width, config.image_width, config.channels]
    clips = np.zeros(shape, np.uint8)
    if kind == "constant":
        clips[:] = np.random.default_rng(0).integers(0, 256, [config.batch_size, 1, 1, 1, 1])
    if kind == "noise":
        clips = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if kind == "pixel":
        for t in range(config.n_frames):
            clips[:, t, 3, 3 + t] = 255
    return clips


@pytest.fixture(scope="module")
def compiled():
    """Models by configuration, with their first weights and their traces, which take seconds."""
    with pytest.MonkeyPatch.context() as patch:

        @functools.cache
        def make(config):
            model = original(config)
            return model, [variable.numpy() for variable in _all(model)]

        def again(config):
            model, first = make(config.replace(run_dir="any"))
            for variable, value in zip(_all(model), first, strict=True):
                variable.assign(value)
            return model

        original = training.compiled_model
        patch.setattr(training, "compiled_model", again)
        patch.setattr(loop, "on_all_replicas", functools.cache(loop.on_all_replicas))
        patch.setattr(training, "Previews", lambda config, clips: training.keras.callbacks.Callback())
        yield again


@pytest.fixture
def numeric(small, compiled, monkeypatch):
    """Makes a configuration, and has it trained on clips of a kind."""

    def make(kind, **changes):
        config = small(epochs=1, steps_per_epoch=STEPS, checkpoint_every=1, keep_checkpoints=2, **changes)
        data = tf.data.Dataset.from_tensors(_clips(kind, config)).repeat()
        monkeypatch.setattr(training, "make_dataset", lambda *_, **__: data)
        return config

    return make


def _all(model):
    return [*model.variables, *model.optimizer.variables]


def _check(config):
    """That a run ends, or stops with the reason and goes on from what it saved to the same; returns how it ended."""
    try:
        model = training.train(config)
    except NonFiniteError as error:
        reason = str(error)
    else:
        reason = ""
        assert int(model.updates) == STEPS
        assert all(np.all(np.isfinite(variable.numpy())) for variable in _all(model))
    saved = checkpoints.steps(config.run_dir)
    for step in saved:
        arrays = checkpoints.read(checkpoints.path_of(config.run_dir, step))
        assert all(np.all(np.isfinite(array)) for array in arrays.values())
        assert int(arrays["model/svg/updates"]) == step
    if not reason:
        assert saved[-1] == STEPS
        return "finite"
    assert "is not finite" in reason
    if saved:
        latest = checkpoints.path_of(config.run_dir, saved[-1])
        assert f"the last good checkpoint, {latest}, is kept" in reason
        checkpoints.load_weights(training.compiled_model(config), config.run_dir, "latest")
    else:
        assert "none was saved" in reason
    with pytest.raises(NonFiniteError) as again:
        training.train(config)
    assert str(again.value) == reason and checkpoints.steps(config.run_dir) == saved
    return reason


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["black", "constant", "pixel", "noise"])
@pytest.mark.parametrize("factor", [10, 100])
@pytest.mark.parametrize("mixed_precision", ["off", "bfloat16", "float16"])
def test_high_learning_rates_stay_finite_or_stop_with_a_reason(numeric, kind, factor, mixed_precision):
    config = numeric(kind, learning_rate=factor * RATE, mixed_precision=mixed_precision)
    print(f"{kind}, {factor} times the rate, {mixed_precision}: {_check(config)}")


def _set_heads(model, mean, logvar):
    for network in (model.posterior, model.prior):
        for head, value in ((network.mean, mean), (network.logvar, logvar)):
            head.bias.assign(tf.fill(head.bias.shape, value[network is model.prior]))


@pytest.mark.parametrize("logvars", [(100.0, 100.0), (-100.0, -100.0), (100.0, -100.0), (-1e4, 1e4)])
def test_extreme_variances_of_posterior_and_prior_stay_finite_or_stop(numeric, monkeypatch, logvars):
    config, plain = numeric("noise"), training.compiled_model

    def extreme(config):
        model = plain(config)
        _set_heads(model, (1.0, -1.0), logvars)
        return model

    monkeypatch.setattr(training, "compiled_model", extreme)
    assert _check(config) == "finite"


@pytest.fixture(scope="module")
def broken(compiled):
    """Adds a value to the gradients of the steps from one to before another, under a loss as it was."""
    value, steps = tf.Variable(0.0), tf.Variable([0, 0], dtype=tf.int64)
    with pytest.MonkeyPatch.context() as patch:

        def changed(config):
            model = compiled(config)

            def gradients(frames, z_noise):
                result, found = type(model)._part_gradients(model, frames, z_noise)
                hit = (model.updates.value >= steps[0]) & (model.updates.value < steps[1])
                return result, [gradient + tf.where(hit, value, 0.0) for gradient in found]

            model._part_gradients = gradients
            return model

        patch.setattr(training, "compiled_model", changed)

        def set_to(added, first, end):
            value.assign(added)
            steps.assign([first, end])

        yield set_to


@pytest.mark.parametrize(
    ("step", "value", "what"),
    [
        (6, np.nan, "model/svg/encoder/stage_0/conv/kernel"),
        (6, np.inf, "model/svg/encoder/stage_0/conv/kernel"),
        (6, 1e38, "optimizer/adam/svg_encoder_stage_0_conv_kernel_velocity"),  # its square
        (STEPS - 1, np.nan, "val_loss at step 30"),
        (STEPS - 1, 1e38, "optimizer/adam/svg_encoder_stage_0_conv_kernel_velocity"),
    ],
)
def test_what_breaks_the_weights_under_a_finite_loss_is_not_saved(numeric, broken, step, value, what):
    broken(value, step, step + 1)
    config = numeric("pixel", seed=1)  # a model of its own, traced with these gradients
    assert _check(config).startswith(what)
    assert checkpoints.steps(config.run_dir)[-1] == step


def test_a_step_that_float16_skips_is_no_error(numeric, broken):
    broken(np.inf, 6, 8)
    config = numeric("pixel", seed=1, mixed_precision="float16")
    assert _check(config) == "finite"
    arrays = checkpoints.read(checkpoints.path_of(config.run_dir, STEPS))
    assert arrays["optimizer/loss_scale/dynamic_scale"] == 2.0**13
    assert arrays["optimizer/adam/iteration"] == STEPS - 2


def test_steps_that_float16_skips_without_end_are_an_error(numeric, broken):
    broken(np.nan, 6, STEPS)
    config = numeric("pixel", seed=1, mixed_precision="float16")
    assert _check(config).startswith("the gradient in float16 at step 22 is not finite")
    assert checkpoints.steps(config.run_dir)[-1] == 21


@pytest.mark.parametrize("jit_compile", [False, True])
def test_what_is_no_number_is_not_limited_to_one(jit_compile):
    broken = tf.constant([np.nan, np.inf, -np.inf])
    stddev = tf.function(losses.stddev, jit_compile=jit_compile)(broken).numpy()
    np.testing.assert_allclose(stddev, [np.nan, np.exp(10), np.exp(-10)], rtol=1e-6)


@pytest.mark.parametrize("posterior", [-1e4, -100.0, 0.0, 100.0, 1e4])
@pytest.mark.parametrize("prior", [None, -1e4, -100.0, 0.0, 100.0, 1e4])
def test_the_kl_of_extreme_gaussians_is_the_closed_form_at_the_limits_and_its_gradient_is_finite(posterior, prior):
    shape = [3, 2, 4]
    variables = [tf.fill(shape, value) for value in (1.0, posterior, -1.0, prior or 0.0)]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        kl = losses.kl_divergence(tuple(variables[:2]), None if prior is None else tuple(variables[2:]))
    q, p = (np.clip(np.float64(logvar or 0.0), -20, 20) for logvar in (posterior, prior))
    distance = 1.0 if prior is None else 4.0
    expected = 12 * 0.5 * (p - q - 1 + (np.exp(q) + distance) / np.exp(p))
    np.testing.assert_allclose(kl, expected, rtol=1e-5, atol=1e-5)
    assert all(np.all(np.isfinite(g)) for g in tape.gradient(kl, variables) if g is not None)


@pytest.mark.parametrize("levels", [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.5, 0.5)])
def test_ssim_and_psnr_of_constant_frames_are_numbers(levels):
    one, other = (tf.fill([1, 2, 32, 32, 1], level) for level in levels)
    assert np.all(np.isfinite(psnr(one, other))) and np.all(np.isfinite(ssim(one, other)))
    if levels[0] == levels[1]:
        np.testing.assert_allclose(ssim(one, other), 1.0, rtol=1e-6)


@pytest.mark.parametrize("logvar", [-1e4, 100.0, 1e4])
def test_an_untrained_model_of_extreme_variances_draws_frames(numeric, logvar):
    config = numeric("noise")
    model = training.compiled_model(config)
    _set_heads(model, (1e3, -1e3), (logvar, logvar))
    for kind in ("black", "noise"):
        frames = rollout.generate(model, _clips(kind, config)[:, : config.n_past], 5, noise.sample_seeds(0, [0, 1], 2))
        assert np.all((frames.frames.numpy() >= 0) & (frames.frames.numpy() <= 1))
        assert np.all(np.isfinite(rollout.reconstruct(model, _clips(kind, config))))
