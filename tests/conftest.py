"""Small configurations and models that most tests share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
from lively_weights import enliven

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
    """Makes a configuration that trains in seconds, with changes: small(prior="fixed")."""
    return lambda **changes: Config(**{**SMALL, "run_dir": str(tmp_path / "run"), **changes})


@pytest.fixture
def clips():
    """Makes random clips: uint8 [B, T, H, W, C]."""

    def make(config, batch=2, frames=None, seed=0):
        shape = [batch, frames or config.n_frames, config.image_width, config.image_width, config.channels]
        return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)

    return make


@pytest.fixture
def trained_statistics():
    """Gives a model's weights and batch statistics the spread of a trained one, so that no path is nearly dead."""
    return enliven
