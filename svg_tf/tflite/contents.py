"""What a converted file holds: its operations and its constants, read from the file without running it."""

import re
from typing import NamedTuple

import numpy as np

from svg_tf.models.svg import SVG

_SMALL = 1024  # values; constants below may stay float32 where the others are quantised
_BYTES = {"float32": 4, "float16": 2, "dynamic_int8": 1, "int8": 1}
# Shapes, initial states and biases come on top of the kernels.
_OVERHEAD_BYTES = 128 * 1024


class Contents(NamedTuple):
    """A file's operations by name, and the bytes of its constants: the weights and little else."""

    operations: frozenset[str]
    constant_bytes: int


def read(path: str) -> Contents:
    """Reads a file; raises ValueError where it is not a TFLite file."""
    from ai_edge_litert import schema_py_generated as schema

    with open(path, "rb") as file:
        content = file.read()
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise ValueError("the file is no TFLite file")
    model = schema.Model.GetRootAs(content, 0)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    operations = set()
    for index in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(index)
        name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        operations.add(f"{name} {code.CustomCode().decode()}" if name == "CUSTOM" else name)
    sizes = (model.Buffers(index).DataLength() for index in range(model.BuffersLength()))
    return Contents(frozenset(operations), sum(sizes))


def fault(contents: Contents, variant: str, kernels: list[int]) -> str | None:
    """What is wrong with a file, in one sentence, or None.

    Args:
        contents: of the file.
        variant: see `tflite_conversion.VARIANTS`.
        kernels: the sizes of the kernels and matrices that the functions use, in values.
    """
    stateful = sorted(name for name in contents.operations if "VAR_HANDLE" in name or "VARIABLE" in name)
    if stateful:
        return f"the file has the operation {stateful[0]}: its weights are variables without values"
    custom = sorted(name for name in contents.operations if name.startswith("CUSTOM"))
    if custom:
        return f"the file has the operation {custom[0]}, which is not built in"
    expected = sum(size * _BYTES[variant] for size in kernels if size >= _SMALL)
    largest = expected + sum(size * 4 for size in kernels if size < _SMALL)
    found = f"the file holds {contents.constant_bytes:,} bytes of constants"
    if contents.constant_bytes < expected:
        return f"{found}, but the weights are {expected:,}: some are missing"
    if contents.constant_bytes > 1.1 * largest + _OVERHEAD_BYTES:
        return f"{found}, but the weights are {expected:,}: some are there twice or not quantised"
    return None


def kernel_sizes(model: SVG) -> list[int]:
    """The sizes of the kernels and matrices that a device's functions use, in values."""
    networks = [model.encoder, model.decoder, model.frame_predictor, model.prior, model.posterior]
    weights = [weight for network in networks if network is not None for weight in network.weights]
    # The posterior walks over P-1 frames: with none it has no use, and with one its states stay zeros.
    unused = {1: "/posterior/", 2: "/posterior/.*/recurrent_kernel"}.get(model.config.n_past, "$^")
    weights = [weight for weight in weights if not re.search(unused, weight.path)]
    return [int(np.prod(weight.shape)) for weight in weights if len(weight.shape) > 1]
