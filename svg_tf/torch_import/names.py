"""The closed list: every name that a checkpoint's pickle may use, and what is built when it is called."""

import re
from collections.abc import Callable

from svg_tf.torch_import.records import (
    STORAGE_DTYPES,
    Global,
    Module,
    Namespace,
    Storage,
    Tensor,
    TorchFileError,
    quoted,
)

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Modules of network classes: PyTorch's own, and the original code's, run from its folder or from models/.
_NETWORK_MODULES = re.compile(r"torch\.nn\.modules\.[a-z_]+|(models\.)?(lstm|(dcgan|vgg)_(64|128))", re.ASCII)
# The options name the optimizer's class, which is not made.
_OPTIMIZER_MODULES = re.compile(r"torch\.optim\.[a-z_]+", re.ASCII)
_MAX_KEY = 2**31
_MAX_SIZE = 2**63


def resolve(module: str, name: str) -> Global:
    """The record of a listed name.

    Raises:
        TorchFileError: the name is not on the list.
    """
    known = _IDENTIFIER.fullmatch(name) and (
        f"{module}.{name}" in _CALLS
        or (module, name) == ("argparse", "Namespace")
        or (module == "torch" and name in STORAGE_DTYPES)
        or _NETWORK_MODULES.fullmatch(module)
        or _OPTIMIZER_MODULES.fullmatch(module)
    )
    if not known:
        raise TorchFileError(
            f"it names {quoted(f'{module}.{name}')}, which no checkpoint of the original code needs, so nothing "
            "was run; use a file from a source you trust"
        )
    return Global(module, name)


def is_network(function: object) -> bool:
    """Whether this is the name of a network class."""
    return isinstance(function, Global) and _NETWORK_MODULES.fullmatch(function.module) is not None


def instantiate(function: object, args: object) -> Module | Namespace:
    """What `class.__new__(class, *args)` makes: an empty record."""
    if args == ():
        if is_network(function):
            return Module(str(function))
        if isinstance(function, Global) and str(function) == "argparse.Namespace":
            return Namespace()
    raise TorchFileError(f"it makes an object of {_described(function)}, which is not allowed, so nothing was run")


def call(function: object, args: object) -> object:
    """What `function(*args)` makes, for the few functions that a checkpoint needs."""
    build = _CALLS.get(str(function)) if isinstance(function, Global) else None
    if build is None or type(args) is not tuple:
        raise TorchFileError(f"it calls {_described(function)}, which is not allowed, so nothing was run")
    result = build(args)
    if result is None:
        raise TorchFileError(f"it calls {function} with arguments that PyTorch does not write")
    return result


def stored(reference: object) -> Storage | Global:
    """What a persistent id stands for: a storage, or a network class that came with its source.

    The source is ignored.
    """
    if type(reference) is tuple and len(reference) == 4 and reference[0] == "module" and is_network(reference[1]):
        return reference[1]
    if type(reference) is not tuple or len(reference) not in (5, 6) or reference[0] != "storage":
        raise TorchFileError("it holds a persistent id that is neither a storage nor a network class")
    _, kind, key, _, numel, view = (*reference, None)[:6]
    if not (isinstance(kind, Global) and kind.module == "torch" and type(key) is str and _is_size(numel)):
        raise TorchFileError(f"its storage {quoted(key) if type(key) is str else ''} is not described as PyTorch does")
    if view is None:
        return Storage(kind.name, key, numel, 0, numel)
    if type(view) is not tuple or len(view) != 3 or not (_is_size(view[1]) and _is_size(view[2])):
        raise TorchFileError(f"its storage {quoted(key)} has a view that is not described as PyTorch does")
    if view[1] + view[2] > numel:
        raise TorchFileError(f"a view does not fit in its storage {quoted(key)} of {numel} elements")
    return Storage(kind.name, key, numel, view[1], view[2])


def put(target: object, key: object, value: object) -> None:
    """Sets an item of a dictionary.

    Keys are text and small integers: these alone are hashed in a time that the file cannot stretch.
    """
    if type(target) is not dict:
        raise TorchFileError("it sets an item of something that is not a dictionary")
    if type(key) is not str and not (type(key) is int and abs(key) < _MAX_KEY):
        raise TorchFileError("a dictionary in it has a key that is neither text nor a small integer")
    target[key] = value


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < _MAX_SIZE


def _are_integers(values: object) -> bool:
    return type(values) is tuple and all(type(value) is int for value in values)


def _described(function: object) -> str:
    return quoted(function) if isinstance(function, Global) else f"a {type(function).__name__}"


# The builders answer None where the arguments are not what PyTorch writes.


def _ordered_dict(args: tuple) -> dict | None:
    match args:
        case () | (list(),):
            result: dict = {}
            for item in args[0] if args else ():  # Python 2 passes a list of [key, value]
                if type(item) is not list or len(item) != 2:
                    return None
                put(result, *item)
            return result
    return None


def _text_set(args: tuple) -> frozenset | None:
    match args:
        case (list(items),) if all(type(item) is str for item in items):
            return frozenset(items)
    return None


def _size(args: tuple) -> tuple | None:
    return args[0] if len(args) == 1 and _are_integers(args[0]) else None


def _device(args: tuple) -> str | None:
    match args:
        case (str(kind),):
            return kind
        case (str(kind), int(index)):
            return f"{kind}:{index}"
    return None


def _tensor(args: tuple) -> Tensor | None:
    match args:
        case (Storage() as storage, offset, shape, strides, *_) if type(offset) is int:
            return Tensor(storage, offset, shape, strides) if _are_integers(shape) and _are_integers(strides) else None
    return None


def _parameter(args: tuple) -> Tensor | None:
    return args[0] if args and isinstance(args[0], Tensor) else None


def _function_backend(args: tuple) -> str | None:
    return None if args else "torch.nn.backends.thnn"


_CALLS: dict[str, Callable[[tuple], object]] = {
    "collections.OrderedDict": _ordered_dict,
    "__builtin__.set": _text_set,
    "builtins.set": _text_set,
    "torch.Size": _size,
    "torch.device": _device,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.nn.parameter.Parameter": _parameter,
    "torch.autograd.variable.Variable": _parameter,
    "torch.nn.backends.thnn._get_thnn_function_backend": _function_backend,
}
