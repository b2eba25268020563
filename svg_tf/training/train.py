"""Training: from a configuration to a run that can be resumed at any step."""

import contextlib
import math
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf
from absl import logging

from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.models.svg import SVG
from svg_tf.progress import progress
from svg_tf.training import distribution, loop, run
from svg_tf.training.callbacks import EpochLog, FiniteLoss, Futures, Progress, Saver
from svg_tf.training.distribution import PeerError
from svg_tf.training.optimizer import Adam, LossScaleOptimizer
from svg_tf.training.schedules import LearningRate, Schedule


def train(config: Config, began: float | None = None, callbacks: Sequence[keras.callbacks.Callback] = ()) -> SVG:
    """Train a run to the end of its epochs, from its latest checkpoint if there is one, and return the model.

    SIGINT and SIGTERM end the training after the current step, with a checkpoint.

    Args:
        config: the configuration of the run.
        began: `time.monotonic()` when the program started; None: now.
        callbacks: further Keras callbacks, called in every process. They see the logs of `fit` and the scores
            val_best_psnr and val_mean_psnr.

    Raises:
        ConfigError: the folder holds another run or one in training, or config.strategy does not fit the machine.
        PeerError: another process did not start, is gone or was stopped.
        DataError: the data is missing or damaged.
        CheckpointError: the checkpoints cannot be read or are of another model.
        NonFiniteError: the loss is not finite; the last good checkpoint is kept.
    """
    began = time.monotonic() if began is None else began
    config = run.choose_precision(config)
    strategy = distribution.make_strategy(config)
    with distribution.peers_needed(strategy), contextlib.ExitStack() as stack:
        validation_data = _batches(config, strategy, "validation")
        clips = next(iter(make_dataset(config, "validation"))).numpy()  # fails before the folder is created
        chief = strategy.extended.should_checkpoint
        if chief:
            stack.enter_context(run.opened(config))
        with strategy.scope():
            model = compiled_model(config)
        saver = Saver(config)
        restored = saver.restore(model)
        parts = config.gradient_accumulation_steps
        step = int(model.step.numpy()) // parts
        if step >= config.total_steps and not saver.validation_due:
            logging.info("%s is trained: %d of %d steps", config.run_dir, step, config.total_steps)
            return model
        verb = "resuming" if restored else "training"
        logging.info("%s %s at step %d of %d", verb, config.run_dir, step, config.total_steps)
        own = [Futures(config, clips)]
        if chief:
            writer = tf.summary.create_file_writer(os.path.join(config.run_dir, "logs"))
            bar = stack.enter_context(progress(total=config.total_steps, initial=step, unit="step", desc="train"))
            own = [Futures(config, clips, writer), EpochLog(config, step, writer), Progress(config, bar, began)]
        stack.enter_context(_stop_on_signal(saver))
        one_part = config.replace(batch_size=config.batch_size // parts, gradient_accumulation_steps=1)
        training_data = _batches(one_part, strategy, "train", step * parts)
        every = [FiniteLoss(config), *own, *callbacks, saver]
        loop.fit(model, config, training_data, validation_data, every, saver.validation_due)
        distribution.any_process(strategy, False)  # a process that leaves before the chief is done would end it
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
        rate = LearningRate(rate, config.learning_rate_schedule, config.warmup_steps, total, parts)
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
    beta = Schedule(config.beta, config.beta_schedule, config.beta_warmup_steps, total, config.beta_cycles, parts)
    share, rise = config.scheduled_sampling, config.scheduled_sampling_warmup_steps
    sampling = Schedule(share, "linear" if rise else "constant", rise, steps_per_update=parts) if share else 0.0
    model = run.model_from_config(config)
    # The loss is scaled by the optimizer chosen above.
    model.compile(optimizer, beta, sampling, jit_compile=use_jit(config), auto_scale_loss=False)
    optimizer.build(model.trainable_variables)
    return model


def use_jit(config: Config) -> bool:
    """Return whether to compile the training step with XLA; auto: on one GPU."""
    if config.jit_compile == "auto":  # on two CPU cores a step of SM-MNIST took 1.12 s with XLA and 0.65 s without
        return not tf.distribute.has_strategy() and bool(tf.config.list_physical_devices("GPU"))
    return config.jit_compile == "true"


def dry_run(config: Config) -> str:
    """Train two steps on black frames; return the configuration, sizes, times and peak memory as text."""
    config = run.choose_precision(config)
    lines = ["configuration", *("  " + line for line in config.to_json().splitlines()[1:-1])]
    model = compiled_model(config)
    lines.append("trainable parameters")
    for network in (model.encoder, model.decoder, model.frame_predictor, model.posterior, model.prior, model):
        if network is not None:
            count = sum(math.prod(weight.shape) for weight in network.trainable_weights)
            lines.append(f"  {'total' if network is model else network.name:<16}{count:>14,}")
    parts, width = config.gradient_accumulation_steps, config.image_width
    batch = tf.zeros([config.batch_size // parts, config.n_frames, width, width, config.channels], tf.uint8)
    step, batches = loop.on_all_replicas(model, model.train_step), iter(tf.data.Dataset.from_tensors(batch).repeat())
    for name in ("first step", "second step"):
        start = time.monotonic()
        for _ in range(parts):
            step(batches)
        lines.append(f"{name}: {time.monotonic() - start:.2f} s")
    if tf.config.list_physical_devices("GPU"):
        peak, where = tf.config.experimental.get_memory_info("GPU:0")["peak"], "GPU memory"
    else:
        peak, where = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "memory of the process"
    return "\n".join([*lines, f"peak {where}: {peak / 2**20:,.0f} MiB"]) + "\n"


def _batches(config: Config, strategy: tf.distribute.Strategy, split: str, step: int = 0) -> tf.data.Dataset:
    return strategy.distribute_datasets_from_function(
        lambda context: make_dataset(config, split, step, context=context)
    )


@contextlib.contextmanager
def _stop_on_signal(saver: Saver) -> Iterator[None]:
    """Let SIGINT and SIGTERM stop the training after the current step; a second one ends the program at once."""

    def request_stop(number, _frame):
        logging.info("%s: saving after this step", signal.Signals(number).name)
        saver.stop_requested = True
        signal.signal(number, previous[number])

    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    previous = {number: signal.signal(number, request_stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
