"""The training loop."""

from collections.abc import Callable, Iterable, Iterator

import keras
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.models.svg import SVG


def fit(
    model: SVG,
    config: Config,
    train_data: Iterable[tf.Tensor],
    validation_data: Iterable[tf.Tensor],
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Trains from model.updates to the end, with a validation after each epoch.

    What Keras' own `fit` does, but that it begins in the middle of an epoch, with the metrics as they are, where a run
    was cut short there, and that it works with several processes (Keras 3's does not).

    Args:
        model: compiled, made in the scope of its strategy.
        config: epochs, steps_per_epoch, validation_steps.
        train_data: batches uint8 [B, T, H, W, C] from the next step on, or what the strategy made of them.
        validation_data: the same, validation_steps of them.
        callbacks: called as `fit` does at the beginning and the end of epochs and training batches and before the
            validation. model.stop_training ends it.
    """
    train_step = on_all_replicas(model, model.train_step)
    test_step = on_all_replicas(model, model.test_step)
    called = keras.callbacks.CallbackList(callbacks, model=model)
    batches = iter(train_data)
    model.stop_training = False
    done, within = divmod(int(model.updates.numpy()), config.steps_per_epoch)
    for epoch in range(done, config.epochs):
        first = within if epoch == done else 0
        if not first:
            model.reset_metrics()
        called.on_epoch_begin(epoch)
        for batch in range(first, config.steps_per_epoch):
            called.on_train_batch_begin(batch)
            logs = train_step(batches)
            called.on_train_batch_end(batch, logs)
            if model.stop_training:
                return
        model.reset_metrics()
        called.on_test_begin()
        validation_batches = iter(validation_data)
        for _ in range(config.validation_steps):
            validation = test_step(validation_batches)
        called.on_epoch_end(epoch, logs | {f"val_{name}": value for name, value in validation.items()})
        if model.stop_training:
            return


def on_all_replicas(
    model: SVG, step: Callable[[tf.Tensor], dict[str, tf.Tensor]]
) -> Callable[[Iterator], dict[str, float]]:
    """A step of the model over the next batch of an iterator, compiled as the model is.

    All replicas of the model's strategy make it and get the same results, of which those of one are returned.
    """
    strategy = model.distribute_strategy
    if model.jit_compile:
        step = tf.function(step, jit_compile=True, autograph=False)

    @tf.function(autograph=False)
    def on_next(batches: Iterator) -> dict[str, tf.Tensor]:
        results = strategy.run(step, (next(batches),))
        return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], results)

    return lambda batches: {name: float(value) for name, value in on_next(batches).items()}
