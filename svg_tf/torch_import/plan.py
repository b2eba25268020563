"""Derive the configuration of a run from a checkpoint of the authors' code, before a model is built."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from svg_tf.config import Config, ConfigError
from svg_tf.torch_import.reader import read
from svg_tf.torch_import.unpickler import TorchFileError

Modules = Mapping[str, Mapping[str, np.ndarray]]  # network -> key of PyTorch -> tensor

_NETWORKS = ("encoder", "decoder", "frame_predictor", "posterior", "prior")
_FIRST_CONV = {"dcgan": "c{}.main.0.weight", "vgg": "c{}.0.main.0.weight"}  # of each encoder stage, from 1
_OPTION_NAMES = {  # of the authors' training script, where they differ from our fields
    "backbone": "model",
    "learning_rate": "lr",
    "epochs": "niter",
    "steps_per_epoch": "epoch_size",
    "predictor_layers": "predictor_rnn_layers",
    "posterior_layers": "posterior_rnn_layers",
    "prior_layers": "prior_rnn_layers",
}
_LOCAL_FIELDS = frozenset({"run_dir", "data_dir", "cache_dir", "jit_compile", "mixed_precision"})  # not in options
_REQUIRED = ("dataset", "n_past")  # a wrong guess would change the frames


class Plan(NamedTuple):
    """A run to create.

    Attributes:
        path: the checkpoint file.
        config: configuration of the run.
        sources: `weights`, `options` or `flags` for each field of `config` that does not have its default.
        tensors: all weights and batch statistics, float32, by `module.key`, in PyTorch's layout.
    """

    path: str
    config: Config
    sources: dict[str, str]
    tensors: dict[str, np.ndarray]


def plan_import(path: str, run_dir: str, flags: Mapping[str, Any]) -> Plan:
    """Read a checkpoint and derive the configuration of the run.

    Sizes and the kind of prior come from the weights. The other fields come from `flags`, then from the options that
    the file holds. Skip connections are those of the authors' code unless the options or flags say otherwise.

    Args:
        path: a checkpoint of the authors' code: networks as modules or as state dictionaries, and `opt`.
        run_dir: folder of the new run, which must not exist.
        flags: fields of `Config` that the user sets.

    Raises:
        TorchFileError: the file cannot be read, is not an SVG model, or contradicts its options or the flags.
        ConfigError: `run_dir` exists.
    """
    if os.path.lexists(run_dir):
        raise ConfigError(f"--run_dir={run_dir} exists and is not overwritten; choose a new folder")
    root = read(path)
    try:
        modules, options = _contents(root)
        config, sources = _configuration(modules, options, run_dir, flags)
        return Plan(path, config, sources, _float_tensors(modules))
    except ConfigError as error:
        raise TorchFileError(f"{path} cannot be imported: {error}; a flag overrides an option of the file") from None
    except TorchFileError as error:
        raise TorchFileError(f"{path} cannot be imported: {error}") from None


def options_of(config: Config) -> dict[str, Any]:
    """Return a configuration as options, under the authors' names where they have one."""
    fields = dataclasses.asdict(config)
    options = {_OPTION_NAMES.get(name, name): value for name, value in fields.items() if name not in _LOCAL_FIELDS}
    return {**options, "last_frame_skip": config.skip_frame == "every"}


def _contents(root: Any) -> tuple[Modules, dict[str, Any]]:
    """Return the networks and the options of a checkpoint."""
    entries = root if isinstance(root, dict) else {}
    modules = {name: entries[name] for name in _NETWORKS if name in entries}
    optional = {"posterior", "prior"} if "prior" not in modules else set()
    missing = [name for name in _NETWORKS if name not in modules and name not in optional]
    if missing:
        found = ", ".join(ascii(key)[:80] for key in list(entries)[:8]) or "nothing"
        raise TorchFileError(f"it has {found}, but no network {missing[0]}")
    for name, tensors in modules.items():
        if not isinstance(tensors, dict) or not all(isinstance(array, np.ndarray) for array in tensors.values()):
            raise TorchFileError(f"its {name} is neither a module nor a state dictionary of tensors")
    options = entries.get("opt", {})
    if not isinstance(options, dict):
        raise TorchFileError("its options 'opt' are neither a Namespace nor a dictionary")
    return modules, {key: value for key, value in options.items() if isinstance(value, bool | int | float | str)}


def _configuration(
    modules: Modules, options: dict[str, Any], run_dir: str, flags: Mapping[str, Any]
) -> tuple[Config, dict[str, str]]:
    """Return the configuration and the source of its fields."""
    names = [field.name for field in dataclasses.fields(Config) if field.name not in _LOCAL_FIELDS]
    from_options = {name: options[key] for name in names if (key := _OPTION_NAMES.get(name, name)) in options}
    from_options.setdefault("skip_frame", "every" if options.get("last_frame_skip") else "original")
    from_weights = _sizes(modules)
    for name, value in from_weights.items():
        if flags.get(name, value) != value:
            raise TorchFileError(f"its weights have {name}={value}, but --{name} is {flags[name]}; omit the flag")
        if name not in flags and from_options.get(name, value) != value:
            option = f"{_OPTION_NAMES.get(name, name)}={from_options[name]!r}"
            raise TorchFileError(
                f"its weights have {name}={value}, but its options {option}; to use the weights, set --{name}={value}"
            )
    for name in _REQUIRED:
        if name not in flags and name not in from_options:
            raise TorchFileError(f"its options lack {name}; set --{name}")
    config = Config(**{**from_options, **flags, **from_weights, "run_dir": run_dir})
    by_source = {"options": from_options, "flags": flags, "weights": from_weights}
    return config, {name: source for source, fields in by_source.items() for name in fields}


def _sizes(modules: Modules) -> dict[str, Any]:
    """Return the fields of Config that the shapes of the weights determine."""
    encoder = modules["encoder"]
    backbone = next((name for name, key in _FIRST_CONV.items() if key.format(1) in encoder), None)
    if backbone is None:
        keys = " nor ".join(f"encoder.{key.format(1)}" for key in _FIRST_CONV.values())
        raise TorchFileError(f"its encoder is neither DCGAN nor VGG: it has neither the tensor {keys}")
    stages = _count(encoder, _FIRST_CONV[backbone], first=1)
    base_width, channels, _, _ = _shape(modules, "encoder", _FIRST_CONV[backbone].format(1), 4)
    g_dim, *_ = _shape(modules, "encoder", f"c{stages + 1}.0.weight", 4)
    rnn_size, inputs = _shape(modules, "frame_predictor", "embed.weight", 2)
    found = {
        "backbone": backbone,
        "image_width": 2 ** (stages + 2),  # each stage halves it, down to 4
        "channels": channels,
        "base_width": base_width,
        "g_dim": g_dim,
        "rnn_size": rnn_size,
        "prior": "learned" if "prior" in modules else "fixed" if "posterior" in modules else "none",
    }
    if "posterior" in modules:
        found["z_dim"], _ = _shape(modules, "posterior", "mu_net.weight", 2)
    elif inputs != g_dim:
        raise TorchFileError(f"its frame_predictor has {inputs} inputs, more than g_dim={g_dim}, but no posterior")
    for network, field in {"frame_predictor": "predictor", "posterior": "posterior", "prior": "prior"}.items():
        if network in modules:
            _shape(modules, network, "lstm.0.weight_ih", 2)
            found[f"{field}_layers"] = _count(modules[network], "lstm.{}.weight_ih", first=0)
    return found


def _count(tensors: Mapping[str, np.ndarray], key: str, first: int) -> int:
    count = 0
    while key.format(first + count) in tensors:
        count += 1
    return count


def _shape(modules: Modules, network: str, key: str, rank: int) -> tuple[int, ...]:
    tensor = modules[network].get(key)
    if tensor is None:
        raise TorchFileError(f"the tensor {network}.{key} is missing")
    if tensor.ndim != rank:
        raise TorchFileError(f"the tensor {network}.{key} has shape {tensor.shape}; it must have {rank} dimensions")
    return tensor.shape


def _float_tensors(modules: Modules) -> dict[str, np.ndarray]:
    tensors = {}
    for network, arrays in modules.items():
        for key, array in arrays.items():
            name = f"{network}.{key}"
            if key.endswith("num_batches_tracked"):  # a counter that inference does not need
                continue
            if array.dtype.kind != "f":
                raise TorchFileError(f"the tensor {name} has dtype {array.dtype}; it must be floating point")
            with np.errstate(over="ignore"):
                tensors[name] = array.astype(np.float32)
            if not np.isfinite(tensors[name]).all():
                raise TorchFileError(f"the tensor {name} has values that are not finite")
    return tensors
