"""What devices that share a batch have to tell each other, and how long that takes."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from svg_tf.config import Config

_PROGRAM = "import sys; from svg_tf.benchmarks import scale; scale.worker(*sys.argv[1:])"
_FLOAT = 4  # bytes


class Exchange(NamedTuple):
    """What each of n devices sends and receives in a step: float32, whatever the number format."""

    gradients: int  # bytes, in one exchange
    channels: int  # of all batch normalisations
    norms: int  # batch normalisations, each of which exchanges once on the way forth and once on the way back

    @property
    def count(self) -> int:  # type: ignore[override]  # shadows tuple.count, which nobody asks of an exchange
        """Exchanges one after the other: the normalisations', the gradients', the losses' and whether to stop."""
        return 2 * self.norms + 3

    def bytes(self, devices: int) -> int:
        """In all: on the way forth a normalisation's means and variances of every device, and back two sums."""
        return self.gradients + (2 * devices + 2) * self.channels * _FLOAT + 4 * _FLOAT

    def seconds(self, devices: int, bandwidth: float, latency: float) -> float:
        """A model, not a measurement: rings of so many bytes a second from each device to the next (Patarasu & Yuan,
        2009), and a latency in seconds for each exchange.
        """
        return 2 * (devices - 1) / devices * self.bytes(devices) / bandwidth + self.count * latency


def exchange(config: Config) -> Exchange:
    """What a step of the configuration exchanges, without config.remat and config.accumulation."""
    from svg_tf.models.normalization import BatchNorm
    from svg_tf.models.svg import SVG

    model = SVG(config)
    parameters = sum(weight.shape.num_elements() for weight in model.trainable_variables)
    norms = [layer.gamma.shape[0] for layer in model._flatten_layers() if isinstance(layer, BatchNorm)]
    return Exchange(parameters * _FLOAT, sum(norms), len(norms))


def measure(config: Config, seconds: float) -> dict[str, Any]:
    """Steps of one device, of two devices of one process and of two processes, all on this machine's processors.

    Two devices have the processors between them that one has for itself: what they take longer is the exchange's.

    Returns:
        Fit for JSON: exchange, and for each of one_device, two_devices and two_processes step_seconds; for the last
        also gradients_seconds, an exchange of the gradients' size, and latency_seconds, one of a single number.

    Raises:
        DataError: the data is missing or broken.
        RuntimeError: a process failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        config.save(folder)
        found: dict[str, Any] = {"exchange": exchange(config)._asdict()}
        found |= _ends([_start("devices", folder, seconds)])[0]
        with socket.create_server(("localhost", 0)) as one, socket.create_server(("localhost", 0)) as other:
            workers = [f"localhost:{server.getsockname()[1]}" for server in (one, other)]
        tasks = [{"type": "worker", "index": index} for index in range(2)]
        variables = [json.dumps({"cluster": {"worker": workers}, "task": task}) for task in tasks]
        found |= _ends([_start("processes", folder, seconds, TF_CONFIG=text) for text in variables])[0]
    return found


def worker(kind: str, folder: str, seconds: str) -> None:
    """A process of measure: prints what it found."""
    import numpy as np
    import tensorflow as tf

    from svg_tf import distribution, loop, training
    from svg_tf.benchmarks import timing
    from svg_tf.data.dataset import make_dataset

    config = Config.load(folder)
    strategies = {"two_processes": "multi_worker"}
    if kind == "devices":
        strategies = {"one_device": "none", "two_devices": "mirrored"}
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)
    runs = {}
    for name, kind_of in strategies.items():
        own = config.replace(strategy=kind_of)
        strategy = distribution.make_strategy(own)
        with strategy.scope():
            model = training.compiled_model(own)
        data = strategy.distribute_datasets_from_function(
            lambda context, own=own: make_dataset(own, "train", context=context)
        )
        step, batches = loop.on_all_replicas(model, model.train_step), iter(data)
        runs[name] = lambda step=step, batches=batches: step(batches)
    found: dict[str, Any] = {}
    if kind == "devices":
        taken = timing.in_turns(runs, float(seconds))
        found = {name: {"step_seconds": value} for name, value in taken.items()}
    else:  # in step with each other, so a number of steps and not a time
        size = sum(weight.shape.num_elements() for weight in model.trainable_variables)
        found["two_processes"] = {
            "step_seconds": float(np.median(_times(runs["two_processes"], 12))),
            "gradients_seconds": float(np.median(_times(_all_reduce(strategy, size), 12))),
            "latency_seconds": float(np.median(_times(_all_reduce(strategy, 1), 100))),
        }
    print("found", json.dumps(found), flush=True)


def _all_reduce(strategy: Any, floats: int) -> Callable[[], float]:
    """An exchange of so many float32 as the gradients', of which a number is read."""
    import tensorflow as tf

    from svg_tf import replicas

    value = tf.ones([floats])

    @tf.function
    def run():
        return strategy.run(lambda: replicas.average([value])[0][0])

    return lambda: float(strategy.experimental_local_results(run())[0])


def _times(run: Callable[[], object], repeats: int) -> list[float]:
    run()
    run()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return times


def _start(kind: str, folder: str, seconds: float, **variables: str) -> subprocess.Popen:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    command = [sys.executable, "-c", _PROGRAM, kind, folder, str(seconds)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _ends(processes: list[subprocess.Popen]) -> list[dict]:
    """What each of them found; none is left running."""
    found = []
    try:
        for process in processes:
            said, errors = process.communicate()
            lines = [line for line in said.splitlines() if line.startswith("found ")]
            if not lines:
                raise RuntimeError(f"a process that trains ended with status {process.returncode}: {errors[-500:]}")
            found.append(json.loads(lines[0].removeprefix("found ")))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return found
