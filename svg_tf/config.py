"""The configuration of a run: one frozen dataclass, validated when made, saved with the run."""

import dataclasses
import json
import os
from collections.abc import Collection
from typing import Any

from svg_tf import config_checks, files
from svg_tf.config_checks import ConfigError
from svg_tf.registry import BACKBONES, DATASETS

__all__ = ["Config", "ConfigError"]

# Fields that came later: a run without them was made as their defaults say.
_MAY_BE_MISSING = frozenset(
    {"cache_dir", "kth_split", "kth_clips", "resize", "frame_stride", "accumulation", "remat", "strategy"}
    | {"connect_timeout"}
)


def _field(default: Any, text: str, choices: Collection[str] = ()) -> Any:
    return dataclasses.field(default=default, metadata={"help": text, "choices": choices})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides what a run computes. The defaults are the paper's SM-MNIST recipe.

    Every field is a command-line flag of the same name; its help text is in the field's metadata.

    Raises:
        ConfigError: a field, or a combination of fields, that cannot work.
    """

    # The run.
    run_dir: str = _field("runs/smmnist", "folder of the run: configuration, checkpoints, logs, samples")
    seed: int = _field(0, "seed of weights, noise, order and clips; 0 to 2147483647")

    # The data.
    dataset: str = _field("smmnist", "what to learn from", DATASETS)
    data_dir: str = _field(
        "",
        "folder of the data: for kth the original AVIs, for bair softmotion30_44k or a folder of TensorFlow Datasets "
        "(empty: its default one), for videos any videos, for smmnist the four MNIST idx files (empty: TensorFlow "
        "Datasets)",
    )
    cache_dir: str = _field(
        "", "folder for what is made of kth, bair and videos once, some 4 KB a frame; empty: svg_tf_cache in data_dir"
    )
    digits: str = _field(
        "mnist",
        "digits of smmnist: mnist, or embedded (the 8x8 digits that scikit-learn ships, no download)",
        ("mnist", "embedded"),
    )
    num_digits: int = _field(2, "digits in a clip of smmnist; 1 to 4")
    digit_size: int = _field(32, "width and height of a digit of smmnist, in pixels; 1 or more, less than image_width")
    max_speed: int = _field(4, "largest speed of a digit of smmnist on each axis, in pixels a frame; 1 or more")
    motion: str = _field(
        "stochastic",
        "motion of smmnist's digits: stochastic (new velocity at a wall) or deterministic (mirror bounce)",
        ("stochastic", "deterministic"),
    )
    kth_split: str = _field(
        "svg",
        "persons of kth to train : test on: svg (1-20 : 21-25), savp (1-16 : 17-25; both hold out the last two of "
        "training for validation), official (as its authors say) or trial (any persons, a part of their clips each)",
        ("svg", "savp", "official", "trial"),
    )
    kth_clips: str = _field(
        "trimmed",
        "clips of kth are cut from the trimmed sub-sequences of 00sequences.txt, or from whole videos, in which "
        "persons leave the picture for a while",
        ("trimmed", "whole"),
    )
    resize: str = _field(
        "crop",
        "how a frame of videos becomes square: crop (scale the shorter side, keep the centre) or squash; kth is "
        "always squashed, as published",
        ("crop", "squash"),
    )
    frame_stride: int = _field(1, "take every n-th frame of kth, bair and videos; 1 or more, 1 takes all")
    image_width: int = _field(64, "width and height of a frame, in pixels; a power of two, 32 or more")
    channels: int = _field(1, "channels of a frame: 1 grey, 3 colour")

    # The clip.
    n_past: int = _field(5, "context frames, given to the model; 1 or more")
    n_future: int = _field(10, "frames to predict in training, after the context; 1 or more")
    n_eval: int = _field(30, "frames of an evaluated clip in all, context included; more than n_past")

    # The model.
    backbone: str = _field("dcgan", "encoder and decoder networks", BACKBONES)
    base_width: int = _field(64, "channels of the first convolution; 1 or more, the paper has 64")
    g_dim: int = _field(128, "size of the frame's code h and of the predictor's output g; 1 or more")
    z_dim: int = _field(10, "size of the latent z of one frame; 1 or more")
    rnn_size: int = _field(256, "units of every LSTM layer; 1 or more")
    predictor_layers: int = _field(2, "LSTM layers of the frame predictor; 1 or more")
    posterior_layers: int = _field(1, "LSTM layers of the posterior; 1 or more")
    prior_layers: int = _field(1, "LSTM layers of the learned prior; 1 or more")
    prior: str = _field(
        "learned",
        "source of z at future frames: learned (SVG-LP), fixed (SVG-FP, N(0, I)) or none (deterministic)",
        ("learned", "fixed", "none"),
    )
    skip_frame: str = _field(
        "last",
        "frame whose skips serve the future: last (the last context frame, the paper's text), original (the "
        "frame before it, the authors' code) or every (each step's own input frame)",
        ("last", "original", "every"),
    )

    # The optimisation.
    batch_size: int = _field(100, "clips in a training batch; 1 or more")
    learning_rate: float = _field(0.002, "Adam's learning rate, after warm-up and before decay; above 0")
    learning_rate_schedule: str = _field(
        "constant",
        "decay of the learning rate over the whole run: none, a half cosine to 0, or exponential to 1 %",
        ("constant", "cosine", "exponential"),
    )
    warmup_steps: int = _field(0, "steps over which the learning rate rises linearly from 0; 0 or more, 0 is off")
    clip_norm: float = _field(
        0.0, "largest global norm of the gradient, which is scaled down to it; 0 or more, 0 is off"
    )
    beta: float = _field(1e-4, "weight of the KL term, in the paper's reductions; 0 or more")
    beta_schedule: str = _field(
        "constant",
        "course of beta: constant, linear (from 0 over beta_warmup_steps) or cyclical (beta_cycles equal cycles "
        "over the run, each rising linearly in its first half)",
        ("constant", "linear", "cyclical"),
    )
    beta_warmup_steps: int = _field(0, "steps of beta's linear rise; 1 or more with --beta_schedule=linear, else 0")
    beta_cycles: int = _field(4, "cycles of --beta_schedule=cyclical; 1 or more")
    epochs: int = _field(300, "epochs to train in all, those of a resumed run included; 1 or more")
    steps_per_epoch: int = _field(600, "optimizer steps in an epoch; 1 or more")
    validation_steps: int = _field(10, "validation batches after every epoch; 1 or more")

    # The machine.
    jit_compile: str = _field(
        "auto", "compile the training step by XLA; auto: on a GPU only", ("auto", "true", "false")
    )
    mixed_precision: str = _field(
        "off", "number format of the convolutions; losses and LSTMs stay float32", ("off", "bfloat16", "float16")
    )
    accumulation: int = _field(
        1,
        "parts that a batch is trained in, one after the other, with one update for all: less memory; each part is "
        "normalised by itself; 1 or more, a divisor of batch_size",
    )
    remat: bool = _field(
        False,
        "keep only the inputs of each convolution block for the backward pass and compute the rest again there: two "
        "thirds of their memory, a third more time",
    )
    strategy: str = _field(
        "none",
        "devices that share each batch: none (one device), mirrored (all GPUs of this machine) or multi_worker (those "
        "of all processes in the environment variable TF_CONFIG)",
        ("none", "mirrored", "multi_worker"),
    )
    connect_timeout: int = _field(
        300, "seconds that a process of --strategy=multi_worker waits for the others to start; 1 or more"
    )

    # What is written.
    checkpoint_every: int = _field(
        200, "steps between two checkpoints inside an epoch, each of which ends with one; 1 or more"
    )
    keep_checkpoints: int = _field(3, "latest checkpoints to keep, beside the best one; 1 or more")
    n_samples: int = _field(5, "futures drawn of each clip shown during training; 1 or more")

    def __post_init__(self) -> None:
        config_checks.check(self)

    @property
    def n_frames(self) -> int:
        """Frames of a training clip: n_past + n_future."""
        return self.n_past + self.n_future

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    def to_json(self) -> str:
        """The fields as a JSON object, one a line."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def replace(self, **changes: Any) -> "Config":
        """The same with some fields changed, validated again."""
        return dataclasses.replace(self, **changes)

    def save(self, run_dir: str) -> None:
        """Writes run_dir/config.json, aside and renamed."""
        files.write_text(os.path.join(run_dir, "config.json"), self.to_json())

    @classmethod
    def load(cls, run_dir: str) -> "Config":
        """The configuration that run_dir was made with, with run_dir set to where it is now.

        Raises:
            ConfigError: there is no config.json, or it is not a configuration of this version.
        """
        path = os.path.join(run_dir, "config.json")
        try:
            with open(path, encoding="utf-8") as file:
                values = json.load(file)
        except FileNotFoundError:
            raise ConfigError(f"{run_dir} is not a run: it has no config.json; train one with bin/train.py") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{path} does not hold a configuration, which is a JSON object")
        fields = {field.name for field in dataclasses.fields(cls)}
        unknown, missing = sorted(set(values) - fields), sorted(fields - set(values) - _MAY_BE_MISSING)
        if unknown:
            name = config_checks.shown(unknown[0])
            raise ConfigError(f"{path} has the unknown field {name}: was it written by a newer version?")
        try:
            config = cls(**{**values, "run_dir": run_dir})
        except ConfigError as error:
            raise ConfigError(f"{path} is not a configuration that can work: {error}") from None
        if missing:
            raise ConfigError(f"{path} lacks the field {missing[0]!r}; put it back as the run was made")
        return config
