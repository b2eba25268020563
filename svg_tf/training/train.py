"""Training: from a configuration to a run that can be resumed at any step."""

import contextlib
import math
import os
import signal
import threading
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.models.svg import SVG
from svg_tf.training import checkpoints, distribution, loop, run
from svg_tf.training.callbacks import EpochLog, Previews
from svg_tf.training.optimizer import Adam
from svg_tf.training.progress import ProgressBar, StartUp
from svg_tf.training.rendezvous import PeerError
from svg_tf.training.schedules import LearningRate

BEST_LOSS = "progress/best_val_loss"
_SHOWN_CLIPS = 3


class NonFiniteError(ArithmeticError):
    """The loss or a weight is no longer a number; the message names the last good checkpoint."""


def train(config: Config, began: float | None = None) -> SVG:
    """Trains until config.epochs are done, from where the run stands, and returns the model.

    SIGINT and SIGTERM end it after the step at hand, with a checkpoint. Of several processes (config.strategy) all
    read and the chief writes.

    Args:
        config: the run's.
        began: time.monotonic() when the program began, to tell what it takes up to the first step; None: now.

    Raises:
        ConfigError: the run's folder holds another configuration, or config.strategy cannot be had.
        PeerError: another process is not there, is gone or was told to stop.
        DataError: the data is missing or broken.
        CheckpointError: the run's checkpoints cannot be read or do not fit.
        NonFiniteError: the loss is not finite; the last good checkpoint is kept.
    """
    start_up = StartUp(began)
    strategy = distribution.make_strategy(config)
    with distribution.peers_needed(strategy):
        return _train(config, strategy, start_up)


def _train(config: Config, strategy: tf.distribute.Strategy, start_up: StartUp) -> SVG:
    def data(split: str, first_step: int = 0) -> tf.data.Dataset:
        return strategy.distribute_datasets_from_function(
            lambda context: make_dataset(config, split, first_step, context=context)
        )

    chief = distribution.is_chief(strategy)
    train_data, validation_data = data("train"), data("validation")  # fails before a folder is made
    if chief:
        run.open_run(config)
    start_up.done("data")
    with strategy.scope():
        model = compiled_model(config)
    variables = checkpoints.named_variables(model, training_state=True)
    arrays = checkpoints.restore_latest(config.run_dir, variables)
    first_step = int(model.updates.numpy())
    if first_step >= config.total_steps:
        logging.info("%s is trained: %d of %d steps", config.run_dir, first_step, config.total_steps)
        return model
    if arrays is None:
        logging.info("training %s: %d steps", config.run_dir, config.total_steps)
    else:
        logging.info("resuming %s at step %d of %d", config.run_dir, first_step, config.total_steps)
        train_data = data("train", first_step)
    start_up.done("model")
    saver = Saver(config, best_loss=float((arrays or {}).get(BEST_LOSS, math.inf)))
    callbacks = [FiniteLoss(config), saver]
    with contextlib.ExitStack() as stack:
        if chief:
            bar = stack.enter_context(contextlib.closing(ProgressBar(config, first_step, start_up)))
            shown = next(iter(make_dataset(config, "validation"))).numpy()[:_SHOWN_CLIPS]
            callbacks[1:1] = [EpochLog(config, first_step), Previews(config, shown), bar]
        stack.enter_context(_stop_on_signal(saver))
        loop.fit(model, config, train_data, validation_data, callbacks)
        distribution.any_process(strategy, False)  # none leaves while the chief still writes: that would end it
    if saver.stopped and not saver.asked:
        raise PeerError(f"another process was told to stop, and step {saver.step} is saved; start all again to go on")
    if saver.stopped:
        logging.info("stopped at step %d; the same command goes on from there", saver.step)
    return model


def compiled_model(config: Config) -> SVG:
    """A new model with its optimizer, ready for fit."""
    model = SVG(config)
    optimizer = Adam(
        LearningRate(config.learning_rate, config.learning_rate_schedule, config.warmup_steps, config.total_steps),
        beta_1=0.9,
        epsilon=1e-8,
        global_clipnorm=config.clip_norm or None,
        name="adam",
    )
    if config.mixed_precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale")
    model.compile(optimizer, jit_compile=use_jit(config), auto_scale_loss=False)
    optimizer.build(model.trainable_variables)
    return model


def use_jit(config: Config) -> bool:
    """Whether to compile the training step by XLA.

    auto means on one GPU only. On two CPU cores a step of the SM-MNIST recipe with 8 clips took 1.12 s compiled and
    0.65 s plain, and the first one 8.1 s and 3.5 s. Narrow networks gain: the demo's took 0.06 s and 0.09 s.
    """
    if config.jit_compile == "auto":
        return not tf.distribute.has_strategy() and bool(tf.config.list_physical_devices("GPU"))
    return config.jit_compile == "true"


class FiniteLoss(keras.callbacks.Callback):
    """Ends training as soon as the loss is not finite, before anything is saved.

    In float16 a step whose gradient overflows is skipped and the loss scaled down. That is no error until the loss is
    made smaller than it is: then no step would ever be made again.
    """

    def __init__(self, config: Config):
        super().__init__()
        self._run_dir = config.run_dir

    def on_train_batch_end(self, batch, logs=None):
        self._check(logs, "loss")
        scale = getattr(self.model.optimizer, "dynamic_scale", None)
        if scale is not None and float(scale) < 1.0:
            step = int(self.model.updates.numpy())
            raise NonFiniteError(_not_finite(self._run_dir, f"the gradient in float16 at step {step}"))

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs, "val_loss")

    def _check(self, logs: dict[str, float], name: str) -> None:
        if not math.isfinite(logs[name]):
            values = ", ".join(f"{name} {value}" for name, value in logs.items())
            raise NonFiniteError(
                _not_finite(self._run_dir, f"{name} at step {int(self.model.updates.numpy())} ({values})")
            )


class Saver(keras.callbacks.Callback):
    """Checkpoints: every checkpoint_every steps, at every epoch's end, and the best by the validation loss."""

    def __init__(self, config: Config, best_loss: float):
        super().__init__()
        self.asked = False  # this process was told to stop
        self.stopped = False  # one of all processes was
        self._config = config
        self._best_loss = best_loss

    @property
    def step(self) -> int:
        """Updates made."""
        return int(self.model.updates.numpy())

    def on_train_batch_end(self, batch, logs=None):
        at_epoch_end = self.step % self._config.steps_per_epoch == 0
        if at_epoch_end:
            return  # saved after validation
        self._agree_to_stop()
        if self.stopped or self.step % self._config.checkpoint_every == 0:
            self._save(checkpoints.path_of(self._config.run_dir, self.step))

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self._best_loss:
            self._best_loss = logs["val_loss"]
            self._save(os.path.join(checkpoints.folder(self._config.run_dir), checkpoints.BEST))
        self._save(checkpoints.path_of(self._config.run_dir, self.step))
        self._agree_to_stop()

    def _agree_to_stop(self) -> None:
        self.stopped = distribution.any_process(self.model.distribute_strategy, self.asked)
        self.model.stop_training = self.stopped

    def _save(self, path: str) -> None:
        variables = checkpoints.named_variables(self.model, training_state=True)
        # In all processes: the metrics are the sums of what each of them holds.
        arrays = {name: variable.numpy() for name, variable in variables.items()}
        if not distribution.is_chief(self.model.distribute_strategy):
            return
        if math.isfinite(self._best_loss):  # there was a validation
            arrays[BEST_LOSS] = np.float64(self._best_loss)
        try:
            checkpoints.save(path, arrays)
        except checkpoints.CheckpointError as error:
            raise NonFiniteError(_not_finite(self._config.run_dir, str(error).split(" is not finite")[0])) from None
        checkpoints.prune(self._config.run_dir, self._config.keep_checkpoints)


def _not_finite(run_dir: str, what: str) -> str:
    saved = checkpoints.steps(run_dir)
    kept = (
        f"the last good checkpoint, {checkpoints.path_of(run_dir, saved[-1])}, is kept" if saved else "none was saved"
    )
    return f"{what} is not finite; {kept}; try a lower --learning_rate or a --clip_norm in a new --run_dir"


@contextlib.contextmanager
def _stop_on_signal(saver: Saver) -> Iterator[None]:
    """SIGINT and SIGTERM ask for a stop after the step at hand; a second one of a kind ends the program at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number, _frame):
        logging.info("%s: saving after this step", signal.Signals(number).name)
        saver.asked = True
        signal.signal(number, previous[number])

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
