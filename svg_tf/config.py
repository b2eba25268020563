"""The configuration of a run: one frozen dataclass, validated on construction and saved with the run."""

import dataclasses
import json
import os
from collections.abc import Collection
from typing import Any

from svg_tf import files
from svg_tf.registry import BACKBONES, DATASETS

_LARGEST = 2**31 - 1
_BAIR_FRAMES = 30


class ConfigError(ValueError):
    """A configuration that cannot work; the message names the value and the remedy."""


def _field(
    default: Any,
    text: str,
    choices: Collection[str] = (),
    least: int = 1,
    most: int | None = None,
    only: str = "",
) -> Any:
    """Declare a field: help text, choices of a string, bounds of a number, data sets that use it (empty: all)."""
    metadata = {"help": text, "choices": choices, "least": least, "most": most, "only": only}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that determines the results of a run. The defaults are the paper's Stochastic Moving MNIST recipe.

    Each field is a command-line flag of the same name; its help text and bounds are in the field's metadata.

    Raises:
        ConfigError: a field or a combination of fields cannot work.
    """

    # The run.
    run_dir: str = _field("runs/smmnist", "folder of the run: configuration, checkpoints, logs, samples")
    seed: int = _field(0, "seed of weights, noise, order and clips; 0 to 2147483647", least=0)

    # The data.
    dataset: str = _field("smmnist", "data set to train on", DATASETS)
    data_dir: str = _field(
        "",
        "folder of the data. kth: the original AVI files; bair: softmotion30_44k, or a folder of TensorFlow Datasets "
        "(empty: its default); videos: your videos; smmnist: the four MNIST idx files (empty: TensorFlow Datasets)",
    )
    cache_dir: str = _field("", "folder for decoded frames, about 4 KB each; empty: svg_tf_cache in data_dir")
    digits: str = _field(
        "mnist", "mnist, or embedded (8x8 digits of scikit-learn)", ("mnist", "embedded"), only="smmnist"
    )
    num_digits: int = _field(2, "digits per clip of smmnist; 1 to 4", most=4, only="smmnist")
    digit_size: int = _field(32, "height and width of a digit in pixels; less than image_width", only="smmnist")
    max_speed: int = _field(4, "maximum speed of a digit on each axis, in pixels per frame", only="smmnist")
    motion: str = _field(
        "stochastic",
        "motion of digits: stochastic (new velocity at a wall) or deterministic (reflection)",
        ("stochastic", "deterministic"),
        only="smmnist",
    )
    kth_split: str = _field(
        "svg",
        "persons of kth to train : test on. svg: 1-20 : 21-25; savp: 1-16 : 17-25 (in both, the last two training "
        "persons are the validation set); official: the split of its authors; trial: any persons that are there",
        ("svg", "savp", "official", "trial"),
        only="kth",
    )
    kth_clips: str = _field(
        "trimmed", "trimmed (as in 00sequences.txt) or whole (the whole videos)", ("trimmed", "whole"), only="kth"
    )
    resize: str = _field(
        "crop", "how frames of videos become square: crop (the center) or squash", ("crop", "squash"), only="videos"
    )
    frame_stride: int = _field(1, "use every n-th frame of kth, bair and videos", only="kth bair videos")
    image_width: int = _field(64, "height and width of a frame in pixels; a power of two, 32 or greater", least=32)
    channels: int = _field(1, "channels of a frame: 1 (gray) or 3 (RGB)")

    # The clip.
    n_past: int = _field(5, "context frames")
    n_future: int = _field(10, "frames to predict in training, after the context")
    n_eval: int = _field(30, "frames of a clip in evaluation, context included; more than n_past")

    # The model.
    backbone: str = _field("dcgan", "encoder and decoder networks", BACKBONES)
    base_width: int = _field(64, "channels of the first convolution")
    g_dim: int = _field(128, "size of a frame's code h and of the frame predictor's output g")
    z_dim: int = _field(10, "size of the latent variable z of one frame")
    rnn_size: int = _field(256, "units of each LSTM layer")
    predictor_layers: int = _field(2, "LSTM layers of the frame predictor")
    posterior_layers: int = _field(1, "LSTM layers of the posterior")
    prior_layers: int = _field(1, "LSTM layers of the learned prior")
    prior: str = _field(
        "learned",
        "source of z at future frames: learned (SVG-LP), fixed (SVG-FP, N(0, I)) or none (deterministic)",
        ("learned", "fixed", "none"),
    )
    skip_frame: str = _field(
        "last",
        "frame whose skip connections serve the future: last (the last context frame, as in the paper), original (the "
        "frame before it, as in the authors' code) or every (each step's own input frame)",
        ("last", "original", "every"),
    )
    recurrence: str = _field(
        "vector", "vector (as published: code vectors) or conv (8x8 code maps, convolutional LSTMs)", ("vector", "conv")
    )
    conv_filters: int = _field(32, "channels of each convolutional LSTM layer, with --recurrence=conv")

    # The optimization.
    batch_size: int = _field(100, "clips per training step")
    learning_rate: float = _field(0.002, "peak learning rate of Adam; greater than 0", least=0)
    learning_rate_schedule: str = _field(
        "constant",
        "after the warm-up: constant, cosine (half a cosine to 0 at the end of the run) or exponential (to 1 % there)",
        ("constant", "cosine", "exponential"),
    )
    warmup_steps: int = _field(0, "steps of the linear rise of the learning rate from 0; 0: no warm-up", least=0)
    clip_norm: float = _field(0.0, "clip gradients to this global norm; 0: no clipping", least=0)
    beta: float = _field(1e-4, "weight of the KL divergence, with the paper's reductions; 0 or greater", least=0)
    beta_schedule: str = _field(
        "constant",
        "beta over the run: constant, linear (a rise from 0 over beta_warmup_steps) or cyclical (beta_cycles equal "
        "cycles, each with a linear rise in its first half)",
        ("constant", "linear", "cyclical"),
    )
    beta_warmup_steps: int = _field(
        0, "steps of the linear rise of beta; 1 or greater with --beta_schedule=linear, else 0", least=0
    )
    beta_cycles: int = _field(4, "cycles of --beta_schedule=cyclical")
    scheduled_sampling: float = _field(
        0.0,
        "share of the input frames after the context that training replaces with the model's own predictions, against "
        "drift in rollouts; 0 to 1, 0: teacher forcing as in the paper",
        least=0,
        most=1,
    )
    scheduled_sampling_warmup_steps: int = _field(0, "steps of the linear rise of scheduled_sampling from 0", least=0)
    epochs: int = _field(300, "epochs of the whole run, those before a resume included")
    steps_per_epoch: int = _field(600, "optimizer steps per epoch")
    validation_steps: int = _field(10, "validation batches after each epoch")

    # The machine.
    jit_compile: str = _field("auto", "compile the step with XLA; auto: on a GPU only", ("auto", "true", "false"))
    mixed_precision: str = _field(
        "off",
        "compute dtype of the convolutions; losses, LSTMs and pixels are float32 in every case. auto: bfloat16 if the "
        "GPU, or without one the CPU, has units for it, else off; chosen once, when the run begins",
        ("off", "auto", "bfloat16", "float16"),
    )
    gradient_accumulation_steps: int = _field(
        1,
        "forward and backward passes per optimizer step, each over batch_size / gradient_accumulation_steps clips: "
        "less memory; batch normalization sees one part at a time; a divisor of batch_size",
    )
    remat: bool = _field(
        False, "recompute convolution blocks in the backward pass: two thirds of the memory, a third more time"
    )
    strategy: str = _field(
        "none",
        "devices that share a batch: none (one device), mirrored (all GPUs of this machine) or multi_worker (those of "
        "all processes in the environment variable TF_CONFIG)",
        ("none", "mirrored", "multi_worker"),
    )
    connect_timeout: int = _field(300, "seconds that a process of --strategy=multi_worker waits for its peers to start")

    # The output.
    checkpoint_every: int = _field(200, "steps between checkpoints within an epoch; each epoch ends with one")
    keep_checkpoints: int = _field(3, "latest checkpoints to keep, besides the best one")
    n_samples: int = _field(5, "futures per clip in the pictures and the score of each epoch")
    best_by: str = _field(
        "val_loss",
        "validation score of the best checkpoint: val_loss (lowest loss, teacher-forced) or free_running (highest PSNR "
        "of the best of n_samples futures)",
        ("val_loss", "free_running"),
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            self._check_field(field)
        self._check_combinations()
        object.__setattr__(self, "run_dir", os.path.expanduser(self.run_dir))

    @property
    def n_frames(self) -> int:
        """Frames of a training clip: n_past + n_future."""
        return self.n_past + self.n_future

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    def to_json(self) -> str:
        """Return the fields as a JSON object, one per line."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def replace(self, **changes: Any) -> "Config":
        """Return a copy with changed fields, validated again."""
        return dataclasses.replace(self, **changes)

    def save(self, run_dir: str) -> None:
        """Write run_dir/config.json atomically."""
        files.write_text(os.path.join(run_dir, "config.json"), self.to_json())

    @classmethod
    def load(cls, run_dir: str) -> "Config":
        """Return the configuration saved in run_dir, with its run_dir field set to where the run is now.

        Raises:
            ConfigError: config.json is missing or is not a configuration of this version.
        """
        run_dir = os.path.expanduser(run_dir)
        path = os.path.join(run_dir, "config.json")
        try:
            with open(path, encoding="utf-8") as file:
                values = json.load(file)
            return cls(**{**values, "run_dir": run_dir})
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigError(f"{run_dir} is not a run: it has no config.json. Train one with svg-tf train.") from None
        except (OSError, TypeError, ValueError, RecursionError) as error:  # TypeError: an unknown field, or a list
            raise ConfigError(f"{path} is no configuration of this version of svg_tf: {error}") from None

    def _check_field(self, field: dataclasses.Field) -> None:
        name, kind, about = field.name, field.type, field.metadata
        value = getattr(self, name)
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise ConfigError(f"{name} is {value!r:.80}; it must be of type {kind.__name__}.")  # type: ignore[union-attr]
        if about["choices"] and value not in about["choices"]:
            raise ConfigError(f"{name} is {value!r:.80}; it must be one of {', '.join(about['choices'])}.")
        least, most = about["least"], about["most"] or _LARGEST
        if kind in (int, float) and not least <= value <= most:
            raise ConfigError(f"{name} is {value!r:.80}; it must be {least} to {most}.")
        if kind is float:
            object.__setattr__(self, name, float(value))
        if about["only"] and value != field.default and self.dataset not in about["only"].split():
            raise ConfigError(
                f"{name} has no effect with dataset={self.dataset}; it is for {', '.join(about['only'].split())}. "
                f"Remove --{name}."
            )

    def _check_combinations(self) -> None:
        def require(condition: bool, message: str) -> None:
            if not condition:
                raise ConfigError(message)

        width, channels, past = self.image_width, self.channels, self.n_past
        require(bool(self.run_dir), "run_dir is empty; name the folder of the run.")
        require(self.learning_rate > 0, f"learning_rate is {self.learning_rate}; it must be greater than 0.")
        require(width & (width - 1) == 0, f"image_width is {width}; it must be a power of two, 32 or greater.")
        require(channels in (1, 3), f"channels is {channels}; it must be 1 (gray) or 3 (RGB).")
        require(self.n_eval > past, f"n_eval is {self.n_eval}; it must be greater than n_past, which is {past}.")
        require(self.skip_frame != "original" or past > 1, f"n_past is {past}; skip_frame=original needs 2 or more.")
        require(
            (self.beta_schedule == "linear") == (self.beta_warmup_steps > 0),
            f"beta_warmup_steps is {self.beta_warmup_steps} with beta_schedule={self.beta_schedule}; it must be 1 or "
            "greater with linear and 0 otherwise.",
        )
        require(
            self.batch_size % self.gradient_accumulation_steps == 0,
            f"gradient_accumulation_steps is {self.gradient_accumulation_steps}; it must divide batch_size, which is "
            f"{self.batch_size}.",
        )
        size, digit = f"channels is {channels} and image_width {width}", self.digit_size
        if self.dataset == "smmnist":
            require(channels == 1, f"channels is {channels}; smmnist is gray, so it must be 1.")
            require(digit < width, f"digit_size is {digit}; it must be less than image_width, which is {width}.")
        elif self.dataset == "kth":
            require(channels == 1 and width in (64, 128), f"{size}; kth has 1 channel and 64 or 128 pixels.")
        elif self.dataset == "bair":
            require(channels == 3 and width == 64, f"{size}; bair has 3 channels and 64 pixels.")
            frames = (max(self.n_frames, self.n_eval) - 1) * self.frame_stride + 1
            require(
                frames <= _BAIR_FRAMES,
                f"clips span {frames} frames; trajectories of bair have {_BAIR_FRAMES}. Lower n_past, n_future, n_eval "
                "or frame_stride.",
            )
