"""What an artefact is made of: `assets.extra/manifest.json`, for people and scripts; a server passes over it."""

import hashlib
import json
import os
from importlib import metadata
from typing import Any

import svg_tf
from svg_tf import files
from svg_tf.config import Config
from svg_tf.serving.request_checks import Limits
from svg_tf.serving.signatures import Signatures, inputs_of

PATH = os.path.join("assets.extra", "manifest.json")


def write(
    folder: str,
    config: Config,
    checkpoint: dict[str, Any],
    limits: Limits,
    signatures: Signatures,
    recalibration: dict[str, Any] | None,
) -> None:
    """Describes a SavedModel and every file of it, as the last of its files.

    Args:
        folder: the SavedModel.
        config: the run's configuration.
        checkpoint: the weights' file, its sha256 and its step.
        limits: what requests are held to.
        signatures: their inputs and outputs are listed with dtypes and shapes, null where a size is free.
        recalibration: what the new statistics of batch normalisation changed, or None.
    """
    versions = {name: metadata.version(name) for name in ("tensorflow", "keras")}
    content = {
        "config": json.loads(config.to_json()),
        "checkpoint": checkpoint,
        "recalibration": recalibration,
        "limits": limits._asdict(),
        "signatures": {name: _described(function) for name, function in signatures.items()},
        "versions": {"svg_tf": svg_tf.__version__, **versions},
        "files": {os.path.relpath(path, folder): sha256(path) for path in sorted(_paths(folder))},
    }
    files.write_text(os.path.join(folder, PATH), json.dumps(content, indent=2) + "\n")


def sha256(path: str) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _paths(folder: str) -> list[str]:
    return [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]


def _described(function: Any) -> dict[str, Any]:
    sides = {"inputs": inputs_of(function), "outputs": function.structured_outputs}
    return {
        side: {name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()} for name, spec in specs.items()}
        for side, specs in sides.items()
    }
