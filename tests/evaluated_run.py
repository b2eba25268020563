"""A run with one checkpoint of random weights, and its evaluation, for the tests of evaluation."""

import contextlib
import csv
import functools
import json
import os

import numpy as np
import pytest
from conftest import SMALL

from svg_tf.config import Config
from svg_tf.evaluation import evaluate as evaluate_module
from svg_tf.evaluation import predictors
from svg_tf.evaluation.evaluate import Options, evaluate
from svg_tf.models.svg import SVG
from svg_tf.training import checkpoints


@contextlib.contextmanager
def kept_models():
    """Keeps models and training means by configuration: weights are read anew, but tracing takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_module, "SVG", functools.cache(SVG))
        patch.setattr(predictors, "training_mean", functools.cache(predictors.training_mean))
        yield


def make_run(folder, **changes):
    """The configuration of a run with a checkpoint of step 12 in folder."""
    config = Config(**{**SMALL, "run_dir": str(folder), **changes})
    model = evaluate_module.SVG(config)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:  # as far from 0 as those of a trained model
            spread = rng.standard_normal(variable.shape) / np.sqrt(np.prod(variable.shape[:-1]))
            variable.assign(spread.astype(np.float32))
    model.updates.assign(12)
    config.save(config.run_dir)
    variables = checkpoints.named_variables(model, training_state=False)
    arrays = {name: variable.numpy() for name, variable in variables.items()}
    checkpoints.save(checkpoints.path_of(config.run_dir, 12), arrays)
    return config


def run_evaluation(config, folder="evaluation", **options):
    options = Options(**{"n_clips": 3, "n_samples": 4, "n_examples": 2, **options})
    return evaluate(config, options, os.path.join(config.run_dir, folder))


def _read(config, name, folder="evaluation"):
    with open(os.path.join(config.run_dir, folder, name), "rb") as file:
        return file.read()


def tables(config, folder="evaluation"):
    """The bytes of all that was written, less the date of metrics.json."""
    metrics = json.loads(_read(config, "metrics.json", folder))
    metrics.pop("date")
    with np.load(os.path.join(config.run_dir, folder, "examples.npz")) as examples:
        arrays = {name: examples[name].tobytes() for name in examples.files}
    return metrics, _read(config, "per_frame.csv", folder), _read(config, "per_clip.csv", folder), arrays


def csv_rows(config, name, folder="evaluation"):
    return list(csv.DictReader(_read(config, name, folder).decode().splitlines()))


def model_of(config):
    model = evaluate_module.SVG(config)
    checkpoints.load_weights(model, config.run_dir)
    return model


def by_name(metrics):
    return {row["name"]: row for row in metrics["table"]}
