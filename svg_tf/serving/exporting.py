"""From a run to a SavedModel that a server can run."""

import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from svg_tf.config import Config
from svg_tf.models.svg import SVG
from svg_tf.serving import inspection, manifest, sampler, signatures, versions, warmup
from svg_tf.serving.error import ExportError
from svg_tf.serving.quiet import quiet
from svg_tf.serving.request_checks import Limits
from svg_tf.training import checkpoints

MODEL_NAME = "svg"
_LARGEST_DIFFERENCE = 1e-5  # of a frame in [0, 1], between the saved model and the model


class Exported(NamedTuple):
    """What was written."""

    folder: str
    checkpoint: str
    weight_bytes: int
    signatures: tuple[str, ...]


def base_folder(run_dir: str) -> str:
    """Where a run keeps its versions; what a server calls the model's base path."""
    return os.path.join(run_dir, "export")


def export_run(
    config: Config,
    *,
    checkpoint: str,
    version: int | None,
    limits: Limits,
    recalibrate_bn: int = 0,
    recalibrate_over: str = "clips",
) -> Exported:
    """Writes config.run_dir/export/<version>, checked, or nothing.

    Args:
        config: of the run.
        checkpoint: best, latest or a step.
        version: 1 or more; None is the next.
        limits: what requests are held to.
        recalibrate_bn: training batches to estimate batch normalisation's statistics from anew; 0 keeps the stored.
        recalibrate_over: clips, rollouts or both; see `svg_tf.training.train.recalibration`.

    Raises:
        CheckpointError: the run has no such checkpoint, or it does not fit.
        DataError: training data is needed for the statistics, and missing.
        ExportError: the version is there already, the folder cannot be written, or the result is not what it should
            be.
    """
    base = base_folder(config.run_dir)
    versions.check_free(base, version)
    # A server takes and gives float32, and half precision is slower on a CPU.
    model = SVG(config.replace(mixed_precision="off"))
    used = checkpoints.load_weights(model, config.run_dir, checkpoint)
    report = None
    if recalibrate_bn:
        from svg_tf.training import recalibration

        report = recalibration.recalibrate(model, config, recalibrate_bn, recalibrate_over)
    origin = {"file": os.path.basename(used), "sha256": manifest.sha256(used), "step": int(model.updates.numpy())}
    logging.info("tracing the signatures of %s", used)
    functions = signatures.build(model, limits)
    trial = dict(warmup.examples(config, functions))["rollout"]
    trial["context"] = np.random.default_rng(0).random(trial["context"].shape, np.float32)
    expected = functions["rollout"](**{name: tf.constant(value) for name, value in trial.items()})["frames"].numpy()
    weight_bytes = sum(weight.numpy().nbytes for weight in model.weights)

    def write(folder: str) -> None:
        with quiet():
            # Nobody trains what is served: without the gradients that the networks define themselves.
            options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
            tf.saved_model.save(sampler.Sampler(model), folder, functions, options)
            inspection.check(folder, weight_bytes)
            check_numbers(folder, trial, expected)
        extra = os.path.join(folder, "assets.extra")
        os.makedirs(extra)
        warmup.write(os.path.join(extra, warmup.FILE), config, functions, MODEL_NAME)
        manifest.write(folder, config, origin, limits, functions, report)

    try:
        folder = versions.publish(base, version, write)
    except tf.errors.OpError as error:  # TensorFlow's own writing
        raise ExportError(f"{base} cannot be written: {error.message}") from None
    return Exported(folder, used, weight_bytes, tuple(functions))


def check_numbers(folder: str, request: Mapping[str, np.ndarray], expected: np.ndarray) -> None:
    """Checks that a SavedModel, in a session, gives the frames expected of a request to `rollout`.

    Raises:
        ExportError: it cannot be run, or the frames differ.
    """
    try:
        frames = inspection.run_in_session(folder, "rollout", request)["frames"]
    except tf.errors.OpError as error:
        raise ExportError(f"{folder} does not run in a session: {error.message}") from None
    difference = np.abs(frames - expected).max()
    if not difference <= _LARGEST_DIFFERENCE:
        raise ExportError(f"{folder} draws frames that differ from the model's by {difference}")
