"""How fast an exported model draws futures, beside the same rollout called directly in TensorFlow."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf import noise, rollout
from svg_tf.models.svg import SVG


class ServeTimes(NamedTuple):
    """Milliseconds a frame of all samples together; the shortest of several turns."""

    saved_model: float
    direct: float
    n_samples: int
    horizon: int
    turns: int
    largest_difference: float  # between the frames of the two

    @property
    def ratio(self) -> float:
        """What the saved model costs beside the direct call; 1 is the same."""
        return self.saved_model / self.direct


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
    shortest = [np.inf, np.inf]
    for _ in range(turns):
        for index, run in enumerate(runs):
            start = time.perf_counter()
            run()
            shortest[index] = min(shortest[index], time.perf_counter() - start)
    saved_model, direct = (1e3 * seconds / (n_samples * horizon) for seconds in shortest)
    return ServeTimes(saved_model, direct, n_samples, horizon, turns, float(np.abs(first[0] - first[1]).max()))
