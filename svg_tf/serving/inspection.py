"""Checks that TensorFlow Serving can run a SavedModel, before it is published."""

import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from svg_tf.serving import ExportError

_FORBIDDEN = {
    "calls Python, which no server has": {"EagerPyFunc", "PyFunc", "PyFuncStateless"},
    "is a random operation without a seed from the request": {
        "RandomStandardNormal",
        "RandomUniform",
        "RandomUniformInt",
        "StatefulStandardNormalV2",
        "StatefulUniform",
        "StatefulUniformInt",
        "TruncatedNormal",
    },
    "draws other numbers when XLA compiles it": {"StatelessRandomNormalV2", "StatelessTruncatedNormalV2"},
    "reads or writes files, or prints": {"Print", "PrintV2", "ReadFile", "WriteFile"},
}
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def check(folder: str, weight_bytes: int) -> None:
    """Check the operations of a SavedModel, and that each weight is stored once.

    Args:
        folder: the SavedModel.
        weight_bytes: size of the model's weights.

    Raises:
        ExportError: an operation does not run on a server, or the weights are missing or stored twice.
    """
    with open(os.path.join(folder, "saved_model.pb"), "rb") as file:
        graph = SavedModel.FromString(file.read()).meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    operations = {node.op for node in nodes}
    for reason, names in _FORBIDDEN.items():
        for name in sorted(operations & names):
            raise ExportError(f"the model uses the operation {name}, which {reason}; replace it in the model")
    if any(node.attr["_XlaMustCompile"].b for node in nodes):
        raise ExportError("the model has a function with jit_compile=True, which a server refuses to run; remove it")
    for name in sorted(operations - set(dir(tf.raw_ops))):
        raise ExportError(f"the model uses {name}, which is not one of TensorFlow's own operations; replace it")
    stored = _stored_bytes(folder)
    if stored != weight_bytes:
        raise ExportError(f"the SavedModel stores {stored:,} bytes of weights, but the model has {weight_bytes:,}")


def run_in_session(folder: str, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run a signature in a TensorFlow 1 session, which restores variables by name as a server does.

    `tf.saved_model.load` restores them by object, and so runs models that a server cannot run.
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        definition = meta_graph.signature_def[signature]
        feeds = {definition.inputs[name].name: value for name, value in inputs.items()}
        return session.run({name: info.name for name, info in definition.outputs.items()}, feeds)


def _stored_bytes(folder: str) -> int:
    reader = tf.train.load_checkpoint(os.path.join(folder, "variables", "variables"))
    types, shapes = reader.get_variable_to_dtype_map(), reader.get_variable_to_shape_map()
    return sum(types[name].size * int(np.prod(shape)) for name, shape in shapes.items() if name != _OBJECT_GRAPH)
