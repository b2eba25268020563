"""The spread of the learned prior over time: the sigma of Denton and Fergus' Figure 6."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from svg_tf import losses
from svg_tf.config import Config
from svg_tf.models.lstm import GaussianLSTM
from svg_tf.models.svg import SVG, time_major
from svg_tf.uncertainty.sequences import Batch, turns


def measure(
    model: SVG, priors: Sequence[GaussianLSTM], batches: Iterable[Batch], n_sequences: int
) -> tuple[np.ndarray, np.ndarray]:
    """The spread of priors that read true frames through the model's encoder, by stored statistics.

    Args:
        model: whose encoder gives the codes.
        priors: P of them: the model's own, or others of its architecture.
        batches: of sequences, with their truth.
        n_sequences: B, for the progress bar.

    Returns:
        The mean over the dimensions of z of the standard deviation of p(z[t] | x[0..t-1]), float32 [P, B, T] at
        index t, NaN for frame 0, of which there is no prior; the turns, bool [B, T, N].
    """
    spreads, shown = [], []
    with tqdm(total=n_sequences, unit="sequence", desc="prior") as bar:
        for frames, truth in batches:
            spreads.append(_spread(model, tuple(priors), frames).numpy())
            shown.append(turns(truth.wall_hits))
            bar.update(len(frames))
    spread = np.concatenate(spreads, axis=1)
    return np.pad(spread, [(0, 0), (0, 0), (1, 0)], constant_values=np.nan), np.concatenate(shown)


def untrained_priors(config: Config, count: int, seed: int) -> list[GaussianLSTM]:
    """Priors of config's architecture with weights as drawn before training."""
    seeds = keras.random.SeedGenerator(seed)
    sizes = config.z_dim, config.rnn_size, config.prior_layers
    priors = [GaussianLSTM(*sizes, seed=seeds, name=f"untrained_prior_{number}") for number in range(count)]
    for prior in priors:
        prior(tf.zeros([1, 1, config.g_dim]), prior.initial_state(1))  # makes the weights
    return priors


@tf.function(reduce_retracing=True)
def _spread(model: SVG, priors: tuple[GaussianLSTM, ...], frames: tf.Tensor) -> tf.Tensor:
    """uint8 [B, T, W, W, C] -> float32 [P, B, T-1], of the frames 1 to T-1."""
    h, _ = model.encode(time_major(frames))  # [T, B, G]
    logvars = [prior(h[:-1], prior.initial_state(tf.shape(h)[1]))[0][1] for prior in priors]  # [T-1, B, Z] each
    return tf.transpose(tf.reduce_mean(losses.stddev(tf.stack(logvars)), axis=-1), [0, 2, 1])
