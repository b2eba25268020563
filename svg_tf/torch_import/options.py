"""The options of the original code's training script and the fields of Config that they are."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from svg_tf.config import Config

_NAMES = {
    "backbone": "model",
    "learning_rate": "lr",
    "epochs": "niter",
    "steps_per_epoch": "epoch_size",
    "predictor_layers": "predictor_rnn_layers",
    "posterior_layers": "posterior_rnn_layers",
    "prior_layers": "prior_rnn_layers",
}
# Paths and the machine's settings: they belong to where a run is, not to what it is.
_NOT_IN_FILES = frozenset({"run_dir", "data_dir", "cache_dir", "jit_compile", "mixed_precision"})


def option_name(field: str) -> str:
    """The original's name of a field of Config; our own where it has none."""
    return _NAMES.get(field, field)


def fields_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Config that options tell, not yet checked.

    The skips are the original code's unless the options name `skip_frame`, as those of `options_of` do.
    """
    names = [field.name for field in dataclasses.fields(Config) if field.name not in _NOT_IN_FILES]
    fields = {name: options[option_name(name)] for name in names if option_name(name) in options}
    fields.setdefault("skip_frame", "every" if options.get("last_frame_skip") else "original")
    return fields


def options_of(config: Config) -> dict[str, Any]:
    """A configuration as options under the original's names, and under our own where it has none."""
    fields = dataclasses.asdict(config)
    options = {option_name(name): value for name, value in fields.items() if name not in _NOT_IN_FILES}
    return {**options, "last_frame_skip": config.skip_frame == "every"}
