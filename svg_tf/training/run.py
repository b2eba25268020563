"""The folder of a run, and the model that its configuration describes."""

import contextlib
import dataclasses
import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from absl import logging

from svg_tf import files
from svg_tf.config import Config, ConfigError
from svg_tf.models.svg import SVG
from svg_tf.training import checkpoints

# Fields that do not change the steps already taken, so they may differ on resume.
_MAY_CHANGE = frozenset(
    {"run_dir", "data_dir", "cache_dir", "epochs", "n_eval", "jit_compile", "remat", "strategy", "connect_timeout"}
    | {"checkpoint_every", "keep_checkpoints"}
)
_POLICIES = {"off": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
_LOCK = ".lock"
_CPU_INFO = Path("/proc/cpuinfo")


def model_from_config(config: Config) -> SVG:
    """Return an untrained model, with the initial weights of config.seed."""
    values, names = dataclasses.asdict(config), inspect.signature(SVG.__init__).parameters
    arguments = {name: values[name] for name in names if name in values}
    dtype = _POLICIES[choose_precision(config).mixed_precision]
    return SVG(image_size=config.image_width, dtype=dtype, **arguments)


def load_model(config: Config, checkpoint: str | int = "best") -> SVG:
    """Return the trained model of a run; checkpoint is "best" (the latest if there is no best), "latest" or a step.

    Raises CheckpointError if there is no such checkpoint, or it is damaged or of another model.
    """
    model = model_from_config(config)
    checkpoints.load_weights(model, config.run_dir, checkpoint)
    return model


def choose_precision(config: Config) -> Config:
    """Replace mixed_precision=auto by the number format of the run or, for a new run, by the one for this machine.

    bfloat16 needs a GPU of compute capability 8.0 or, without a GPU, a CPU with AVX512-BF16 or AMX.
    """
    if config.mixed_precision != "auto":
        return config
    if _holds_run(config.run_dir):
        chosen, reason = Config.load(config.run_dir).mixed_precision, "the run began with it"
    elif gpus := tf.config.list_physical_devices("GPU"):
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        chosen = "bfloat16" if capability >= (8, 0) else "off"
        reason = "the GPU has compute capability {}.{}".format(*capability)
    else:
        features = _CPU_INFO.read_text().split() if _CPU_INFO.exists() else []  # on Linux only
        units = [name for name in ("avx512_bf16", "amx_bf16") if name in features]
        chosen, reason = ("bfloat16", f"the CPU has {units[0]}") if units else ("off", "the CPU has no bfloat16 units")
    logging.info("mixed_precision=auto: %s, because %s", chosen, reason)
    return config.replace(mixed_precision=chosen)


@contextlib.contextmanager
def opened(config: Config) -> Iterator[None]:
    """Create config.run_dir, or check that it holds a run of the same configuration, and write config.json.

    Within the context, no other process can open the run. A process that is killed does not leave it locked. Raises
    ConfigError if the folder holds another run or other files, is open in another process, or cannot be written.
    """
    run_dir = config.run_dir
    with contextlib.ExitStack() as stack:
        try:
            for folder in ("", "checkpoints", "logs", "samples"):
                files.remove_temporary_files(os.path.join(run_dir, folder))  # left by a process that was killed
            if _holds_run(run_dir):
                _check_same(Config.load(run_dir), config)
            elif os.path.isdir(run_dir) and set(os.listdir(run_dir)) - {_LOCK}:
                raise ConfigError(f"run_dir {run_dir} is not empty and holds no run; choose another --run_dir.")
            os.makedirs(run_dir, exist_ok=True)
            if not files.lock(stack.enter_context(open(os.path.join(run_dir, _LOCK), "w"))):
                raise ConfigError(f"Another process trains {run_dir}; wait for its end, or choose another --run_dir.")
            config.save(run_dir)
        except OSError as error:
            raise ConfigError(
                f"run_dir {run_dir} cannot be written: {error.strerror}; choose another --run_dir."
            ) from None
        yield


def _holds_run(run_dir: str) -> bool:
    return os.path.exists(os.path.join(run_dir, "config.json"))


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
