"""A run's folder: made once, and checked when it is used again."""

import dataclasses
import os

from svg_tf import files
from svg_tf.config import Config, ConfigError

# What may change when a run goes on: none of it decides what a step that was already made would have computed.
_MAY_CHANGE = frozenset(
    {
        "run_dir",
        "data_dir",
        "cache_dir",
        "epochs",
        "validation_steps",
        "jit_compile",
        "remat",
        "strategy",
        "connect_timeout",
        "checkpoint_every",
        "keep_checkpoints",
    }
    | {"n_samples", "n_eval"}
)


def open_run(config: Config) -> None:
    """Makes config.run_dir, or checks that it holds a run of the same configuration; writes config.json.

    Raises:
        ConfigError: the folder holds a run of another configuration, or is no run and not empty, or cannot be
            written.
    """
    run_dir = config.run_dir
    try:
        for folder, _, _ in os.walk(run_dir):
            files.remove_asides(folder)  # of a process that was killed while it wrote
        if os.path.exists(os.path.join(run_dir, "config.json")):
            _check_same(Config.load(run_dir), config)
        elif os.path.isdir(run_dir) and os.listdir(run_dir):
            raise ConfigError(f"run_dir {run_dir} is not empty and holds no run; name another --run_dir")
        config.save(run_dir)
    except OSError as error:
        raise ConfigError(f"run_dir {run_dir} cannot be written: {error.strerror}; name another --run_dir") from None


def _check_same(old: Config, new: Config) -> None:
    for field in dataclasses.fields(Config):
        before, now = getattr(old, field.name), getattr(new, field.name)
        if field.name not in _MAY_CHANGE and before != now:
            raise ConfigError(
                f"run_dir {new.run_dir} holds a run with {field.name}={before}, not {now}; "
                "name another --run_dir, or repeat the run's own flags to resume it"
            )
    schedules = (new.learning_rate_schedule, new.beta_schedule)
    if old.epochs != new.epochs and (schedules[0] != "constant" or schedules[1] == "cyclical"):
        raise ConfigError(
            f"run_dir {new.run_dir} holds a run of {old.epochs} epochs whose schedules end with it; "
            f"epochs cannot become {new.epochs}"
        )
