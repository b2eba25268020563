"""How things are timed: in turns, so that whatever else the machine does falls on all of them."""

import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from tqdm import tqdm


def in_turns(runs: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Runs each in turn, again and again, for about `seconds` each; the median seconds of a run by name.

    A first run of each, which may trace and compile, is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        _wait(run())
    end = time.perf_counter() + seconds * len(runs)
    with tqdm(total=round(seconds * len(runs)), unit="s", desc="measure", leave=False) as bar:
        while time.perf_counter() < end or not all(len(taken) >= 3 for taken in times.values()):
            for name, run in runs.items():
                start = time.perf_counter()
                _wait(run())
                times[name].append(time.perf_counter() - start)
            bar.n = min(bar.total, round(bar.total - (end - time.perf_counter())))
            bar.refresh()
    return {name: float(np.median(taken)) for name, taken in times.items()}


def first_run(run: Callable[[], object]) -> float:
    """Seconds of one run, tracing and compilation included."""
    start = time.perf_counter()
    _wait(run())
    return time.perf_counter() - start


def product_rate(seconds: float, size: int = 2048) -> float:
    """Floating point operations a second in a product of two float32 matrices, the machine's own measure."""
    matrix = tf.random.stateless_normal([size, size], [0, 0])
    taken = in_turns({"product": lambda: tf.matmul(matrix, matrix)}, seconds)["product"]
    return 2 * size**3 / taken


def _wait(result: object) -> None:
    """Until the result is there: tensors may still be in the making."""
    for tensor in tf.nest.flatten(result):
        if isinstance(tensor, tf.Tensor):
            tensor.numpy()
