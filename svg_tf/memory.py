"""A forecast of the memory that a training step needs, from its graph and without running it."""

from typing import NamedTuple

import tensorflow as tf

from svg_tf.config import Config
from svg_tf.models.svg import SVG

# The output is the input's memory under another shape or name.
_ALIASES = frozenset({"Reshape", "Identity", "IdentityN", "ExpandDims", "Squeeze", "StopGradient", "PreventGradient"})
# The output may take an input's memory over, if nothing else needs that input.
_ELEMENTWISE = frozenset(
    {"Add", "AddV2", "AddN", "Sub", "Mul", "RealDiv", "BiasAdd", "Tanh", "Sigmoid", "LeakyRelu", "Square", "Sqrt"}
    | {"LeakyReluGrad", "TanhGrad", "SigmoidGrad", "SquaredDifference", "Maximum", "Minimum", "Neg", "Rsqrt"}
)
# Kernels' scratch and what runs at the same time, on two CPU cores: the SM-MNIST model took 60 MiB more for each clip
# of the batch, by its resident memory with 8 and with 16 clips, where its graph alone says 46.
_SCRATCH = 1.3
_VARIABLES = frozenset({"Placeholder", "ReadVariableOp", "Const"})


class Forecast(NamedTuple):
    """Bytes of a training step at its largest."""

    weights: int  # trainable or not, float32
    optimizer: int  # Adam's two moments
    activations: int  # whatever is alive at once at the worst moment, gradients included

    @property
    def total(self) -> int:
        """All of it, without the framework itself."""
        return sum(self)


def forecast(model: SVG, config: Config) -> Forecast:
    """Follows the tensors of the compiled model's training step in the order of its graph.

    Each is counted from the operation that makes it to the last that reads it.
    """
    shape = [config.batch_size, config.n_frames, config.image_width, config.image_width, config.channels]
    graph = tf.function(model.train_step).get_concrete_function(tf.TensorSpec(shape, tf.uint8)).graph
    return Forecast(
        weights=sum(_bytes(variable.value) for variable in model.variables),
        optimizer=sum(_bytes(variable.value) for variable in model.optimizer.variables),
        activations=int(_SCRATCH * _peak(graph.get_operations())),
    )


def _peak(operations: list[tf.Operation]) -> int:
    owner: dict[str, str] = {}  # tensor -> the tensor whose memory it uses
    last_use: dict[str, int] = {}
    for position, operation in enumerate(operations):
        for tensor in operation.inputs:
            last_use[_root(owner, tensor.name)] = position
        aliased = operation.type in _ALIASES and len(operation.inputs) > 0
        for index, tensor in enumerate(operation.outputs):
            owner[tensor.name] = _root(owner, operation.inputs[index].name) if aliased else tensor.name
    dying: dict[int, list[str]] = {}
    for name, position in last_use.items():
        dying.setdefault(position, []).append(name)
    sizes: dict[str, int] = {}
    alive = peak = 0
    for position, operation in enumerate(operations):
        freed = [name for name in dying.get(position, []) if name in sizes]
        made = 0
        for tensor in operation.outputs:
            if owner[tensor.name] == tensor.name and operation.type not in _VARIABLES and tensor.name in last_use:
                sizes[tensor.name] = _bytes(tensor)
                made += sizes[tensor.name]
        inside = max((_peak(graph.get_operations()) for graph in _bodies(operation)), default=0)
        taken_over = operation.type in _ELEMENTWISE and any(sizes[name] == made for name in freed)
        peak = max(peak, alive + inside + (0 if taken_over else made))
        alive += made - sum(sizes[name] for name in freed)
    return peak


def _bodies(operation: tf.Operation) -> list[tf.Graph]:
    """The graphs that an operation runs: a loop's body."""
    if operation.type not in ("While", "StatelessWhile"):
        return []
    return [operation.graph._get_function(operation.get_attr("body").name).graph]


def _root(owner: dict[str, str], name: str) -> str:
    return owner.get(name, name)


def _bytes(tensor: tf.Tensor) -> int:
    elements = tensor.shape.num_elements() if tensor.shape.rank is not None else None
    return (elements or 0) * tensor.dtype.size
