"""How fast an exported model draws futures, beside the same rollout called directly in TensorFlow."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf import noise, rollout
from svg_tf.models.svg import SVG


class FrameTime(NamedTuple):
    """Milliseconds for one frame of one sample; the shortest of several turns."""

    wall: float
    cpu: float  # of all processor cores together


class ServeTimes(NamedTuple):
    """Both ways to the same frames, in the same run on the same machine."""

    saved_model: FrameTime
    direct: FrameTime
    n_samples: int
    horizon: int
    turns: int
    largest_difference: float  # between the frames of the two

    @property
    def wall_ratio(self) -> float:
        """What the saved model takes on the clock beside the direct call; 1 is the same."""
        return self.saved_model.wall / self.direct.wall

    @property
    def cpu_ratio(self) -> float:
        """The same of processor time, which other work on the machine disturbs less."""
        return self.saved_model.cpu / self.direct.cpu


def measure(model: SVG, folder: str, n_samples: int = 8, horizon: int = 10, turns: int = 10) -> ServeTimes:
    """Times both by turns, so that what else the machine does falls on both alike.

    Args:
        model: with the weights that were exported.
        folder: the SavedModel.
        n_samples: futures of one context.
        horizon: frames of each.
        turns: of each.
    """
    config = model.config
    width = config.image_width
    context = np.random.default_rng(0).random([1, config.n_past, width, width, config.channels], np.float32)
    seeds = noise.sample_seeds(0, [0], n_samples)
    served = tf.saved_model.load(folder).signatures["rollout"]
    inputs = {"context": tf.constant(context), "seeds": tf.constant(seeds), "horizon": tf.constant([horizon])}
    runs: tuple[Callable[[], np.ndarray], ...] = (
        lambda: served(**inputs)["frames"].numpy()[0],
        lambda: rollout.generate(model, inputs["context"], horizon, seeds).frames.numpy()[:, 0],
    )
    first = [run() for run in runs]  # traces and optimises
    shortest = [[np.inf, np.inf], [np.inf, np.inf]]
    for _ in range(turns):
        for index, run in enumerate(runs):
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            taken = time.perf_counter() - wall, time.process_time() - cpu
            shortest[index] = [min(pair) for pair in zip(shortest[index], taken, strict=True)]
    served_time, direct_time = (FrameTime(*(1e3 * each / (n_samples * horizon) for each in pair)) for pair in shortest)
    return ServeTimes(served_time, direct_time, n_samples, horizon, turns, float(np.abs(first[0] - first[1]).max()))
