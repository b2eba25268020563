"""A run with one checkpoint of random weights, and its evaluation, for the tests of evaluation."""

import contextlib
import csv
import functools
import json
import os

import numpy as np
import pytest
from conftest import SMALL, enliven

from svg_tf.config import Config
from svg_tf.evaluation import definitions, scoring
from svg_tf.evaluation import evaluate as evaluate_module
from svg_tf.evaluation.evaluate import Options, evaluate
from svg_tf.training import checkpoints
from svg_tf.training.run import model_from_config


@contextlib.contextmanager
def kept_parts():
    """Compute four metrics; keep classifiers and traced sources between evaluations: making them takes seconds."""
    kept = {}

    def clips(setting, n_clips=0):
        key = (setting.config, setting.n_clips, setting.reflected, n_clips)
        return kept.get(key) or kept.setdefault(key, scoring_clips(setting, n_clips))

    scoring_clips = scoring.TestClips
    metrics = [definitions.PSNR, definitions.PSNR_VIDEO, definitions.SSIM, definitions.MSE]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "TestClips", clips)
        patch.setattr(scoring, "training_mean", functools.cache(scoring.training_mean))
        patch.setattr(definitions, "METRICS", metrics)
        patch.setattr(evaluate_module, "DigitIdentity", functools.cache(evaluate_module.DigitIdentity))
        yield


def make_run(folder, **changes):
    """Return the configuration of a run with a checkpoint of step 12 in folder."""
    config = Config(**{**SMALL, "run_dir": str(folder), **changes})
    model = enliven(model_from_config(config))
    model.step.assign(12)
    config.save(config.run_dir)
    variables = checkpoints.named_variables(model, training_state=False)
    arrays = {name: variable.numpy() for name, variable in variables.items()}
    checkpoints.save(checkpoints.path_of(config.run_dir, 12), arrays)
    return config


@functools.cache
def model_of(config):
    """Return the model of a run. It is kept: tracing takes seconds."""
    model = model_from_config(config)
    checkpoints.load_weights(model, config.run_dir, "latest")
    return model


def run_evaluation(config, folder="evaluation", model=None, compared=None, **options):
    options = Options(**{"n_clips": 3, "n_samples": 4, **options})
    return evaluate(config, options, os.path.join(config.run_dir, folder), model or model_of(config), compared)


def read(config, name, folder="evaluation"):
    with open(os.path.join(config.run_dir, folder, name), "rb") as file:
        return file.read()


def tables(config, folder="evaluation"):
    """Return the content of all files, without the date of metrics.json."""
    metrics = json.loads(read(config, "metrics.json", folder))
    metrics.pop("date")
    with np.load(os.path.join(config.run_dir, folder, "examples.npz")) as examples:
        arrays = {name: examples[name].tobytes() for name in examples.files}
    return metrics, read(config, "per_clip.csv", folder), read(config, "per_frame.csv", folder), arrays


def csv_rows(config, name, folder="evaluation"):
    return list(csv.DictReader(read(config, name, folder).decode().splitlines()))


def by_name(metrics):
    return {row["name"]: row for row in metrics["table"]}
