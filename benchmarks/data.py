"""How fast clips come, beside how fast training takes them."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.training import train as training


class Rate(NamedTuple):
    """Clips that went through, and the time it took: on the clock, and of all processor cores together."""

    clips: int
    wall_seconds: float
    cpu_seconds: float

    @property
    def per_wall_second(self) -> float:
        """Clips a second on the clock."""
        return self.clips / self.wall_seconds

    @property
    def per_cpu_second(self) -> float:
        """Clips for a second of one processor core."""
        return self.clips / self.cpu_seconds


class DataRates(NamedTuple):
    """What the data gives and what training takes, in the same run on the same machine."""

    data: Rate
    training: Rate

    @property
    def headroom(self) -> float:
        """How many times faster the data is than training, each alone on the machine."""
        return self.data.per_wall_second / self.training.per_wall_second

    @property
    def cores(self) -> float:
        """Processor cores that keep training fed."""
        return self.training.per_wall_second / self.data.per_cpu_second


def measure(config: Config, seconds: float) -> dict[str, Any]:
    """Measures as `rates` does; what it found, fit for JSON."""
    found = rates(config, seconds)
    results = {
        name: {
            **rate._asdict(),
            "clips_per_wall_second": rate.per_wall_second,
            "clips_per_cpu_second": rate.per_cpu_second,
        }
        for name, rate in found._asdict().items()
    }
    return {"headroom": found.headroom, "cores": found.cores, **results}


def rates(config: Config, seconds: float) -> DataRates:
    """Measures reading of training batches, then training steps on one batch, for some seconds each.

    Raises:
        DataError: the data is missing or broken.
    """
    batches = iter(make_dataset(config, "train"))
    batch = next(batches)  # the first one starts threads and fills caches
    data = _rate(lambda: next(batches), config.batch_size, seconds)
    model = training.compiled_model(config)
    model.make_train_function()
    same = iter(tf.data.Dataset.from_tensors(batch).repeat())
    model.train_function(same)  # traces and compiles
    return DataRates(data, _rate(lambda: model.train_function(same), config.batch_size, seconds))


def _rate(run: Callable[[], object], clips: int, seconds: float) -> Rate:
    wall, cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - wall < seconds or count == 0:
        tf.nest.map_structure(lambda tensor: tensor.numpy(), run())  # waits for it
        count += clips
    return Rate(count, time.perf_counter() - wall, time.process_time() - cpu)
