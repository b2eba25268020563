"""What makes a configuration one that works."""

import dataclasses
import os
from typing import Any

_DATASETS_OF_FIELD: dict[str, tuple[str, ...]] = {
    "kth_split": ("kth",),
    "kth_clips": ("kth",),
    "resize": ("videos",),
    "frame_stride": ("kth", "bair", "videos"),
}
_BAIR_FRAMES = 30
_INTEGERS_FROM_ONE = (
    "channels",
    "num_digits",
    "digit_size",
    "max_speed",
    "base_width",
    "g_dim",
    "z_dim",
    "rnn_size",
    "predictor_layers",
    "posterior_layers",
    "prior_layers",
    "n_past",
    "n_future",
    "frame_stride",
    "batch_size",
    "accumulation",
    "epochs",
    "steps_per_epoch",
    "validation_steps",
    "beta_cycles",
    "checkpoint_every",
    "keep_checkpoints",
    "n_samples",
    "connect_timeout",
)
_INTEGERS_FROM_ZERO = ("seed", "warmup_steps", "beta_warmup_steps")
_INTEGERS_BELOW = 2**31
_FLOAT32 = (2.0**-126, 2.0**128)  # the least and past the largest; what is less may be flushed to 0
_MOST_SHOWN = 80


class ConfigError(ValueError):
    """A configuration that cannot work; the message names the value and the remedy."""


def check(config: Any) -> None:
    """Checks every field of a `Config` alone and with the others; an int for a float becomes one.

    Raises:
        ConfigError: a field, or a combination of fields, that cannot work.
    """
    _check_types(config)
    _check_fields(config)
    _check_combinations(config)


def shown(value: Any) -> str:
    """A value for a message: as Python writes it, on one line, shortened."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an integer of too many digits, or any object's own way to fail
        text = f"a {type(value).__name__} that cannot be written"
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


def _check_types(config: Any) -> None:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        kind: Any = field.type
        if kind is float and type(value) is int and -_INTEGERS_BELOW < value < _INTEGERS_BELOW:
            object.__setattr__(config, field.name, float(value))
        elif type(value) is not kind:
            raise ConfigError(f"{field.name} is {shown(value)}, but must be of type {kind.__name__}")


def _check_fields(config: Any) -> None:
    for field in dataclasses.fields(config):
        value, choices = getattr(config, field.name), field.metadata["choices"]
        if choices and value not in choices:
            raise ConfigError(f"{field.name} is {shown(value)}, but must be one of {', '.join(choices)}")
        if field.type is str and not _is_path(value):
            raise ConfigError(f"{field.name} is {shown(value)}, but must be a path, which this is not on this system")
        if field.type is int and value >= _INTEGERS_BELOW:
            raise ConfigError(f"{field.name} is {shown(value)}, but must be at most {_INTEGERS_BELOW - 1}")
    for least, names in ((1, _INTEGERS_FROM_ONE), (0, _INTEGERS_FROM_ZERO)):
        for name in names:
            if getattr(config, name) < least:
                raise ConfigError(f"{name} is {shown(getattr(config, name))}, but must be at least {least}")
    for name in ("beta", "clip_norm"):
        if not getattr(config, name) >= 0:
            raise ConfigError(f"{name} is {getattr(config, name)}, but must be 0 or more")
    if not config.learning_rate > 0:
        raise ConfigError(f"learning_rate is {config.learning_rate}, but must be more than 0")
    for name in ("learning_rate", "beta", "clip_norm"):
        value = getattr(config, name)
        if value and not _FLOAT32[0] <= value < _FLOAT32[1]:
            raise ConfigError(f"{name} is {value}, but must be a number that float32 holds, 1.2e-38 to 3.4e38")
    if not config.run_dir:
        raise ConfigError("run_dir is empty; name the folder of the run")
    if config.image_width < 32 or config.image_width & (config.image_width - 1):
        raise ConfigError(f"image_width is {shown(config.image_width)}, but must be a power of two, 32 or more")


def _is_path(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _check_combinations(config: Any) -> None:
    if config.n_eval <= config.n_past:
        raise ConfigError(f"n_eval is {shown(config.n_eval)}, but must be more than n_past, which is {config.n_past}")
    if config.skip_frame == "original" and config.n_past < 2:
        raise ConfigError("skip_frame=original takes the skips of frame n_past-2 and needs n_past of at least 2")
    if config.beta_schedule == "linear" and config.beta_warmup_steps == 0:
        raise ConfigError("beta_schedule=linear needs beta_warmup_steps of at least 1")
    if config.beta_schedule != "linear" and config.beta_warmup_steps > 0:
        raise ConfigError(f"beta_warmup_steps has no effect with beta_schedule={config.beta_schedule}; say linear")
    if config.batch_size % config.accumulation:
        raise ConfigError(
            f"accumulation is {config.accumulation}, but must divide batch_size, which is {config.batch_size}"
        )
    if config.dataset == "smmnist":
        _check_moving_digits(config)
    _check_videos(config)


def _check_moving_digits(config: Any) -> None:
    if config.num_digits > 4:
        raise ConfigError(f"num_digits is {config.num_digits}, but must be 1 to 4")
    if config.channels != 1:
        raise ConfigError(f"channels is {config.channels}, but smmnist is grey: channels must be 1")
    if config.digit_size >= config.image_width:
        raise ConfigError(
            f"digit_size is {config.digit_size}, but must be less than image_width, which is {config.image_width}"
        )


def _check_videos(config: Any) -> None:
    for field in dataclasses.fields(config):
        datasets = _DATASETS_OF_FIELD.get(field.name)
        if datasets and config.dataset not in datasets and getattr(config, field.name) != field.default:
            raise ConfigError(f"{field.name} has no effect with dataset={config.dataset}; it is for {datasets[0]}")
    if config.channels not in (1, 3):
        raise ConfigError(f"channels is {config.channels}, but must be 1 (grey) or 3 (colour)")
    if config.dataset == "kth" and (config.channels != 1 or config.image_width not in (64, 128)):
        raise ConfigError(
            f"channels is {config.channels} and image_width {config.image_width}, but kth is grey, 64 or 128 px wide"
        )
    if config.dataset == "bair":
        if config.channels != 3 or config.image_width != 64:
            raise ConfigError(
                f"channels is {config.channels} and image_width {config.image_width}, but bair has channels=3 and "
                "image_width=64"
            )
        frames = (max(config.n_frames, config.n_eval) - 1) * config.frame_stride + 1
        if frames > _BAIR_FRAMES:
            raise ConfigError(
                f"clips of {frames} frames are asked for, but a trajectory of bair has {_BAIR_FRAMES}: lower "
                "n_past, n_future, n_eval or frame_stride"
            )
