"""Exports a model as a SavedModel for TensorFlow Serving."""

import hashlib
import json
import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

import svg_tf
from svg_tf import noise, rollout
from svg_tf.models.svg import SVG
from svg_tf.serving import ExportError, inspection, saving, signatures, versions, warmup
from svg_tf.serving.signatures import Limits

MODEL_NAME = "svg"
MANIFEST = os.path.join("assets.extra", "manifest.json")
_LARGEST_DIFFERENCE = 1e-5  # between pixels of the SavedModel and of the model, in [0, 1]


def export(model: SVG, base: str, limits: Limits, *, version: int | None = None, origin: str = "") -> str:
    """Write `base/<version>`, checked, or nothing.

    The SavedModel is published after its operations and weights have been checked (`inspection`) and a session has
    drawn the same frames from it as the model.

    Args:
        model: a trained model; the SavedModel computes in float32.
        base: folder of the versions, the server's base path of the model.
        limits: sizes fixed at export.
        version: 1 or greater; None is the latest plus one.
        origin: names of the run or preset and of the checkpoint, for the manifest.

    Returns:
        The path of the version.

    Raises:
        ExportError: the version exists, the folder cannot be written, or the SavedModel fails a check.
    """
    versions.check(base, version)
    if limits.n_samples > limits.max_samples or limits.n_samples * limits.horizon > limits.max_frames:
        raise ExportError(f"serving_default exceeds its own limits, {limits}; lower n_samples or horizon")
    if model.dtype_policy.compute_dtype != "float32":
        model = saving.float32_copy(model)  # REST has no half precision, and it is slower on CPUs
    logging.info("tracing the signatures")
    functions = signatures.build(model, limits)
    weight_bytes = sum(weight.numpy().nbytes for weight in model.weights)

    def write(folder: str) -> None:
        saving.save(model, functions, folder)
        inspection.check(folder, weight_bytes)
        check_frames(folder, model)
        os.makedirs(os.path.join(folder, "assets.extra"))
        warmup.write(os.path.join(folder, "assets.extra", warmup.FILE), functions, MODEL_NAME)
        content = json.dumps(_manifest(folder, model, functions, limits, origin), indent=2)
        with open(os.path.join(folder, MANIFEST), "w", encoding="utf-8") as file:
            file.write(content + "\n")

    try:
        return versions.publish(base, version, write)
    except tf.errors.OpError as error:  # TensorFlow writes through its own file system layer
        raise ExportError(f"{base} cannot be written: {error.message}") from None


def check_frames(folder: str, model: SVG) -> None:
    """Check that a SavedModel, run in a session, draws the frames of the model.

    Raises:
        ExportError: it does not run, or the frames differ.
    """
    shape = [1, model.n_past, model.image_size, model.image_size, model.channels]
    context, seeds = np.random.default_rng(0).random(shape, np.float32), noise.sample_seeds(0, [0], 1)
    inputs = {"context": context, "seeds": seeds, "horizon": np.array([2], np.int32)}
    try:
        with saving.quiet():
            frames = inspection.run_in_session(folder, "futures", inputs)["frames"]
    except tf.errors.OpError as error:
        raise ExportError(f"the SavedModel does not run in a session: {error.message}") from None
    difference = np.abs(frames - rollout.generate(model, context, 2, seeds).frames.numpy()).max()
    if not difference <= _LARGEST_DIFFERENCE:
        raise ExportError(f"the exported frames differ from the model's by {difference:.2g}")


def _manifest(folder: str, model: SVG, functions: saving.Signatures, limits: Limits, origin: str) -> dict[str, Any]:
    """Describe a SavedModel for people and scripts; a server ignores the file. It holds no paths of this machine."""
    paths = [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return {
        "model": model.get_config(),
        "origin": origin,
        "training_step": int(model.step.numpy()),
        "limits": limits._asdict(),
        "signatures": {name: _described(function) for name, function in functions.items()},
        "versions": {"svg_tf": svg_tf.__version__, "tensorflow": tf.__version__, "keras": keras.__version__},
        "sha256": {os.path.relpath(path, folder): sha256(path) for path in sorted(paths)},
    }


def _described(function: Any) -> dict[str, Any]:
    sides = {"inputs": saving.inputs_of(function), "outputs": function.structured_outputs}
    return {
        side: {name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()} for name, spec in specs.items()}
        for side, specs in sides.items()
    }


def sha256(path: str) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
