"""Training where numbers run away: it stays finite or says what did not, and what it saved is sound."""

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.training import checkpoints
from svg_tf.training import train as training
from svg_tf.training.callbacks import Futures, NonFiniteError

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


@pytest.fixture
def numeric(small, kept_models, monkeypatch):
    """Make a configuration that is trained on clips of a kind."""

    def make(kind, **changes):
        config = small(epochs=1, steps_per_epoch=STEPS, checkpoint_every=1, keep_checkpoints=2, **changes)
        data = tf.data.Dataset.from_tensors(_clips(kind, config)).repeat()
        monkeypatch.setattr(training, "make_dataset", lambda *_, **__: data)
        monkeypatch.setattr(Futures, "on_epoch_end", lambda *_, **__: None)
        return config

    return make


def _all(model):
    return [*model.variables, *model.optimizer.variables]


def _check(config):
    """Check that a run ends, or stops with a reason, and again when resumed; return how it ended."""
    try:
        model = training.train(config)
    except NonFiniteError as error:
        reason = str(error)
    else:
        reason = ""
        assert int(model.step) == STEPS
        assert all(np.all(np.isfinite(variable.numpy())) for variable in _all(model))
    saved = checkpoints.steps(config.run_dir)
    for step in saved:
        arrays = checkpoints.read(checkpoints.path_of(config.run_dir, step))
        assert all(np.all(np.isfinite(array)) for array in arrays.values())
        assert int(arrays["model/svg/step"]) == step
    if not reason:
        assert saved[-1] == STEPS
        return "finite"
    assert "is not finite" in reason
    if saved:
        latest = checkpoints.path_of(config.run_dir, saved[-1])
        assert f"the last good checkpoint is {latest}." in reason
        checkpoints.load_weights(training.compiled_model(config), config.run_dir, "latest")
    else:
        assert "the last good checkpoint is missing" in reason
    with pytest.raises(NonFiniteError) as again:
        training.train(config)
    assert str(again.value) == reason and checkpoints.steps(config.run_dir) == saved
    return reason


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["black", "constant", "pixel", "noise"])
@pytest.mark.parametrize("mixed_precision", ["off", "bfloat16", "float16"])
def test_high_learning_rates_stay_finite_or_stop_with_a_reason(numeric, kind, mixed_precision):
    print(f"{kind}, {mixed_precision}: {_check(numeric(kind, learning_rate=0.2, mixed_precision=mixed_precision))}")


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
def broken(kept_models):
    """Add a value to the gradients of the steps from one to before another."""
    value, steps = tf.Variable(0.0), tf.Variable([0, 0], dtype=tf.int64)

    def changed(config):
        model = kept_models(config)
        apply = model.optimizer.apply

        def apply_changed(gradients, variables):
            hit = (model.step.value >= steps[0]) & (model.step.value < steps[1])
            apply([gradient + tf.where(hit, value, 0.0) for gradient in gradients], variables)

        if not hasattr(apply, "changed"):
            apply_changed.changed = True
            model.optimizer.apply = apply_changed
        return model

    def set_to(added, first, end):
        value.assign(added)
        steps.assign([first, end])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "compiled_model", changed)
        yield set_to


@pytest.mark.parametrize(
    ("step", "value", "what"),
    [
        (6, np.nan, "model/svg/encoder/stage_0/conv/kernel"),
        (6, np.inf, "model/svg/encoder/stage_0/conv/kernel"),
        (6, 1e38, "optimizer/adam/svg_encoder_stage_0_conv_kernel_velocity"),  # its square
        (STEPS - 1, np.nan, "val_kl at step 30"),
        (STEPS - 1, 1e38, "optimizer/adam/svg_encoder_stage_0_conv_kernel_velocity"),
    ],
)
def test_broken_weights_under_a_finite_loss_are_not_saved(numeric, broken, step, value, what):
    broken(value, step, step + 1)
    config = numeric("pixel", seed=1)  # another model than above, traced with these gradients
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
