"""Measures time and arithmetic."""

import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from svg_tf.progress import progress


def in_turns(runs: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Call the functions in turn, for about `seconds` each; return the median seconds of a call by name.

    The first call of each, which may trace and compile, is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        _wait(run())
    end = time.perf_counter() + seconds * len(runs)
    with progress(total=round(seconds * len(runs)), unit="s", desc="measure") as bar:
        while time.perf_counter() < end or not all(len(taken) >= 3 for taken in times.values()):
            for name, run in runs.items():
                times[name].append(seconds_of(run))
            bar.update(max(0, min(bar.total, round(bar.total - (end - time.perf_counter()))) - bar.n))
    return {name: float(np.median(taken)) for name, taken in times.items()}


def seconds_of(run: Callable[[], object]) -> float:
    """Return the seconds of one call, until its tensors are computed."""
    start = time.perf_counter()
    _wait(run())
    return time.perf_counter() - start


def product_rate(seconds: float, size: int = 2048) -> float:
    """Return the operations a second of a product of two float32 matrices, a practical peak of the machine."""
    matrix = tf.random.stateless_normal([size, size], [0, 0])
    return 2 * size**3 / in_turns({"product": lambda: tf.matmul(matrix, matrix)}, seconds)["product"]


def count_flops(graph: tf.Graph) -> int:
    """Return the multiplications and additions of a graph's convolutions and matrix products.

    Bodies of loops are not counted; the LSTMs' recurrent products are less than a hundredth of a training step.
    """
    return sum(_flops(operation) for operation in graph.get_operations())


def _flops(operation: tf.Operation) -> int:
    if operation.type in ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"):
        # Each value of the forward convolution's output is a product with one patch, in the gradients too.
        maps = operation.outputs[0] if operation.type == "Conv2D" else operation.inputs[2]
        kernel = operation.outputs[0] if operation.type == "Conv2DBackpropFilter" else operation.inputs[1]
        return 2 * maps.shape.num_elements() * int(np.prod(kernel.shape[:3]))
    if operation.type in ("MatMul", "BatchMatMulV2"):
        transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
        inner = operation.inputs[0].shape[-2 if transposed else -1]
        return 2 * operation.outputs[0].shape.num_elements() * int(inner)
    return 0


def _wait(result: object) -> None:
    for tensor in tf.nest.flatten(result):
        if isinstance(tensor, tf.Tensor):
            tensor.numpy()
