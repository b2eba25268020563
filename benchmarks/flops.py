"""The arithmetic in a graph: what its convolutions and matrix products have to do."""

import numpy as np
import tensorflow as tf


def count(graph: tf.Graph) -> int:
    """Multiplications and additions of a graph's convolutions and matrix products, without loops' bodies.

    The recurrent products that stand in loops over time are under a hundredth of the whole.
    """
    return sum(_of(operation) for operation in graph.get_operations())


def _of(operation: tf.Operation) -> int:
    shapes = {"Conv2D": 0, "Conv2DBackpropInput": 2, "Conv2DBackpropFilter": 2}
    if operation.type in shapes:
        # The maps on the side of the outputs of the forward convolution: each of their values is a product of a
        # kernel's patch, whichever way the operation goes.
        maps = operation.outputs[0] if operation.type == "Conv2D" else operation.inputs[2]
        kernel = operation.outputs[0] if operation.type == "Conv2DBackpropFilter" else operation.inputs[1]
        return 2 * _size(maps) * int(np.prod(kernel.shape[:3]))
    if operation.type in ("MatMul", "BatchMatMulV2"):
        transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
        inner = operation.inputs[0].shape[-2 if transposed else -1]
        return 2 * _size(operation.outputs[0]) * int(inner)
    return 0


def _size(tensor: tf.Tensor) -> int:
    return int(tensor.shape.num_elements())
