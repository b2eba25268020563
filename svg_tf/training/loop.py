"""The training loop: `keras.Model.fit` for runs that are resumed in the middle of an epoch, on any strategy."""

from collections.abc import Callable, Iterable, Iterator

import keras
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.models.svg import SVG

Step = Callable[[Iterator], dict[str, float]]


def fit(
    model: SVG,
    config: Config,
    train_data: Iterable[tf.Tensor],
    validation_data: Iterable[tf.Tensor],
    callbacks: list[keras.callbacks.Callback],
    validation_due: bool,
) -> None:
    """Train from model.step to the end of the run, with a validation after each epoch.

    Calls the callback hooks of `keras.Model.fit`, where one batch is one optimizer step. Unlike `fit`, this loop can
    begin in the middle of an epoch, with the metrics as they are, and works with `MultiWorkerMirroredStrategy`. With
    validation_due the epoch that ends at model.step still needs its validation. train_data are the batches that are
    left, uint8 [B, T, H, W, C]. model.stop_training ends the training after the batch, without a validation.
    """
    train_step = on_all_replicas(model, model.train_step)
    test_step = on_all_replicas(model, model.test_step)
    called = keras.callbacks.CallbackList(callbacks, model=model, epochs=config.epochs, steps=config.steps_per_epoch)
    batches = iter(train_data)
    model.stop_training = False
    parts = config.gradient_accumulation_steps
    first_epoch, first_batch = divmod(int(model.step.numpy()) // parts, config.steps_per_epoch)
    if validation_due:
        first_epoch, first_batch = first_epoch - 1, config.steps_per_epoch
    logs: dict[str, float] = {}
    called.on_train_begin()
    for epoch in range(first_epoch, config.epochs):
        if not first_batch:
            model.reset_metrics()
        called.on_epoch_begin(epoch)
        for batch in range(first_batch, config.steps_per_epoch):
            called.on_train_batch_begin(batch)
            for _ in range(parts):
                logs = train_step(batches)
            called.on_train_batch_end(batch, logs)
            if model.stop_training:
                break
        first_batch = 0
        if not model.stop_training:
            logs = {name: float(value) for name, value in model.get_metrics_result().items()}
            validation = _validate(model, test_step, validation_data, config.validation_steps, called)
            logs |= {f"val_{name}": value for name, value in validation.items()}
            called.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    called.on_train_end(logs)


def _validate(
    model: SVG, test_step: Step, data: Iterable[tf.Tensor], steps: int, callbacks: keras.callbacks.CallbackList
) -> dict[str, float]:
    """Return the metrics over `steps` batches."""
    batches, logs = iter(data), {}
    model.reset_metrics()
    callbacks.on_test_begin()
    for batch in range(steps):
        callbacks.on_test_batch_begin(batch)
        logs = test_step(batches)
        callbacks.on_test_batch_end(batch, logs)
    callbacks.on_test_end(logs)
    return logs


def on_all_replicas(model: SVG, step: Callable[[tf.Tensor], dict[str, tf.Tensor]]) -> Step:
    """Return a function that runs the step on every replica, on the next batch of an iterator, and returns its logs.

    The step is compiled with XLA if model.jit_compile is set. All replicas have the same logs.
    """
    strategy = model.distribute_strategy
    if model.jit_compile:
        step = tf.function(step, jit_compile=True, autograph=False)

    @tf.function(autograph=False)
    def on_next(batches: Iterator) -> dict[str, tf.Tensor]:
        results = strategy.run(step, (next(batches),))
        return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], results)

    return lambda batches: {name: float(value) for name, value in on_next(batches).items()}
