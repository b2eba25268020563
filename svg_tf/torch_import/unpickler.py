"""Read pickles of `torch.save` without PyTorch and without running anything that they name.

`find_class` returns a stand-in for each name of an allow-list and rejects all other names. So a pickle can construct
and call nothing but the stand-ins, and these have no effects. Damaged files end in an error; files that are made to
exhaust memory or time are out of scope.
"""

import collections
import math
import mmap
import pickle
import pickletools
import re
from typing import Any

import numpy as np


class TorchFileError(ValueError):
    """A file is damaged, or is not a file of PyTorch that can be read safely; the message names the file."""


DTYPES = {  # of PyTorch's storage classes
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
# Layers and optimizers of PyTorch, and the networks of the authors' code, with or without their folder.
_CLASSES = re.compile(
    r"(torch\.(nn\.modules|optim)\.[a-z_]+|(models\.)?(lstm|(dcgan|vgg)_(64|128)))\.[A-Za-z_]\w*", re.ASCII
)


class _StandIn:
    """Base of the stand-ins. BUILD, the only opcode that sets attributes, calls `__setstate__` where it exists."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Ignore the state."""


class Object(_StandIn):
    """Stand-in for an object of any class: keeps its attributes and has no behaviour."""

    __slots__ = ("attributes",)

    def __new__(cls, *_: object) -> "Object":
        instance = super().__new__(cls)
        instance.attributes = {}
        return instance

    def __setstate__(self, state: object) -> None:
        if type(state) is not dict:
            raise pickle.UnpicklingError("the attributes of an object are not a dictionary")
        self.attributes = state

    def state_dict(self, prefix: str = "") -> dict[str, "Tensor"]:
        """Return the parameters and buffers of a module by PyTorch's flat keys, such as `c1.main.0.weight`."""
        parameters, buffers, children = (self.attributes[f"_{kind}"] for kind in ("parameters", "buffers", "modules"))
        found = {prefix + key: tensor for key, tensor in {**parameters, **buffers}.items() if tensor is not None}
        for key, child in children.items():
            if child is not None:
                found.update(child.state_dict(f"{prefix}{key}."))
        return found


class Storage(_StandIn):
    """The numbers behind one or more tensors: the storage `key` of the file, with `numel` elements."""

    __slots__ = ("key", "kind", "numel")

    def __init__(self, kind: str, key: str, numel: int) -> None:
        if kind not in DTYPES or type(key) is not str or type(numel) is not int or numel < 0:
            raise pickle.UnpicklingError("a storage has an invalid type, key or size")
        self.kind, self.key, self.numel = kind, key, numel

    def array(self, data: bytes | mmap.mmap, offset: int = 0) -> np.ndarray:
        """Return a copy of the numbers, [numel]; raise a ValueError if data is shorter."""
        return np.frombuffer(data, DTYPES[self.kind], self.numel, offset).copy()


class Tensor(_StandIn):
    """Stand-in for a tensor: a strided view of a storage. The arguments are those of `_rebuild_tensor_v2`."""

    __slots__ = ("storage", "offset", "shape", "strides")

    def __init__(self, storage: Storage, offset: int, shape: tuple, strides: tuple, *_: object) -> None:
        if type(storage) is not Storage or type(shape) is not tuple or type(strides) is not tuple:
            raise pickle.UnpicklingError("a tensor has no storage or shape")
        if any(type(number) is not int or number < 0 for number in (offset, *shape, *strides)):
            raise pickle.UnpicklingError("a tensor has an invalid offset, shape or stride")
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        # An expanded tensor (stride 0) could have any number of elements.
        if 0 not in shape and not (last < storage.numel and math.prod(shape) <= storage.numel):
            raise pickle.UnpicklingError(f"a tensor of shape {shape} does not fit in its storage of {storage.numel}")
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        """Return the tensor as a view of the storage's array."""
        data = storages[self.storage.key]
        strides = [data.itemsize * stride for stride in self.strides]
        return np.ndarray(self.shape, data.dtype, data, data.itemsize * self.offset, strides)


class _Parameter(_StandIn):
    """Stand-in for the functions that wrap a tensor: returns the tensor."""

    def __new__(cls, tensor: Tensor, *_: object) -> Any:
        return tensor


_ALLOWED: dict[str, Any] = {
    "argparse.Namespace": Object,
    "collections.OrderedDict": collections.OrderedDict,
    "__builtin__.set": set,
    "builtins.set": set,
    "torch.Size": tuple,
    "torch.device": Object,
    "torch.nn.backends.thnn._get_thnn_function_backend": Object,
    "torch._utils._rebuild_tensor": Tensor,
    "torch._utils._rebuild_tensor_v2": Tensor,
    "torch._utils._rebuild_parameter": _Parameter,
    "torch.nn.parameter.Parameter": _Parameter,
    "torch.autograd.variable.Variable": _Parameter,
    **{f"torch.{kind}": kind for kind in DTYPES},  # plain text, for persistent_load
}


class _Unpickler(pickle.Unpickler):
    """Unpickler that builds stand-ins and collects the storages that the pickle names."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream, encoding="utf-8")  # of the text of Python 2
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        full_name = f"{module}.{name}"
        if full_name in _ALLOWED or _CLASSES.fullmatch(full_name):
            return _ALLOWED.get(full_name, Object)
        raise TorchFileError(
            f"it refers to {full_name[:80]!a}, which no SVG checkpoint needs; nothing was run. Use a file from a "
            "source you trust"
        )

    def persistent_load(self, reference: Any) -> Any:
        """Return a storage, or the class of a module that was saved with its source, which is ignored."""
        match reference:
            case ("module", network, _, _):
                return network
            case ("storage", str(kind), key, _, numel, *_):
                storage = Storage(kind, key, numel)
                first = self.storages.setdefault(key, storage)
                if (first.kind, first.numel) == (kind, numel):
                    return storage
        raise pickle.UnpicklingError("a storage is not described as PyTorch does")


def unpickle(stream: Any) -> tuple[Any, dict[str, Storage]]:
    """Load one pickle from a binary stream; return the object and the storages that it names, by key."""
    start = stream.tell()
    for opcode, argument, position in pickletools.genops(stream):
        # The unpickler allocates its memo up to the largest index; a sound pickle counts its entries from 0.
        if opcode.name in ("PUT", "LONG_BINPUT") and (argument or 0) > (position or 0):
            raise TorchFileError(f"its pickle is damaged: memo index {argument}")
    stream.seek(start)
    unpickler = _Unpickler(stream)
    return unpickler.load(), unpickler.storages
