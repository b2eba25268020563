"""Clips of the data pipeline, compared with what training consumes."""

import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from benchmarks.train import training_step
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.training.run import model_from_config


def measure(config: Config, seconds: float) -> dict[str, Any]:
    """Measure reading training batches, then training steps on one batch, for about `seconds` each.

    Returns:
        For JSON: the title, and rows with the clips a second, in time and in processor time; headroom, the speed of
        the data relative to training; cores, the number of processor cores that supply training.
    """
    batches = iter(make_dataset(config, "train"))
    batch = next(batches)  # starts threads and fills caches
    data = rates(lambda: next(batches), config.batch_size, seconds)
    step = training_step(model_from_config(config), config, batch)
    step()  # traces
    training = rates(step, config.batch_size, seconds)
    headroom = data["clips/s"] / training["clips/s"]
    cores = training["clips/s"] / data["clips/core-s"]
    title = f"{config.dataset}: the data is {headroom:,.1f} times as fast as training; {cores:.4f} cores supply it"
    return {"title": title, "headroom": headroom, "cores": cores, "rows": {"data": data, "training": training}}


def rates(run: Callable[[], object], clips: int, seconds: float) -> dict[str, float]:
    """Call a function that processes `clips` clips repeatedly; return its rates."""
    start, cpu_start, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < seconds or count == 0:
        tf.nest.map_structure(lambda tensor: tensor.numpy(), run())  # waits for the result
        count += clips
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    return {"clips": count, "seconds": wall, "clips/s": count / wall, "clips/core-s": count / cpu}
