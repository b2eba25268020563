"""Measure the time of functions in turn."""

import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf


def in_turns(runs: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Call the functions in turn, for about `seconds` each; return the median seconds of a call by name.

    The first call of each, which may trace and compile, is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        seconds_of(run)
    end = time.perf_counter() + seconds * len(runs)
    while time.perf_counter() < end or not all(len(taken) >= 3 for taken in times.values()):
        for name, run in runs.items():
            times[name].append(seconds_of(run))
    return {name: float(np.median(taken)) for name, taken in times.items()}


def seconds_of(run: Callable[[], object]) -> float:
    """Return the seconds of one call, until its tensors are computed."""
    start = time.perf_counter()
    tf.nest.map_structure(np.asarray, run())  # waits for the result
    return time.perf_counter() - start
