"""Training: from a configuration to a run that can be resumed at any step."""

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.data.errors import DataError
from svg_tf.models.svg import SVG
from svg_tf.training import checkpoints, distribution, loop, run
from svg_tf.training.callbacks import EpochLog, FiniteLoss, Futures, NonFiniteError, Progress, Saver
from svg_tf.training.distribution import PeerError
from svg_tf.training.optimizer import Adam, LossScaleOptimizer
from svg_tf.training.schedules import LearningRate, Schedule

__all__ = ["NonFiniteError", "PeerError", "compiled_model", "dry_run", "train"]


def train(config: Config, began: float | None = None, callbacks: Sequence[keras.callbacks.Callback] = ()) -> SVG:
    """Train a run to the end of its epochs, from its latest checkpoint if there is one, and return the model.

    SIGINT and SIGTERM end the training after the current step, with a checkpoint. With several processes
    (config.strategy), each reads its share of the data and the chief writes.

    Args:
        config: the configuration of the run.
        began: `time.monotonic()` when the program started; None: now.
        callbacks: further Keras callbacks, called in every process. They see the logs of `fit` and the scores
            val_best_psnr and val_mean_psnr.

    Raises:
        ConfigError: the folder holds another run, or config.strategy does not fit the machine.
        PeerError: another process did not start, is gone or was stopped.
        DataError: the data is missing or damaged.
        CheckpointError: the checkpoints cannot be read or are of another model.
        NonFiniteError: the loss is not finite; the last good checkpoint is kept.
    """
    strategy = distribution.make_strategy(config)
    with distribution.peers_needed(strategy):
        return _train(config, strategy, time.monotonic() if began is None else began, callbacks)


def _train(
    config: Config, strategy: tf.distribute.Strategy, began: float, callbacks: Sequence[keras.callbacks.Callback]
) -> SVG:
    validation_data = _distributed(config, strategy, "validation")
    clips = next(iter(make_dataset(config, "validation"))).numpy()  # missing data fails before a folder is made
    chief = distribution.is_chief(strategy)
    if chief:
        run.open_run(config)
    with strategy.scope():
        model = compiled_model(config)
    saver, scores = Saver(config, clips), Futures(config, clips)
    scores.set_model(model)
    arrays = checkpoints.restore_latest(config.run_dir, checkpoints.named_variables(model, training_state=True))
    if saver.restore(arrays):
        saver.best = _score_of_best(model, config, saver, scores, validation_data)
    first_step = int(model.step.numpy()) // config.gradient_accumulation_steps
    if first_step >= config.total_steps and not saver.validation_due:
        logging.info("%s is trained: %d of %d steps", config.run_dir, first_step, config.total_steps)
        return model
    logging.info(
        "%s %s at step %d of %d",
        "training" if arrays is None else "resuming",
        config.run_dir,
        first_step,
        config.total_steps,
    )
    with contextlib.ExitStack() as stack:
        first = [scores]
        if chief:
            writer = tf.summary.create_file_writer(os.path.join(config.run_dir, "logs"))
            bar = stack.enter_context(contextlib.closing(Progress(config, first_step, began)))
            first = [Futures(config, clips, writer), EpochLog(config, first_step, writer), bar]
        stack.enter_context(_stop_on_signal(saver))
        loop.fit(
            model,
            config,
            _distributed(config, strategy, "train", first_step),
            validation_data,
            [FiniteLoss(config), *first, *callbacks, saver],
            saver.validation_due,
        )
        distribution.any_process(strategy, False)  # wait for the chief: a process that leaves would end it
    if saver.stopped and not saver.stop_requested:
        raise PeerError(f"Another process was stopped, and step {saver.step} is saved. Start all again to continue.")
    if saver.stopped:
        logging.info("stopped at step %d; repeat the command to continue", saver.step)
    return model


def compiled_model(config: Config) -> SVG:
    """Return a new model with its optimizer, schedules and number format, ready for `fit`."""
    parts, total = config.gradient_accumulation_steps, config.total_steps
    rate: float | LearningRate = config.learning_rate
    if config.learning_rate_schedule != "constant" or config.warmup_steps:
        rate = LearningRate(config.learning_rate, config.learning_rate_schedule, config.warmup_steps, total, parts)
    optimizer: keras.optimizers.Optimizer = Adam(
        rate,
        beta_1=0.9,
        epsilon=1e-8,
        global_clipnorm=config.clip_norm or None,
        gradient_accumulation_steps=parts if parts > 1 else None,
        name="adam",
    )
    if config.mixed_precision == "float16":
        optimizer = LossScaleOptimizer(optimizer, name="loss_scale")
    kind = "linear" if config.scheduled_sampling_warmup_steps else "constant"
    model = run.model_from_config(config)
    model.compile(
        optimizer,
        beta=Schedule(config.beta, config.beta_schedule, config.beta_warmup_steps, total, config.beta_cycles, parts),
        scheduled_sampling=config.scheduled_sampling
        and Schedule(config.scheduled_sampling, kind, config.scheduled_sampling_warmup_steps, steps_per_update=parts),
        jit_compile=use_jit(config),
        auto_scale_loss=False,  # the scaling is chosen above
    )
    optimizer.build(model.trainable_variables)
    return model


def use_jit(config: Config) -> bool:
    """Return whether to compile the training step with XLA; auto: on one GPU.

    On two CPU cores a step of the SM-MNIST recipe with 8 clips took 1.12 s with XLA and 0.65 s without, the first one
    8.1 s and 3.5 s. Narrow networks gain: a step of the demo took 0.06 s instead of 0.09 s.
    """
    if config.jit_compile == "auto":
        return not tf.distribute.has_strategy() and bool(tf.config.list_physical_devices("GPU"))
    return config.jit_compile == "true"


def dry_run(config: Config) -> str:
    """Train one step without writing anything; return the configuration, sizes, time and peak memory as text.

    Without data, the step is trained on black frames.
    """
    import resource

    lines = ["configuration", *("  " + line for line in config.to_json().splitlines()[1:-1])]
    size = config.batch_size // config.gradient_accumulation_steps
    try:
        batch = next(iter(make_dataset(_part(config), "train")))
        values = f"{int(tf.reduce_min(batch))} to {int(tf.reduce_max(batch))}"
        lines.append(f"batch: uint8 {list(batch.shape)}, values {values}")
    except DataError as error:
        shape = [size, config.n_frames, config.image_width, config.image_width, config.channels]
        batch = tf.zeros(shape, tf.uint8)
        lines.append(f"no data: {error}")
    model = compiled_model(config)
    lines.append("trainable parameters")
    for name in ("encoder", "decoder", "frame_predictor", "posterior", "prior"):
        network = getattr(model, name)
        weights = network.trainable_weights if network is not None else []
        lines.append(f"  {name:<16}{sum(int(np.prod(weight.shape)) for weight in weights):>14,}")
    lines.append(f"  {'total':<16}{sum(int(np.prod(weight.shape)) for weight in model.trainable_weights):>14,}")
    step = loop.on_all_replicas(model, model.train_step)
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    for name in ("first step", "second step"):
        began = time.monotonic()
        for _ in range(config.gradient_accumulation_steps):
            step(batches)
        lines.append(f"{name}: {time.monotonic() - began:.2f} s")
    if tf.config.list_physical_devices("GPU"):
        peak, where = tf.config.experimental.get_memory_info("GPU:0")["peak"], "GPU memory"
    else:
        peak, where = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "memory of the process"
    return "\n".join([*lines, f"peak {where}: {peak / 2**20:,.0f} MiB"]) + "\n"


def _part(config: Config) -> Config:
    """Return the configuration with the batches of one training step, a part of an optimizer step."""
    parts = config.gradient_accumulation_steps
    return config.replace(batch_size=config.batch_size // parts, gradient_accumulation_steps=1)


def _distributed(config: Config, strategy: tf.distribute.Strategy, split: str, first_step: int = 0) -> tf.data.Dataset:
    part = _part(config) if split == "train" else config.replace(gradient_accumulation_steps=1)
    first = first_step * config.gradient_accumulation_steps
    return strategy.distribute_datasets_from_function(
        lambda context: make_dataset(part, split, first, context=context)
    )


def _score_of_best(
    model: SVG, config: Config, saver: Saver, scores: Futures, validation_data: tf.data.Dataset
) -> float:
    """Return the score of the best checkpoint so far under today's configuration and data."""
    path = os.path.join(checkpoints.folder(config.run_dir), checkpoints.BEST)
    if not os.path.exists(path):
        return math.inf
    state = checkpoints.named_variables(model, training_state=True)
    current = {name: variable.numpy() for name, variable in state.items()}
    try:
        checkpoints.load_weights(model, config.run_dir, "best")
    except checkpoints.CheckpointError as error:
        logging.warning("%s The best checkpoint is chosen anew.", error)
        return math.inf
    logging.info("the validation has changed: scoring %s again", path)
    logs = loop.validate(model, loop.on_all_replicas(model, model.test_step), validation_data, config.validation_steps)
    score = saver.score({f"val_{name}": value for name, value in logs.items()} | scores.scores()[0])
    checkpoints.assign(state, current, path)
    return score


@contextlib.contextmanager
def _stop_on_signal(saver: Saver) -> Iterator[None]:
    """Let SIGINT and SIGTERM stop the training after the current step; a second one ends the program at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def request_stop(number, _frame):
        logging.info("%s: saving after this step", signal.Signals(number).name)
        saver.stop_requested = True
        signal.signal(number, previous[number])

    previous = {number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
