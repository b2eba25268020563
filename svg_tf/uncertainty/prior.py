"""The standard deviation of the learned prior along true clips."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from svg_tf import losses, rollout
from svg_tf.models.lstm import GaussianLSTM
from svg_tf.models.svg import SVG
from svg_tf.progress import progress
from svg_tf.uncertainty.sequences import Batch, turns


def clip_stddev(
    model: SVG, batches: Iterable[Batch], others: Sequence[GaussianLSTM] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard deviation of priors that read true frames through the model's encoder.

    Args:
        model: a trained model with a learned prior; batch normalization uses its stored statistics.
        batches: clips with their truth.
        others: P - 1 priors of the same architecture, measured after the model's own.

    Returns:
        Mean over z of the standard deviation of p(z[t] | x[0..t-1]) at index t, float32 [P, B, T]; NaN at frame 0,
        which has no prior. And the turns, bool [B, T, N].
    """
    assert model.prior is not None
    priors = (model.prior, *others)
    stddevs, shown = [], []
    for frames, truth in progress(batches, desc="prior", unit="batch"):
        stddevs.append(_stddev(model, priors, frames).numpy())
        shown.append(turns(truth.wall_hits))
    stddev = np.concatenate(stddevs, axis=1)
    return np.pad(stddev, [(0, 0), (0, 0), (1, 0)], constant_values=np.nan), np.concatenate(shown)


def untrained_priors(model: SVG, count: int, seed: int) -> list[GaussianLSTM]:
    """Return priors of the model's architecture with initial weights."""
    assert model.prior is not None
    seeds, sizes = keras.random.SeedGenerator(seed), (model.z_dim, model.rnn_size, model.prior_layers)
    priors = [GaussianLSTM(*sizes, seed=seeds, name=f"untrained_prior_{number}") for number in range(count)]
    for prior in priors:
        prior(tf.zeros([1, 1, *model.prior.embed.kernel.shape[:1]]), prior.initial_state(1))  # creates the weights
    return priors


@tf.function(reduce_retracing=True)
def _stddev(model: SVG, priors: tuple[GaussianLSTM, ...], frames: tf.Tensor) -> tf.Tensor:
    """Return the mean over z for frames 1 to T-1 of uint8 [B, T, W, W, C], float32 [P, B, T-1]."""
    h, _ = model.encode(rollout.time_major(frames))  # [T, B, G]
    logvars = [prior(h[:-1], prior.initial_state(tf.shape(h)[1]))[0][1] for prior in priors]  # [T-1, B, Z] each
    return tf.transpose(tf.reduce_mean(losses.stddev(tf.stack(logvars)), axis=-1), [0, 2, 1])
