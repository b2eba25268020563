"""What a checkpoint of the original code becomes: decided and checked in full before a model is built."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from svg_tf.config import Config, ConfigError
from svg_tf.torch_import import architecture, options
from svg_tf.torch_import.checkpoint import TorchCheckpoint, read_checkpoint
from svg_tf.torch_import.records import TorchFileError

_MUST_BE_KNOWN = ("dataset", "n_past")  # a wrong guess would draw other frames
_RECIPE = ("n_future", "n_eval", "batch_size", "learning_rate", "beta", "epochs", "steps_per_epoch", "seed")
# Far beyond any published model: a damaged or hostile file is refused before memory is.
_LARGEST = {"image_width": 1024, "base_width": 512, "g_dim": 4096, "z_dim": 4096, "rnn_size": 4096}
_LARGEST |= {"predictor_layers": 16, "posterior_layers": 16, "prior_layers": 16, "n_past": 256}


class Plan(NamedTuple):
    """A run to be made.

    Attributes:
        path: the checkpoint's file.
        config: of the run.
        sources: where the fields of config are from: weights, options, flags or, what the original's options would
            have said, defaults.
        tensors: every weight and batch statistic, finite float32, by module.key; PyTorch's layout.
    """

    path: str
    config: Config
    sources: dict[str, str]
    tensors: dict[str, np.ndarray]


def plan_import(path: str, run_dir: str, flags: Mapping[str, Any]) -> Plan:
    """Reads a checkpoint and decides on the run's configuration.

    Sizes and the kind of prior come from the weights; what else a configuration has, from `flags`, and where they
    are silent from the file's options.

    Args:
        path: the file, see `checkpoint.read_checkpoint`.
        run_dir: the run to be made; nothing may be there yet.
        flags: fields of Config that the user sets.

    Raises:
        TorchFileError: the file cannot be read, or its parts contradict each other or the flags.
        ConfigError: run_dir is there already.
    """
    if os.path.lexists(run_dir):
        raise ConfigError(f"run_dir {run_dir} is there already and is not overwritten; name another --run_dir")
    checkpoint = read_checkpoint(path)
    try:
        config, sources = _configuration(checkpoint, run_dir, flags)
        return Plan(path, config, sources, _tensors(checkpoint))
    except ConfigError as error:
        raise TorchFileError(
            f"{path} with its options and the flags makes no run: {error}; a flag replaces the file's option"
        ) from None
    except TorchFileError as error:
        raise TorchFileError(f"{path} cannot be imported: {error}") from None


def _configuration(
    checkpoint: TorchCheckpoint, run_dir: str, flags: Mapping[str, Any]
) -> tuple[Config, dict[str, str]]:
    found, told = architecture.sizes(checkpoint.modules), options.fields_of(checkpoint.options)
    for name, value in found.items():
        if flags.get(name, value) != value:
            raise TorchFileError(
                f"its weights have {name}={value}, but the flag is --{name}={flags[name]}; leave the flag out"
            )
        if name not in flags and told.get(name, value) != value:
            raise TorchFileError(
                f"its weights have {name}={value}, but its options say {options.option_name(name)}={told[name]!r}; "
                f"to go by the weights, add --{name}={value}"
            )
    for name in _MUST_BE_KNOWN:
        if name not in flags and name not in told:
            raise TorchFileError(f"its options do not say {name}; say it by --{name}")
    config = Config(**{**told, **flags, **found, "run_dir": run_dir})
    for name, largest in _LARGEST.items():
        if getattr(config, name) > largest:
            raise TorchFileError(f"it has {name}={getattr(config, name)}, but at most {largest} is taken")
    sources = dict.fromkeys(_RECIPE, "defaults") | dict.fromkeys(told, "options")
    return config, sources | dict.fromkeys(flags, "flags") | dict.fromkeys(found, "weights")


def _tensors(checkpoint: TorchCheckpoint) -> dict[str, np.ndarray]:
    tensors = {}
    for network, arrays in checkpoint.modules.items():
        for key, array in arrays.items():
            if key.endswith("num_batches_tracked"):
                continue
            if array.dtype.kind != "f":
                raise TorchFileError(f"the tensor {network}.{key} is of {array.dtype}, but must be floating point")
            with np.errstate(over="ignore"):
                tensor = array.astype(np.float32)
            if not np.isfinite(tensor).all():
                raise TorchFileError(f"the tensor {network}.{key} holds numbers that are not finite")
            tensors[f"{network}.{key}"] = tensor
    return tensors
