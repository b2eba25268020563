"""Write state dictionaries for `torch.load(weights_only=True)`, in the zip format that `reader` describes."""

import pickle
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from svg_tf import files


def write_state_dicts(path: str, networks: Mapping[str, Mapping[str, np.ndarray]], options: Mapping[str, Any]) -> None:
    """Write {network: OrderedDict of float32 tensors, ..., 'opt': options} atomically.

    Raises:
        OSError: the file cannot be written.
    """
    storages: list[np.ndarray] = []
    entries = {
        name: _dict(_ORDERED_DICT, {key: _tensor(array, storages) for key, array in tensors.items()})
        for name, tensors in networks.items()
    }
    root = _dict(pickle.EMPTY_DICT, {**entries, "opt": _plain(dict(options))})
    members = {"data.pkl": pickle.PROTO + b"\x02" + root + pickle.STOP, "byteorder": b"little"}
    members |= {f"data/{key}": storage.tobytes() for key, storage in enumerate(storages)}
    members["version"] = b"3\n"

    def write(temporary_path: str) -> None:
        with zipfile.ZipFile(temporary_path, "w", zipfile.ZIP_STORED) as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)  # without a date, so reproducible

    files.write_with(path, write)


# Opcodes of pickle protocol 2. `pickle.dumps` cannot refer to PyTorch's functions, since it imports what it refers to.
_FLOAT_STORAGE = pickle.GLOBAL + b"torch\nFloatStorage\n"
_REBUILD_TENSOR = pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n"
_ORDERED_DICT = pickle.GLOBAL + b"collections\nOrderedDict\n" + pickle.EMPTY_TUPLE + pickle.REDUCE


def _tensor(array: np.ndarray, storages: list[np.ndarray]) -> bytes:
    storage = np.ascontiguousarray(array, "<f4").reshape(array.shape)
    strides = tuple(stride // storage.itemsize for stride in storage.strides)
    key = str(len(storages))
    storages.append(storage)
    reference = _tuple(_plain("storage"), _FLOAT_STORAGE, *map(_plain, (key, "cpu", storage.size))) + pickle.BINPERSID
    # Arguments: storage, offset, shape, strides, requires_grad, backward hooks.
    arguments = [reference, *map(_plain, (0, storage.shape, strides, False)), _ORDERED_DICT]
    return _REBUILD_TENSOR + _tuple(*arguments) + pickle.REDUCE


def _plain(value: Any) -> bytes:
    return pickle.dumps(value, protocol=2)[2:-1]  # without PROTO and STOP


def _tuple(*items: bytes) -> bytes:
    return pickle.MARK + b"".join(items) + pickle.TUPLE


def _dict(empty: bytes, items: Mapping[str, bytes]) -> bytes:
    return empty + pickle.MARK + b"".join(_plain(key) + value for key, value in items.items()) + pickle.SETITEMS
