"""Training: from a configuration to a run that can be resumed at any step."""

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf
from absl import logging

from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.data.errors import DataError
from svg_tf.models.svg import SVG
from svg_tf.training import distribution, loop, run
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
        chief = distribution.is_chief(strategy)
        if chief:
            stack.enter_context(run.opened(config))
        with strategy.scope():
            model = compiled_model(config)
        saver = Saver(config)
        restored = saver.restore(model)
        step = int(model.step.numpy()) // config.gradient_accumulation_steps
        if step >= config.total_steps and not saver.validation_due:
            logging.info("%s is trained: %d of %d steps", config.run_dir, step, config.total_steps)
            return model
        verb = "resuming" if restored else "training"
        logging.info("%s %s at step %d of %d", verb, config.run_dir, step, config.total_steps)
        own = [Futures(config, clips)]
        if chief:
            writer = tf.summary.create_file_writer(os.path.join(config.run_dir, "logs"))
            bar = stack.enter_context(contextlib.closing(Progress(config, step, began)))
            own = [Futures(config, clips, writer), EpochLog(config, step, writer), bar]
        stack.enter_context(_stop_on_signal(saver))
        every = [FiniteLoss(config), *own, *callbacks, saver]
        loop.fit(model, config, _batches(config, strategy, "train", step), validation_data, every, saver.validation_due)
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
    """Return whether to compile the training step with XLA; auto: on one GPU.

    On two CPU cores a step of the SM-MNIST recipe with 8 clips took 1.12 s with XLA and 0.65 s without. Narrow networks
    gain: a step of the demo took 0.06 s instead of 0.09 s.
    """
    if config.jit_compile == "auto":
        return not tf.distribute.has_strategy() and bool(tf.config.list_physical_devices("GPU"))
    return config.jit_compile == "true"


def dry_run(config: Config) -> str:
    """Train two steps without writing anything; return the configuration, sizes, times and peak memory as text.

    Without data, the steps are trained on black frames.
    """
    import resource

    config = run.choose_precision(config)
    lines = ["configuration", *("  " + line for line in config.to_json().splitlines()[1:-1])]
    one = _one_step(config)
    try:
        batch = next(iter(make_dataset(one, "train")))
        lines.append(f"batch: uint8 {list(batch.shape)}, values {tf.reduce_min(batch)} to {tf.reduce_max(batch)}")
    except DataError as error:
        shape = [one.batch_size, config.n_frames, config.image_width, config.image_width, config.channels]
        batch = tf.zeros(shape, tf.uint8)
        lines.append(f"no data: {error}")
    model = compiled_model(config)
    networks = [model.encoder, model.decoder, model.frame_predictor, model.posterior, model.prior]
    sizes = {network.name: network.trainable_weights for network in networks if network is not None}
    lines.append("trainable parameters")
    for name, weights in (sizes | {"total": model.trainable_weights}).items():
        lines.append(f"  {name:<16}{sum(math.prod(weight.shape) for weight in weights):>14,}")
    step, batches = loop.on_all_replicas(model, model.train_step), iter(tf.data.Dataset.from_tensors(batch).repeat())
    for name in ("first step", "second step"):
        start = time.monotonic()
        for _ in range(config.gradient_accumulation_steps):
            step(batches)
        lines.append(f"{name}: {time.monotonic() - start:.2f} s")
    if tf.config.list_physical_devices("GPU"):
        peak, where = tf.config.experimental.get_memory_info("GPU:0")["peak"], "GPU memory"
    else:
        peak, where = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "memory of the process"
    return "\n".join([*lines, f"peak {where}: {peak / 2**20:,.0f} MiB"]) + "\n"


def _one_step(config: Config) -> Config:
    """Return the configuration with the batches of one training step, a part of an optimizer step."""
    parts = config.gradient_accumulation_steps
    return config.replace(batch_size=config.batch_size // parts, gradient_accumulation_steps=1)


def _batches(config: Config, strategy: tf.distribute.Strategy, split: str, step: int = 0) -> tf.data.Dataset:
    first = step * config.gradient_accumulation_steps
    one = _one_step(config) if split == "train" else config.replace(gradient_accumulation_steps=1)
    return strategy.distribute_datasets_from_function(lambda context: make_dataset(one, split, first, context=context))


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
