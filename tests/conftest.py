"""Small configurations, models and clips that most tests share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

from svg_tf.config import Config

SMALL = {
    "digits": "embedded",
    "num_digits": 1,
    "digit_size": 16,
    "image_width": 32,
    "base_width": 4,
    "g_dim": 8,
    "z_dim": 3,
    "rnn_size": 8,
    "n_past": 3,
    "n_future": 4,
    "n_eval": 9,
    "batch_size": 2,
    "epochs": 2,
    "steps_per_epoch": 4,
    "validation_steps": 1,
    "n_samples": 2,
}


@pytest.fixture
def small(tmp_path):
    """Make a configuration that trains in seconds, with changes: small(prior="fixed")."""
    return lambda **changes: Config(**{**SMALL, "run_dir": str(tmp_path / "run"), **changes})


@pytest.fixture
def clips():
    """Make random clips: clips(config) -> uint8 [B, T, H, W, C]."""

    def make(config, batch=2, frames=None, seed=0):
        shape = [batch, frames or config.n_frames, config.image_width, config.image_width, config.channels]
        return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)

    return make


TINY = {"image_size": 32, "base_width": 4, "g_dim": 8, "z_dim": 3, "rnn_size": 8, "n_past": 3}


@pytest.fixture
def tiny():
    """Make a model that runs in milliseconds, with changes: tiny(prior="fixed")."""
    from svg_tf.models.svg import SVG

    return lambda **changes: SVG(**{**TINY, **changes})


@pytest.fixture
def lively(tiny):
    """Like tiny, with weights and statistics as spread out as those of a trained model, so that every path matters."""
    return lambda **changes: enliven(tiny(**changes))


@pytest.fixture
def frames():
    """Make random clips: frames(model) -> uint8 [B, T, H, W, C]."""

    def make(model, batch=2, length=7, seed=0):
        shape = [batch, length, model.image_size, model.image_size, model.channels]
        return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)

    return make


@pytest.fixture
def trained_statistics():
    """Spread out the weights and statistics of a model like those of a trained one."""
    return enliven


def enliven(model, seed=0):
    """Assign random weights and statistics to a model, keep its step, and return it."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.path.endswith("/step"):
            continue
        value = rng.standard_normal(variable.shape)
        if variable.path.endswith("moving_variance"):
            value = 0.5 + rng.random(variable.shape)
        elif len(variable.shape) > 1:
            value /= np.sqrt(np.prod(variable.shape[:-1]))
        elif variable.path.endswith("gamma"):
            value = 1 + 0.1 * value
        else:
            value *= 0.1
        variable.assign(value.astype(np.float32))
    return model


@pytest.fixture(scope="module")
def kept_models():
    """Let training.train reuse the models of earlier tests, with their first weights: tracing a step takes seconds."""
    import functools

    from svg_tf.training import loop
    from svg_tf.training import train as training

    def state(model):
        return [
            *model.variables,
            *model.optimizer.variables,
            *(v for metric in model.metrics for v in metric.variables),
        ]

    @functools.cache
    def make(config):
        model = original(config)
        return model, [variable.numpy() for variable in state(model)]

    def again(config):
        same = {"run_dir": "any", "checkpoint_every": 1, "keep_checkpoints": 1, "validation_steps": 1}
        same |= {"best_by": "val_loss", "n_samples": 1}
        if config.learning_rate_schedule == "constant":
            same |= {"epochs": 1, "steps_per_epoch": 1}
        model, first = make(config.replace(**same))
        for variable, value in zip(state(model), first, strict=True):
            variable.assign(value)
        return model

    original = training.compiled_model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "compiled_model", again)
        patch.setattr(loop, "on_all_replicas", functools.cache(loop.on_all_replicas))
        yield again
