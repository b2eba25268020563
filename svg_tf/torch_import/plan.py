"""Derive the configuration of a run from a checkpoint of the authors' code, before a model is built."""

import dataclasses
import itertools
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from svg_tf.config import Config, ConfigError
from svg_tf.torch_import.reader import read
from svg_tf.torch_import.unpickler import TorchFileError

Tensors = dict[str, np.ndarray]  # by `module.key`, in PyTorch's layout

_NETWORKS = ("encoder", "decoder", "frame_predictor", "posterior", "prior")
_FIRST_CONV = {"dcgan": "encoder.c{}.main.0.weight", "vgg": "encoder.c{}.0.main.0.weight"}  # of stages 1, 2, ...
_OPTION_NAMES = {  # of the authors' training script, where they differ from our fields
    "backbone": "model",
    "learning_rate": "lr",
    "epochs": "niter",
    "steps_per_epoch": "epoch_size",
    "predictor_layers": "predictor_rnn_layers",
    "posterior_layers": "posterior_rnn_layers",
    "prior_layers": "prior_rnn_layers",
}
# Fields of the machine, which are not in the options.
_LOCAL_FIELDS = ("run_dir", "data_dir", "cache_dir", "jit_compile", "mixed_precision", "strategy", "connect_timeout")


class Plan(NamedTuple):
    """A run to create from the checkpoint file `path`."""

    path: str
    config: Config
    sources: dict[str, str]  # weights, options or flags for each field of config that does not have its default
    tensors: Tensors  # all weights and batch statistics, float32


def plan_import(path: str, run_dir: str, flags: Mapping[str, Any]) -> Plan:
    """Read a checkpoint of the authors' code and derive the configuration of the run.

    Sizes and the kind of prior come from the weights, other fields from `flags`, which are fields of `Config` that the
    user sets, then from the options in the file. `skip_frame` is that of the authors' code unless one of them sets it.

    Raises:
        TorchFileError: the file cannot be read, is not an SVG model, or contradicts its options or the flags.
        ConfigError: `run_dir` exists.
    """
    if os.path.lexists(run_dir):
        raise ConfigError(f"--run_dir={run_dir} exists and is not overwritten; choose a new folder")
    root = read(path)
    try:
        entries = root if isinstance(root, dict) else {}
        tensors, options = _tensors(entries), entries.get("opt")
        options = options if isinstance(options, dict) else {}
        options = {key: value for key, value in options.items() if isinstance(value, bool | int | float | str)}
        return Plan(path, *_configuration(tensors, options, run_dir, flags), tensors)
    except ConfigError as error:
        raise TorchFileError(f"{path} cannot be imported: {error}; a flag overrides an option of the file") from None
    except TorchFileError as error:
        raise TorchFileError(f"{path} cannot be imported: {error}") from None


def options_of(config: Config) -> dict[str, Any]:
    """Return a configuration as options, with the authors' names where they have one."""
    fields = dataclasses.asdict(config)
    options = {_OPTION_NAMES.get(name, name): value for name, value in fields.items() if name not in _LOCAL_FIELDS}
    return {**options, "last_frame_skip": config.skip_frame == "every"}


def _tensors(entries: dict[Any, Any]) -> Tensors:
    """Return the tensors of the networks of a checkpoint as float32."""
    for name in _NETWORKS if "prior" in entries else ("encoder", "decoder", "frame_predictor"):
        if name not in entries:
            found = ", ".join(ascii(key)[:80] for key in list(entries)[:8]) or "nothing"
            raise TorchFileError(f"it has {found}, but no network {name}")
    tensors = {}
    for network in (name for name in _NETWORKS if name in entries):
        if not isinstance(entries[network], dict):
            raise TorchFileError(f"its {network} is neither a module nor a state dictionary")
        for key, array in entries[network].items():
            name = f"{network}.{key}"
            if name.endswith("num_batches_tracked"):  # a counter that inference does not need
                continue
            if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
                raise TorchFileError(f"{name[:80]!a} is not a floating point tensor")
            tensors[name] = array.astype(np.float32)
            if not np.isfinite(tensors[name]).all():
                raise TorchFileError(f"the tensor {name} has values that are not finite")
    return tensors


def _configuration(
    tensors: Tensors, options: dict[str, Any], run_dir: str, flags: Mapping[str, Any]
) -> tuple[Config, dict[str, str]]:
    names = [field.name for field in dataclasses.fields(Config) if field.name not in _LOCAL_FIELDS]
    from_options = {name: options[key] for name in names if (key := _OPTION_NAMES.get(name, name)) in options}
    from_options.setdefault("skip_frame", "every" if options.get("last_frame_skip") else "original")
    from_weights = _sizes(tensors)
    for name, value in from_weights.items():
        if flags.get(name, value) != value:
            raise TorchFileError(f"its weights have {name}={value}, but --{name} is {flags[name]}; omit the flag")
        if name not in flags and from_options.get(name, value) != value:
            option = f"{_OPTION_NAMES.get(name, name)}={from_options[name]!r}"
            raise TorchFileError(
                f"its weights have {name}={value}, but its options {option}; to use the weights, set --{name}={value}"
            )
    for name in ("dataset", "n_past"):  # a wrong guess would change the frames
        if name not in flags and name not in from_options:
            raise TorchFileError(f"its options lack {name}; set --{name}")
    config = Config(**{**from_options, **flags, **from_weights, "run_dir": run_dir})
    by_source = {"options": from_options, "flags": flags, "weights": from_weights}
    return config, {name: source for source, fields in by_source.items() for name in fields}


def _sizes(tensors: Tensors) -> dict[str, Any]:
    """Return the fields of Config that the shapes of the weights determine."""
    backbone = next((name for name, key in _FIRST_CONV.items() if key.format(1) in tensors), None)
    if backbone is None:
        raise TorchFileError(f"its encoder has neither {' nor '.join(key.format(1) for key in _FIRST_CONV.values())}")
    stages = _count(tensors, _FIRST_CONV[backbone], first=1)
    base_width, channels, _, _ = _shape(tensors, _FIRST_CONV[backbone].format(1), 4)
    g_dim, *_ = _shape(tensors, f"encoder.c{stages + 1}.0.weight", 4)
    rnn_size, _ = _shape(tensors, "frame_predictor.embed.weight", 2)
    networks = {key.split(".")[0] for key in tensors}
    found = {
        "backbone": backbone,
        "image_width": 2 ** (stages + 2),  # each stage halves it, down to 4
        "channels": channels,
        "base_width": base_width,
        "g_dim": g_dim,
        "rnn_size": rnn_size,
        "prior": "learned" if "prior" in networks else "fixed" if "posterior" in networks else "none",
    }
    if "posterior" in networks:
        found["z_dim"], _ = _shape(tensors, "posterior.mu_net.weight", 2)
    for field, network in {"predictor": "frame_predictor", "posterior": "posterior", "prior": "prior"}.items():
        if network in networks:
            _shape(tensors, f"{network}.lstm.0.weight_ih", 2)
            found[f"{field}_layers"] = _count(tensors, f"{network}.lstm.{{}}.weight_ih", first=0)
    return found


def _count(tensors: Tensors, key: str, first: int) -> int:
    return next(number for number in itertools.count(first) if key.format(number) not in tensors) - first


def _shape(tensors: Tensors, key: str, rank: int) -> tuple[int, ...]:
    if key not in tensors:
        raise TorchFileError(f"the tensor {key} is missing")
    if tensors[key].ndim != rank:
        raise TorchFileError(f"the tensor {key} has shape {tensors[key].shape}; it must have {rank} dimensions")
    return tensors[key].shape
