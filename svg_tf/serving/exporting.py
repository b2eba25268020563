"""Export a model as a SavedModel for TensorFlow Serving, and check that a server can run it."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import svg_tf
from svg_tf import noise, rollout
from svg_tf.models.svg import SVG
from svg_tf.serving import ExportError, saving, signatures, versions
from svg_tf.serving.signatures import Limits

_LARGEST_DIFFERENCE = 1e-5  # between pixels of the SavedModel and of the model, in [0, 1]
_PYTHON = ["EagerPyFunc", "PyFunc", "PyFuncStateless"]
_UNSEEDED = ["RandomStandardNormal", "RandomUniform", "StatefulStandardNormalV2", "StatefulUniform", "TruncatedNormal"]
_REFUSED = {
    **dict.fromkeys(_PYTHON, "calls Python; use TensorFlow operations"),
    **dict.fromkeys(_UNSEEDED, "draws numbers whose seed is not in the request; use svg_tf.noise"),
}


def export(model: SVG, base: str, limits: Limits, *, version: int | None = None, origin: str = "") -> str:
    """Write a SavedModel to `base/<version>`, which appears once it is complete and checked; return this path.

    The checks: a server can run its operations, each weight is stored once, and a session draws the model's frames.

    Args:
        model: a trained model; the SavedModel computes in float32.
        base: folder of the versions, the server's base path of the model.
        limits: sizes fixed at export.
        version: 1 or greater; None is the latest plus one.
        origin: names of the run or preset and of the checkpoint, for the manifest.

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

    def write(folder: str) -> None:
        saving.save(model, functions, folder)
        check_operations_and_weights(folder, sum(weight.numpy().nbytes for weight in model.weights))
        check_frames(folder, model)
        extra = Path(folder, "assets.extra")
        extra.mkdir()
        _write_warmup_requests(str(extra / "tf_serving_warmup_requests"), functions)
        manifest = json.dumps(_manifest(folder, model, functions, limits, origin), indent=2)
        (extra / "manifest.json").write_text(manifest, encoding="utf-8")

    try:
        return versions.publish(base, version, write)
    except tf.errors.OpError as error:  # TensorFlow writes through its own file system layer
        raise ExportError(f"{base} cannot be written: {error.message}") from None


def check_operations_and_weights(folder: str, weight_bytes: int) -> None:
    """Raise ExportError if a SavedModel has operations that a server refuses, or does not store each weight once."""
    with open(os.path.join(folder, "saved_model.pb"), "rb") as file:
        graph = SavedModel.FromString(file.read()).meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    for name in {node.op for node in nodes} & _REFUSED.keys():
        raise ExportError(f"the model uses the operation {name}, which {_REFUSED[name]}")
    if any(node.attr["_XlaMustCompile"].b for node in nodes):
        raise ExportError("the model has a function with jit_compile=True, which a server refuses to run; remove it")
    reader = tf.train.load_checkpoint(os.path.join(folder, "variables", "variables"))
    types, shapes = reader.get_variable_to_dtype_map(), reader.get_variable_to_shape_map()
    del shapes["_CHECKPOINTABLE_OBJECT_GRAPH"]  # describes the variables
    stored = sum(types[name].size * int(np.prod(shape)) for name, shape in shapes.items())
    if stored != weight_bytes:
        raise ExportError(f"the SavedModel stores {stored:,} bytes of weights, but the model has {weight_bytes:,}")


def check_frames(folder: str, model: SVG) -> None:
    """Raise ExportError if a SavedModel does not draw the frames of the model in a session."""
    shape, seeds = [1, model.n_past, model.image_size, model.image_size, model.channels], noise.sample_seeds(0, [0], 1)
    context = np.random.default_rng(0).random(shape, np.float32)
    inputs = {"context": context, "seeds": seeds, "horizon": np.array([2], np.int32)}
    try:
        with saving.quiet():
            frames = run_in_session(folder, "futures", inputs)["frames"]
    except tf.errors.OpError as error:
        raise ExportError(f"the SavedModel does not run in a session: {error.message}") from None
    difference = np.abs(frames - rollout.generate(model, context, 2, seeds).frames.numpy()).max()
    if not difference <= _LARGEST_DIFFERENCE:
        raise ExportError(f"the exported frames differ from the model's by {difference:.2g}")


def run_in_session(folder: str, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run a signature in a TensorFlow 1 session, which restores variables by name as a server does.

    `tf.saved_model.load` restores them by object, and so runs models that a server cannot run.
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        definition = meta_graph.signature_def[signature]
        feeds = {definition.inputs[name].name: value for name, value in inputs.items()}
        return session.run({name: info.name for name, info in definition.outputs.items()}, feeds)


def _manifest(folder: str, model: SVG, functions: saving.Signatures, limits: Limits, origin: str) -> dict[str, Any]:
    """Describe a SavedModel for people and scripts; a server ignores the file. It holds no local paths."""

    def described(specs: Mapping[str, Any]) -> dict[str, Any]:
        return {key: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()} for key, spec in specs.items()}

    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {
        "model": model.get_config(),
        "origin": origin,
        "training_step": int(model.step.numpy()),
        "limits": limits._asdict(),
        "signatures": {
            name: {"inputs": described(saving.inputs_of(function)), "outputs": described(function.structured_outputs)}
            for name, function in functions.items()
        },
        "versions": {"svg_tf": svg_tf.__version__, "tensorflow": tf.__version__, "keras": keras.__version__},
        "sha256": {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
    }


def _write_warmup_requests(path: str, functions: saving.Signatures) -> None:
    """Write the smallest request of each signature: one black context, one future, one frame where T is free.

    A server runs them while it loads the model, so that the first client does not wait for lazy initialization. The
    `tensorflow.serving.PredictionLog` messages are encoded here because tensorflow-serving-api is optional.
    """
    image = saving.inputs_of(functions["future"])["context"].shape[2:]
    png = tf.io.encode_png(np.zeros(image, np.uint8)).numpy()
    with tf.io.TFRecordWriter(path) as writer:
        for signature, function in functions.items():
            # model_spec (1) with name (1) and signature_name (3), then inputs (2)
            request = _field(1, _field(1, b"svg") + _field(3, signature.encode()))
            for name, spec in saving.inputs_of(function).items():
                smallest = {"context_bytes": png, "horizon": 1}.get(name, 0)
                value = np.full([size or 1 for size in spec.shape], smallest, spec.dtype.as_numpy_dtype)
                tensor = tf.make_tensor_proto(value).SerializeToString()
                request += _field(2, _field(1, name.encode()) + _field(2, tensor))
            writer.write(_field(6, _field(1, request)))  # predict_log (6), request (1)


def _field(number: int, data: bytes) -> bytes:
    """Encode one length-delimited field of a protocol buffer."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Encode seven bits a byte, lowest first; the eighth bit is set on all but the last byte."""
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + _varint(value >> 7)
