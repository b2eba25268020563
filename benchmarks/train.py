"""How fast a training step is, beside its plain forms and beside PyTorch, and what it needs."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks import flops, plain, process_memory, timing
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.models.svg import SVG
from svg_tf.training import train as training
from svg_tf.training.optimizer import Adam

WHOLE = "as it is"
PYTORCH = "PyTorch, frame by frame"


def _all_plain(config: Config) -> SVG:
    return plain.keras_batch_norm(plain.concatenate_skips(plain.FrameByFrame(config)))


# The model of each form; all but the first undo a trick, and the last one all of them.
_FORMS: dict[str, Callable[[Config], SVG]] = {
    WHOLE: SVG,
    "skips concatenated": lambda config: plain.concatenate_skips(SVG(config)),
    "batch normalisation of Keras": lambda config: plain.keras_batch_norm(SVG(config)),
    "frame by frame": plain.FrameByFrame,
    "all of these": _all_plain,
}


def measure(config: Config, seconds: float) -> dict[str, Any]:
    """Measures training steps on one batch, each form for about `seconds`, in turns.

    Returns:
        Fit for JSON: clips and frames of a batch, flops of a step, the machine's product_rate in flop/s, and for each
        form under `forms` its step_seconds, clips_per_second, frames_per_second, the first step's seconds, speedup of
        "as it is" over it, and for those of TensorFlow share_of_product_rate; peak_bytes of a process that trains.

    Raises:
        DataError: the data is missing or broken.
    """
    batch = next(iter(make_dataset(config, "train")))
    steps: dict[str, Any] = {name: _step(make(config), config, batch) for name, make in _FORMS.items()}
    steps["Adam of Keras"] = _step(SVG(config), config, batch, optimizer=keras.optimizers.Adam)
    steps["compiled by XLA" if not training.use_jit(config) else "without XLA"] = _step(
        SVG(config), config, batch, jit=not training.use_jit(config)
    )
    first = {name: timing.first_run(step) for name, step in steps.items()}
    if config.prior == "learned" and (torch_step := _torch_step(config, batch.numpy())):
        steps[PYTORCH] = torch_step
    taken = timing.in_turns(steps, seconds)
    rate = timing.product_rate(min(seconds, 5.0))
    forms = {}
    for name, duration in taken.items():
        forms[name] = {
            "step_seconds": duration,
            "clips_per_second": config.batch_size / duration,
            "frames_per_second": config.batch_size * config.n_frames / duration,
            "speedup_of_as_it_is": duration / taken[WHOLE],
        }
        if name in first:
            forms[name]["first_step_seconds"] = first[name]
        if hasattr(steps[name], "flops"):
            forms[name]["share_of_product_rate"] = steps[name].flops / duration / rate
    return {
        "clips": config.batch_size,
        "frames": config.batch_size * config.n_frames,
        "flops": steps[WHOLE].flops,
        "product_rate": rate,
        "peak_bytes": process_memory.of_training(config),
        "forms": forms,
    }


class _step:  # noqa: N801 - a function with a count
    """A training step on one batch, to be called again and again; `flops` is its arithmetic."""

    def __init__(
        self,
        model: SVG,
        config: Config,
        batch: tf.Tensor,
        *,
        jit: bool | None = None,
        optimizer: type[keras.optimizers.Adam] = Adam,
    ):
        self._batch, self._model = batch, model
        model.compile(
            optimizer(config.learning_rate, epsilon=1e-8),
            jit_compile=training.use_jit(config) if jit is None else jit,
            auto_scale_loss=False,
        )
        model.optimizer.build(model.trainable_variables)
        self._run = tf.function(model.train_step, jit_compile=model.jit_compile)
        self.flops = flops.count(tf.function(model.train_step).get_concrete_function(batch).graph)

    def __call__(self) -> tf.Tensor:
        return self._run(self._batch)["loss"]


def _torch_step(config: Config, clips: np.ndarray) -> Callable[[], object] | None:
    """The same in PyTorch, where it is installed."""
    try:
        from benchmarks import torch_model
    except ImportError:
        return None
    model = torch_model.TorchSVG({field: getattr(config, field) for field in config.__dataclass_fields__})
    frames = torch_model.to_torch(clips)
    return lambda: float(model.train_step(frames))
