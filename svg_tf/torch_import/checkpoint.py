"""A checkpoint of the original code as NumPy arrays, read without PyTorch and without running anything in it."""

import dataclasses
import os

import numpy as np

from svg_tf.torch_import import archive
from svg_tf.torch_import.records import Global, Module, Namespace, Tensor, TorchFileError, quoted

NETWORKS = ("encoder", "decoder", "frame_predictor", "posterior", "prior")

_MAX_DEPTH = 32
_MAX_ENTRIES = 20_000
_MAX_NAME = 128
_MAX_OPTIONS = 1000
_MAX_OPTION_LIST = 100


@dataclasses.dataclass(frozen=True)
class TorchCheckpoint:
    """The networks and options of a checkpoint.

    Attributes:
        modules: for each network in the file ('encoder', 'decoder', 'frame_predictor', 'posterior', 'prior') its
            state dictionary: PyTorch's flat keys, such as 'c1.main.0.weight' or 'lstm.0.weight_ih', to read-only
            arrays in PyTorch's layout. Parameters and buffers, in PyTorch's order; bfloat16 comes as float32.
        class_names: for each of these networks its class, such as 'models.dcgan_64.encoder'; empty where the file
            holds a state dictionary in place of the module.
        options: the options of the training run. Numbers, text, None and flat lists of these are kept; anything
            else is its description in angle brackets, such as '<torch.optim.adam.Adam>'.
    """

    modules: dict[str, dict[str, np.ndarray]]
    class_names: dict[str, str]
    options: dict[str, object]


def read_checkpoint(path: str | os.PathLike[str]) -> TorchCheckpoint:
    """Reads a file that torch.save wrote of the original code's networks: modules, or their state dictionaries.

    Args:
        path: a file of PyTorch 0.3 or later, of either format; tensors of a GPU are read as any other.

    Raises:
        TorchFileError: the file cannot be read, is damaged, or asks for anything but a checkpoint's tensors,
            modules and options; nothing in it is ever run.
    """
    try:
        root, storages = archive.read(os.fspath(path))
        return _checkpoint(root, storages)
    except TorchFileError as error:
        raise TorchFileError(f"{path} is not a checkpoint that can be read: {error}") from None
    except OSError as error:
        raise TorchFileError(f"{path} cannot be read: {error.strerror or error}") from None


def _checkpoint(root: object, storages: dict[str, np.ndarray]) -> TorchCheckpoint:
    entries = root if type(root) is dict else {}
    networks = {name: entries[name] for name in NETWORKS if name in entries}
    if not networks:
        found = f"the entries {', '.join(quoted(key) for key in list(entries)[:8])}" if entries else "no entries"
        raise TorchFileError(f"it has {found}, but none of the networks {', '.join(NETWORKS)}")
    modules, class_names = {}, {}
    for name, network in networks.items():
        class_names[name] = network.class_name if isinstance(network, Module) else ""
        modules[name] = {key: tensor.array(storages[tensor.storage.key]) for key, tensor in _tensors(name, network)}
    options = entries.get("opt", {})
    options = options.state if isinstance(options, Namespace) else options
    if type(options) is not dict or len(options) > _MAX_OPTIONS:
        raise TorchFileError(
            f"its options 'opt' are {_described(options)}, but must be a Namespace or a dictionary of at most "
            f"{_MAX_OPTIONS} entries"
        )
    return TorchCheckpoint(modules, class_names, {str(key): _option(value) for key, value in options.items()})


def _tensors(name: str, network: object) -> list[tuple[str, Tensor]]:
    """The entries of a network's state dictionary."""
    if isinstance(network, Module):
        entries = _module_entries(name, network)
    elif type(network) is dict:
        entries = list(network.items())
    else:
        raise TorchFileError(f"its {name} is {_described(network)}, but must be a module or a state dictionary")
    if len(entries) > _MAX_ENTRIES:
        raise TorchFileError(f"its {name} has over {_MAX_ENTRIES} entries")
    tensors = []
    for key, value in entries:
        if type(key) is not str or not isinstance(value, Tensor):
            raise TorchFileError(f"its {name} has {_described(value)} named {quoted(key)}, but must hold tensors")
        tensors.append((key, value))
    return tensors


def _module_entries(name: str, network: Module) -> list[tuple[str, object]]:
    # A module may hold itself, or be held twice at every level: depth and entries are limited, not assumed.
    entries, count = [], 0
    pending = [("", 0, network)]
    while pending:
        prefix, depth, module = pending.pop()
        if not isinstance(module, Module):
            raise TorchFileError(f"its {name} has {_described(module)} named {quoted(prefix)}, but must have a module")
        parts = [_part(name, module, attribute) for attribute in ("_parameters", "_buffers", "_modules")]
        count += sum(len(part) for part in parts)
        if depth > _MAX_DEPTH:
            raise TorchFileError(f"its {name} has modules nested more than {_MAX_DEPTH} deep")
        if count > _MAX_ENTRIES:
            raise TorchFileError(f"its {name} has over {_MAX_ENTRIES} entries")
        for part in parts:
            for key in part:
                if type(key) is not str or len(key) > _MAX_NAME:
                    raise TorchFileError(f"its {name} has a part named {quoted(key)}")
        parameters, buffers, children = parts
        transient = module.state.get("_non_persistent_buffers_set")
        if type(transient) is frozenset:
            buffers = {key: value for key, value in buffers.items() if key not in transient}
        entries += [(prefix + key, value) for key, value in (parameters | buffers).items() if value is not None]
        pending += [
            (f"{prefix}{key}.", depth + 1, child) for key, child in reversed(children.items()) if child is not None
        ]
    return entries


def _part(name: str, module: Module, attribute: str) -> dict:
    part = module.state.get(attribute)
    if type(part) is not dict:
        raise TorchFileError(f"its {name} has a {module.class_name} without {attribute}")
    return part


def _option(value: object) -> object:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, list | tuple) and len(value) <= _MAX_OPTION_LIST:
        return [_described(item) if type(item) in (list, tuple) else _option(item) for item in value]
    return _described(value)


def _described(value: object) -> str:
    """A value that is not taken over, in words."""
    return f"<{value if isinstance(value, Global) else type(value).__name__}>"
