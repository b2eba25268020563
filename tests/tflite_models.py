"""Small models converted in the test's own process, which spares TensorFlow's import for each."""

import importlib.util
import os

import pytest

from svg_tf.models.svg import SVG
from svg_tf.tflite import converter as tflite_converter
from svg_tf.tflite import module as tflite_module

KINDS = [
    {"prior": "learned", "predictor_layers": 2},
    {"prior": "fixed", "backbone": "vgg"},
    {"prior": "none", "channels": 3, "dataset": "videos", "digits": "mnist", "num_digits": 2, "digit_size": 32},
    {"skip_frame": "every", "prior_layers": 2},
    {"skip_frame": "original", "backbone": "vgg"},
    {"n_past": 1},
    {"n_past": 2, "rnn_size": 128},
]

needs_interpreter = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None, reason="ai-edge-litert, the interpreter, is not installed"
)


def make(small, trained_statistics, **changes) -> SVG:
    return trained_statistics(SVG(small(**changes)))


def convert(
    model, folder, variant="float32", horizon=4, looped=True, names=("observe", "step", "rollout"), calibration=""
):
    """Saves and converts a model; the file's path."""
    saved_model, out = os.path.join(folder, "saved"), os.path.join(folder, f"{variant}.tflite")
    tflite_module.save(model, saved_model, horizon, looped=looped)
    tflite_converter.main(saved_model, variant, calibration, out, *names)
    return out
