"""The folder of a run, and the model that its configuration describes."""

import dataclasses
import inspect
import os

from svg_tf import files
from svg_tf.config import Config, ConfigError
from svg_tf.models.svg import SVG
from svg_tf.training import checkpoints

# Fields that do not change the steps already taken, so they may differ on resume.
_MAY_CHANGE = frozenset(
    {"run_dir", "data_dir", "cache_dir", "epochs", "validation_steps", "best_by", "n_samples", "n_eval"}
    | {"jit_compile", "remat", "strategy", "connect_timeout", "checkpoint_every", "keep_checkpoints"}
)
_POLICIES = {"off": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def model_from_config(config: Config) -> SVG:
    """Return an untrained model, with the initial weights of config.seed."""
    fields = {field.name for field in dataclasses.fields(Config)}
    shared = fields & inspect.signature(SVG.__init__).parameters.keys()
    arguments = {name: getattr(config, name) for name in shared}
    return SVG(image_size=config.image_width, dtype=_POLICIES[config.mixed_precision], **arguments)


def load_model(config: Config, checkpoint: str | int = "best") -> SVG:
    """Return the trained model of a run.

    Args:
        config: the configuration of the run.
        checkpoint: "best" (the latest while there is no best), "latest" or a step.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged or of another model.
    """
    model = model_from_config(config)
    checkpoints.load_weights(model, config.run_dir, checkpoint)
    return model


def open_run(config: Config) -> None:
    """Create config.run_dir, or check that it holds a run of the same configuration; write config.json.

    Raises:
        ConfigError: the folder holds a run of another configuration or other files, or cannot be written.
    """
    run_dir = config.run_dir
    try:
        if os.path.exists(os.path.join(run_dir, "config.json")):
            _check_same(Config.load(run_dir), config)
        elif os.path.isdir(run_dir) and any(not files.is_temporary(name) for name in os.listdir(run_dir)):
            raise ConfigError(f"run_dir {run_dir} is not empty and holds no run; choose another --run_dir.")
        for folder in ("", "checkpoints", "logs", "samples"):
            files.remove_temporary_files(os.path.join(run_dir, folder))
        config.save(run_dir)
    except OSError as error:
        raise ConfigError(f"run_dir {run_dir} cannot be written: {error.strerror}; choose another --run_dir.") from None


def _check_same(old: Config, new: Config) -> None:
    for field in dataclasses.fields(Config):
        before, now = getattr(old, field.name), getattr(new, field.name)
        if field.name not in _MAY_CHANGE and before != now:
            raise ConfigError(
                f"run_dir {new.run_dir} holds a run with {field.name}={before}, not {now}; choose another --run_dir, "
                "or repeat the flags of the run to resume it."
            )
    if old.epochs != new.epochs and (new.learning_rate_schedule != "constant" or new.beta_schedule == "cyclical"):
        raise ConfigError(
            f"run_dir {new.run_dir} holds a run of {old.epochs} epochs whose schedules end with it; epochs cannot "
            f"become {new.epochs}."
        )
