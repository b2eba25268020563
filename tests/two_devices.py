"""Training steps on one device and on two logical CPU devices, written to an archive: two_devices.py OUT CONFIG...

A program of its own, because devices are divided before TensorFlow is used. Each CONFIG is the JSON of a configuration;
the arrays are named INDEX/DEVICES/what.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.training import checkpoints, distribution, loop
from svg_tf.training import train as training

STEPS = 3


def train_steps(config: Config) -> dict[str, np.ndarray]:
    """Return the losses of each step and of the validation, and the state after the first step and after the last."""
    strategy = distribution.make_strategy(config)
    with strategy.scope():
        model = training.compiled_model(config)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:  # as large as trained ones, so that the noise matters
        if len(variable.shape) > 1:
            variable.assign(rng.standard_normal(variable.shape) / np.sqrt(np.prod(variable.shape[:-1])))
    variables = checkpoints.named_variables(model, training_state=True)
    train_step = loop.on_all_replicas(model, model.train_step)
    parts, found = config.gradient_accumulation_steps, {}
    batches = iter(training._batches(config.replace(batch_size=config.batch_size // parts), strategy, "train"))
    for step in range(1, STEPS + 1):
        for _ in range(parts):
            losses = train_step(batches)
        found |= {f"loss {step}/{name}": value for name, value in losses.items()}
        if step in (1, STEPS):
            found |= {f"step {step}/{name}": variable.numpy() for name, variable in variables.items()}
    for name, variable in variables.items():
        if not name.startswith("metrics/"):  # each replica holds a share of those
            found[f"copies/{name}"] = np.stack(strategy.experimental_local_results(variable.value))
    test_step = loop.on_all_replicas(model, model.test_step)
    validation, called = training._batches(config, strategy, "validation"), keras.callbacks.CallbackList(model=model)
    losses = loop._validate(model, test_step, validation, config.validation_steps, called)
    return found | {f"validation/{name}": value for name, value in losses.items()}


def main(path: str, configs: list[str]) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    found = {}
    for index, text in enumerate(configs):
        config = Config(**json.loads(text))
        for devices, strategy in ((1, "none"), (2, "mirrored")):
            results = train_steps(config.replace(strategy=strategy))
            found |= {f"{index}/{devices}/{name}": value for name, value in results.items()}
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
