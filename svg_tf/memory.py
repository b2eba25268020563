"""A forecast of the memory that training needs, from the graph of its step and without running it."""

import contextlib
import resource
import sys
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
_VARIABLES = frozenset({"Placeholder", "ReadVariableOp", "Const"})
# Measured on two CPU cores by the resident memory of processes that train, plain: 1.26 to 1.55 bytes for a byte of
# tensors. A quarter is the kernels' scratch and what runs at the same time, the rest what the allocator keeps.
_SCRATCH = 0.45
# The same of compiled steps, which moreover make new weights and slots before they let the old ones go.
_XLA_SCRATCH = 0.8
# What TensorFlow adds to the process by its first step, and what the compiler does.
_RUNTIME, _COMPILER = 80 << 20, 420 << 20


class Forecast(NamedTuple):
    """Bytes of training at its largest. The first three are the device's, whichever it is."""

    weights: int  # trainable or not, float32
    optimizer: int  # Adam's two moments
    activations: int  # tensors that are alive at once at the worst moment, gradients included
    scratch: int  # kernels and allocator, where the device is a CPU
    process: int  # Python, TensorFlow, its graphs and compiler, in the machine's main memory

    @property
    def device(self) -> int:
        """What the tensors of a step take, without the libraries of a GPU."""
        return self.weights + self.optimizer + self.activations

    @property
    def on_cpu(self) -> int:
        """The resident memory of a process that trains on a CPU."""
        return sum(self)


def forecast(model: SVG, config: Config) -> Forecast:
    """Follows the tensors of the compiled model's training step in the order of its graph.

    Each is counted from the operation that makes it to the last that reads it. The process is this one, which should
    not have trained before: what it holds already is measured.
    """
    shape = [config.batch_size, config.n_frames, config.image_width, config.image_width, config.channels]
    graph = tf.function(model.train_step).get_concrete_function(tf.TensorSpec(shape, tf.uint8)).graph
    state = [*model.variables, *model.optimizer.variables]
    here = sum(_bytes(variable.value) for variable in state if "CPU" in variable.value.device)
    weights = sum(_bytes(variable.value) for variable in model.variables)
    optimizer = sum(_bytes(variable.value) for variable in model.optimizer.variables)
    activations = _peak(graph.get_operations())
    scratch = _XLA_SCRATCH * activations + weights + optimizer if model.jit_compile else _SCRATCH * activations
    runtime = _RUNTIME + (_COMPILER if model.jit_compile else 0)
    return Forecast(weights, optimizer, activations, int(scratch), max(0, resident_peak() - here) + runtime)


def resident_peak() -> int:
    """Bytes of main memory that this process has had at its highest."""
    # On Linux not getrusage's, which begins with that of the parent process.
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


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
