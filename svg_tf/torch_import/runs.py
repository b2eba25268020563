"""Create a run from a checkpoint of the authors' code, and write such checkpoints from a run."""

import os
import pickle
import tempfile
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from svg_tf import files
from svg_tf.config import Config, ConfigError
from svg_tf.models.svg import SVG
from svg_tf.torch_import.mapping import assign_torch_weights, torch_weights
from svg_tf.torch_import.plan import Plan, options_of
from svg_tf.torch_import.unpickler import TorchFileError
from svg_tf.training import checkpoints
from svg_tf.training.run import model_from_config
from svg_tf.training.train import compiled_model


def import_run(plan: Plan) -> SVG:
    """Create the run folder atomically and return the model.

    The run has one checkpoint, of step 0: the imported weights and a new optimizer. Training can continue from it.

    Raises:
        TorchFileError: a tensor is missing, unknown or of another shape.
        ConfigError: the run folder exists or cannot be written.
    """
    model = compiled_model(plan.config)
    try:
        assign_torch_weights(model, plan.tensors)
    except ValueError as error:
        raise TorchFileError(f"{plan.path} cannot be imported: {error}") from None
    arrays = {name: v.numpy() for name, v in checkpoints.named_variables(model, training_state=True).items()}
    run_dir = os.path.abspath(plan.config.run_dir)
    try:
        os.makedirs(os.path.dirname(run_dir), exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=os.path.dirname(run_dir)) as temporary_folder:
            folder = os.path.join(temporary_folder, "run")
            checkpoints.save(checkpoints.path_of(folder, 0), arrays)
            plan.config.save(folder)
            os.rename(folder, run_dir)
    except OSError as error:
        raise ConfigError(f"--run_dir={run_dir} cannot be written: {error.strerror}; choose another folder") from None
    return model


def export_run(run_dir: str, path: str, checkpoint: str = "best") -> str:
    """Write {network: state dictionary, ..., 'opt': options} in the zip format, and return the checkpoint used.

    The file is written atomically, for `torch.load(weights_only=True)`; `reader` describes the format.

    Raises:
        CheckpointError: the run has no such checkpoint.
        ConfigError: `run_dir` is not a run, its networks are not the authors', or `path` cannot be written.
    """
    config = Config.load(run_dir)
    model = model_from_config(config)
    used = checkpoints.load_weights(model, run_dir, checkpoint)
    try:
        tensors = torch_weights(model)
    except ValueError as error:
        raise ConfigError(f"{run_dir} cannot be exported: {error}") from None
    storages: list[np.ndarray] = []
    networks: dict[str, dict[str, bytes]] = {}
    for name, tensor in tensors.items():
        network, key = name.split(".", 1)
        networks.setdefault(network, {})[key] = _tensor(tensor, storages)
    entries = {name: _dict(_ORDERED_DICT, tensors) for name, tensors in networks.items()}
    root = _dict(pickle.EMPTY_DICT, {**entries, "opt": _plain(options_of(config))})
    members = {"data.pkl": pickle.PROTO + b"\x02" + root + pickle.STOP, "byteorder": b"little", "version": b"3\n"}
    members |= {f"data/{key}": storage.tobytes() for key, storage in enumerate(storages)}

    def write(temporary_path: str) -> None:
        with zipfile.ZipFile(temporary_path, "w", zipfile.ZIP_STORED) as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)  # without a date, so reproducible

    try:
        files.write_with(path, write)
    except OSError as error:
        raise ConfigError(f"--out={path} cannot be written: {error.strerror}; choose another file") from None
    return used


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
