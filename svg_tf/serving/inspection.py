"""Whether a SavedModel is one that a server can run, found out before it is published."""

import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from svg_tf.serving.error import ExportError

_DENIED = {
    "call Python, which no server has": "EagerPyFunc PyFunc PyFuncStateless",
    "draw random numbers that no seed of a request decides": "Multinomial NonDeterministicInts "
    "ParameterizedTruncatedNormal RandomGamma RandomPoisson RandomPoissonV2 RandomShuffle RandomStandardNormal "
    "RandomUniform RandomUniformInt RngReadAndSkip RngSkip StatefulRandomBinomial StatefulStandardNormal "
    "StatefulStandardNormalV2 StatefulTruncatedNormal StatefulUniform StatefulUniformFullInt StatefulUniformInt "
    "TruncatedNormal",
    "draw other numbers when XLA compiles them": "StatelessRandomNormal StatelessRandomNormalV2 "
    "StatelessTruncatedNormal StatelessTruncatedNormalV2",
    "need a compiler that a server has switched off": "XlaCallModule XlaLaunch XlaLaunchV2 XlaSvdOp",
    "touch files, or print": "Print PrintV2 ReadFile WriteFile",
}
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def check(folder: str, weight_bytes: int) -> None:
    """Checks the operations of a SavedModel, and that it holds its weights once.

    Args:
        folder: the SavedModel.
        weight_bytes: size of the model's weights.

    Raises:
        ExportError: an operation does not run in a server, or the weights are not there once.
    """
    nodes = _nodes(folder)
    used = {node.op for node in nodes}
    for reason, names in _DENIED.items():
        for name in sorted(used & set(names.split())):
            raise ExportError(f"{folder} uses the operation {name}: such operations {reason}")
    if any(node.attr["_XlaMustCompile"].b for node in nodes):
        raise ExportError(f"{folder} has a function with jit_compile=True, which a server does not compile")
    for name in sorted(used - set(dir(tf.raw_ops))):
        raise ExportError(f"{folder} uses {name}, which is no operation of TensorFlow itself")
    stored = stored_bytes(folder)
    if stored != weight_bytes:
        raise ExportError(f"{folder} stores {stored} bytes of weights, but the model has {weight_bytes}")


def stored_bytes(folder: str) -> int:
    """Bytes of all variables that a SavedModel stores."""
    reader = tf.train.load_checkpoint(os.path.join(folder, "variables", "variables"))
    types = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    return sum(types[name].size * int(np.prod(shape)) for name, shape in shapes.items() if name != _OBJECT_GRAPH)


def run_in_session(folder: str, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Runs a signature in a session, which restores the weights by their names as a server does.

    `tf.saved_model.load` restores them by the objects that hold them, and so runs models that a server cannot.
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        definition = meta_graph.signature_def[signature]
        feeds = {definition.inputs[name].name: value for name, value in inputs.items()}
        return session.run({name: info.name for name, info in definition.outputs.items()}, feeds)


def _nodes(folder: str) -> list[NodeDef]:
    saved = SavedModel()
    with open(os.path.join(folder, "saved_model.pb"), "rb") as file:
        saved.ParseFromString(file.read())
    graph = saved.meta_graphs[0].graph_def
    return [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
