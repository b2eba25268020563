"""The standard deviation of the learned prior, and how well it tells the frames that show a turn from the others."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from sklearn import metrics

from svg_tf import losses, rollout
from svg_tf.config import ConfigError
from svg_tf.models.lstm import GaussianLSTM
from svg_tf.models.svg import SVG
from svg_tf.progress import progress
from svg_tf.uncertainty import sequences

N_UNTRAINED = 5  # a single untrained prior can be off 0.5 by chance
_RESAMPLES = 1_000


class Interval(NamedTuple):
    """A value and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def score(trained: np.ndarray, untrained: np.ndarray, turns: np.ndarray, n_past: int, seed: int) -> dict[str, Interval]:
    """Return the area under the ROC curve of given standard deviations as detectors of turns, from frame n_past on.

    trained is float [B, T], untrained [K, B, T] and turns bool [B, T]. The areas are named model, untrained (the mean
    over the priors) and shuffled: each sequence has the values of another one, so only what depends on time remains.

    Raises:
        ConfigError: no frame, or every frame, shows a turn.
    """
    events = turns[:, n_past:]
    if events.all() or not events.any():
        raise ConfigError(
            f"{events.sum()} of the {events.size} scored frames show a turn; raise --n_sequences or --n_frames"
        )
    order = np.random.default_rng(seed).permutation(len(trained))
    shuffled = trained[np.roll(order, 1)][np.argsort(order)]  # no sequence keeps its own
    scored = {"model": trained[np.newaxis], "untrained": untrained, "shuffled": shuffled[np.newaxis]}
    return {name: mean_auc(events, values[:, :, n_past:], seed) for name, values in scored.items()}


def mean_auc(events: np.ndarray, scores: np.ndarray, seed: int) -> Interval:
    """Return the mean area under the ROC curve of K scores [K, B, T] of the same frames with events bool [B, T].

    The percentile bootstrap resamples sequences, because the frames of a sequence depend on each other (Efron &
    Tibshirani, 1993, chapter 13).
    """
    mean = float(np.mean([metrics.roc_auc_score(events.ravel(), values.ravel()) for values in scores]))
    counts = np.random.default_rng(seed).multinomial(len(events), np.full(len(events), 1 / len(events)), _RESAMPLES)
    resampled = weighted_auc(events, scores, counts)
    return Interval(mean, *np.nanpercentile(resampled, [2.5, 97.5]).tolist())


def weighted_auc(events: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean area of `mean_auc` for each of R weightings [R, B] of the sequences, float64 [R].

    Replaces `roc_auc_score(..., sample_weight=...)`, which would sort all frames for each weighting: minutes for 1,000.
    The area is a quotient of quadratic forms of the weights, so all frames are compared only once. It is NaN where
    only events, or none, have a weight.
    """
    owner = np.nonzero(events)[0]
    wins = np.zeros([len(events), len(events)])  # of the events of one sequence over the other frames of another
    for values in scores:
        for sequence in range(len(events)):
            others = np.sort(values[sequence, ~events[sequence]])
            below = np.searchsorted(others, values[events], "left") + np.searchsorted(others, values[events], "right")
            wins[:, sequence] += np.bincount(owner, below / 2, minlength=len(events))  # ties count a half
    pairs = np.outer(events.sum(axis=1), (~events).sum(axis=1))
    weights = weights.astype(np.float64)
    won, compared = (np.einsum("rb,rb->r", weights @ matrix, weights) for matrix in (wins / len(scores), pairs))
    with np.errstate(invalid="ignore"):
        return won / compared


def clip_stddev(
    model: SVG, batches: Iterable[sequences.Batch], others: Sequence[GaussianLSTM] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Let P priors, the model's own and `others`, read true frames through the model's encoder.

    Returns:
        Mean over z of the standard deviation of p(z[t] | x[0..t-1]) at index t, float32 [P, B, T]; NaN at frame 0,
        which has no prior. And the turns, bool [B, T, N].
    """
    assert model.prior is not None
    priors = (model.prior, *others)
    stddevs, shown = [], []
    for frames, truth in progress(batches, desc="prior", unit="batch"):
        stddevs.append(_stddev(model, priors, frames).numpy())
        shown.append(sequences.turns(truth.wall_hits))
    stddev = np.concatenate(stddevs, axis=1)
    return np.pad(stddev, [(0, 0), (0, 0), (1, 0)], constant_values=np.nan), np.concatenate(shown)


def untrained_priors(model: SVG, count: int, seed: int) -> list[GaussianLSTM]:
    """Return priors of the model's architecture with initial weights."""
    assert model.prior is not None
    config = {**model.prior.get_config(), "seed": keras.random.SeedGenerator(seed)}
    priors = [GaussianLSTM.from_config({**config, "name": f"untrained_prior_{number}"}) for number in range(count)]
    for prior in priors:
        prior.build_from_config(model.prior.get_build_config())
    return priors


@tf.function(reduce_retracing=True)
def _stddev(model: SVG, priors: tuple[GaussianLSTM, ...], frames: tf.Tensor) -> tf.Tensor:
    """Return the mean over z for frames 1 to T-1 of uint8 [B, T, W, W, C], float32 [P, B, T-1]."""
    h, _ = model.encode(rollout.time_major(frames))  # [T, B, G]
    logvars = [prior(h[:-1], prior.initial_state(tf.shape(h)[1]))[0][1] for prior in priors]  # [T-1, B, Z] each
    return tf.transpose(tf.reduce_mean(losses.stddev(tf.stack(logvars)), axis=-1), [0, 2, 1])
