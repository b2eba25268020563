"""Writes state dictionaries as PyTorch 1.6 and later reads them, also by `torch.load(weights_only=True)`.

The format is a zip archive, not compressed: data.pkl, which is a pickle of protocol 2 in which tensors are views of
storages, data/KEY with a storage's raw numbers, byteorder and version, all under one folder. `archive` reads it.
"""

import pickle
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from svg_tf import files

_FOLDER = "archive"
_VERSION = b"3\n"


def write_state_dicts(path: str, networks: Mapping[str, Mapping[str, np.ndarray]], options: Mapping[str, Any]) -> None:
    """Writes {network: OrderedDict of key to tensor, ..., 'opt': options}, whole or not at all.

    Args:
        path: the file, which is replaced if it is there.
        networks: for each network its tensors by key, written as float32.
        options: numbers and text by name.

    Raises:
        OSError: the file cannot be written.
    """
    storages: list[np.ndarray] = []
    entries = {
        name: _dictionary(_ORDERED_DICT, {key: _tensor(array, storages) for key, array in tensors.items()})
        for name, tensors in networks.items()
    }
    root = _dictionary(pickle.EMPTY_DICT, {**entries, "opt": _plain(dict(options))})

    def write(aside: str) -> None:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:

            def add(name: str, content: bytes) -> None:
                archive.writestr(zipfile.ZipInfo(f"{_FOLDER}/{name}"), content)  # the same bytes whenever it is made

            add("data.pkl", pickle.PROTO + b"\x02" + root + pickle.STOP)
            add("byteorder", b"little")
            for key, storage in enumerate(storages):
                add(f"data/{key}", storage.tobytes())
            add("version", _VERSION)

    files.write_with(path, write)


def _tensor(array: np.ndarray, storages: list[np.ndarray]) -> bytes:
    storage = np.ascontiguousarray(array, "<f4").reshape(array.shape)
    key = str(len(storages))
    storages.append(storage)
    kind = _global("torch", "FloatStorage")
    described = _tuple(_plain("storage"), kind, _plain(key), _plain("cpu"), _plain(storage.size))
    strides = tuple(stride // storage.itemsize for stride in storage.strides)
    return _call(
        _global("torch._utils", "_rebuild_tensor_v2"),
        described + pickle.BINPERSID,
        *map(_plain, (0, storage.shape, strides, False)),  # offset, shape, strides, requires_grad
        _ORDERED_DICT,  # backward hooks
    )


def _plain(value: Any) -> bytes:
    """The opcodes of numbers, text and tuples and dictionaries of them."""
    return pickle.dumps(value, protocol=2)[2:-1]  # without the protocol and the stop


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _tuple(*items: bytes) -> bytes:
    return pickle.MARK + b"".join(items) + pickle.TUPLE


def _call(function: bytes, *arguments: bytes) -> bytes:
    return function + _tuple(*arguments) + pickle.REDUCE


def _dictionary(empty: bytes, items: Mapping[str, bytes]) -> bytes:
    return empty + pickle.MARK + b"".join(_plain(key) + value for key, value in items.items()) + pickle.SETITEMS


_ORDERED_DICT = _call(_global("collections", "OrderedDict"))
