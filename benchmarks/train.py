"""Training steps, compared with plain forms of the same computation."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from benchmarks import plain, timing
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.models.svg import SVG
from svg_tf.training.run import model_from_config

WHOLE = "as it is"


def _frame_by_frame(model: SVG) -> SVG:
    return plain.FrameByFrame.from_config(model.get_config())


# All but the first undo an optimisation; the last undoes all.
VARIANTS: dict[str, Callable[[SVG], SVG]] = {
    WHOLE: lambda model: model,
    "skips concatenated": plain.concatenate_skips,
    "batch norm of Keras": plain.keras_batch_norm,
    "frame by frame": _frame_by_frame,
    "all three": lambda model: plain.keras_batch_norm(plain.concatenate_skips(_frame_by_frame(model))),
}


def measure(config: Config, seconds: float) -> dict[str, Any]:
    """Measure training steps on one batch, each variant for about `seconds`, in turn.

    Returns:
        For JSON: the title, and rows with step_seconds, frames/s, the time relative to "as it is", and the seconds of
        the first step, which traces and compiles.
    """
    batch = next(iter(make_dataset(config, "train")))
    steps = {name: training_step(make(model_from_config(config)), config, batch) for name, make in VARIANTS.items()}
    steps["compiled by XLA"] = training_step(model_from_config(config), config, batch, jit_compile=True)
    first = {name: timing.seconds_of(step) for name, step in steps.items()}
    taken = timing.in_turns(steps, seconds)
    rows = {
        name: {
            "step_seconds": duration,
            "frames/s": config.batch_size * config.n_frames / duration,
            "relative": duration / taken[WHOLE],
            "first_step": first[name],
        }
        for name, duration in taken.items()
    }
    return {"title": f"{config.batch_size} clips of {config.n_frames} frames a step", "rows": rows}


def training_step(
    model: SVG, config: Config, batch: tf.Tensor, jit_compile: bool = False
) -> Callable[[], dict[str, tf.Tensor]]:
    """Return a function that takes a training step on the batch."""
    model.compile(keras.optimizers.Adam(config.learning_rate, epsilon=1e-8), config.beta, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return partial(tf.function(model.train_step, jit_compile=jit_compile, autograph=False), batch)  # as Keras does
