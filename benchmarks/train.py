"""Training steps, compared with plain forms of the same computation."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from benchmarks import plain, timing
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.models.svg import SVG
from svg_tf.training.run import model_from_config

WHOLE = "as it is"
# All but the first undo an optimisation; the last undoes all.
VARIANTS: dict[str, Callable[[SVG], SVG]] = {
    WHOLE: lambda model: model,
    "skips concatenated": plain.concatenate_skips,
    "batch norm of Keras": plain.keras_batch_norm,
    "frame by frame": plain.frame_by_frame,
    "all three": lambda model: plain.keras_batch_norm(plain.concatenate_skips(plain.frame_by_frame(model))),
}


def measure(config: Config, seconds: float) -> dict[str, Any]:
    """Measure training steps on one batch, each variant for about `seconds`, in turn.

    Returns:
        For JSON: the title, flops of a step, product_rate in flop/s, and rows with step_seconds, frames/s, the time
        relative to "as it is", the share of the product rate and the seconds of the first step.

    Raises:
        DataError: the data is missing or broken.
    """
    batch = next(iter(make_dataset(config, "train")))
    steps = {name: Step(make(model_from_config(config)), config, batch) for name, make in VARIANTS.items()}
    steps["compiled by XLA"] = Step(model_from_config(config), config, batch, jit_compile=True)
    first = {name: timing.seconds_of(step) for name, step in steps.items()}
    taken = timing.in_turns(steps, seconds)
    rate = timing.product_rate(min(seconds, 5.0))
    flops = steps[WHOLE].flops
    rows = {
        name: {
            "step_seconds": duration,
            "frames/s": config.batch_size * config.n_frames / duration,
            "relative": duration / taken[WHOLE],
            "of_product_rate": steps[name].flops / duration / rate,
            "first_step": first[name],
        }
        for name, duration in taken.items()
    }
    title = f"{config.batch_size} clips of {config.n_frames} frames, {flops / 1e9:,.0f} GFLOP a step"
    return {"title": title, "flops": flops, "product_rate": rate, "rows": rows}


class Step:
    """A training step on one batch. `flops` is its arithmetic."""

    def __init__(self, model: SVG, config: Config, batch: tf.Tensor, jit_compile: bool = False):
        model.compile(keras.optimizers.Adam(config.learning_rate, epsilon=1e-8), config.beta, jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        self._batch, self._run = batch, tf.function(model.train_step, jit_compile=jit_compile)
        self.flops = timing.count_flops(tf.function(model.train_step).get_concrete_function(batch).graph)

    def __call__(self) -> tf.Tensor:
        return self._run(self._batch)["loss"]
