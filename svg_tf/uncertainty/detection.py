"""How the learned prior's spread runs along sequences, and how well it tells turns from the rest."""

from typing import NamedTuple

import numpy as np
from sklearn import metrics

from svg_tf.config import ConfigError
from svg_tf.models.svg import SVG
from svg_tf.uncertainty import sequences, spread
from svg_tf.uncertainty.auc import Interval, of_other_sequences, roc_auc

OFFSETS = range(-3, 4)
_RATES = 1_001  # points of a curve
UNTRAINED = 5  # priors before training, whose AUCs are averaged: one alone may be off 0.5 by luck of its weights


class Course(NamedTuple):
    """The spread along one motion with many sets of digits.

    Attributes:
        mean: float [T] over the sets; NaN at frame 0.
        std: float [T], the standard deviation over the sets.
        turns: bool [T, N].
    """

    mean: np.ndarray
    std: np.ndarray
    turns: np.ndarray


class Detection(NamedTuple):
    """The score of the spread over many motions.

    Attributes:
        auc: by what is scored: model, untrained, shuffled.
        untrained_each: the AUC of every untrained prior.
        curves: false and true positive rates by the same names, averaged over the untrained priors.
        by_offset: the AUC of the model's spread k frames after the turn, k of OFFSETS.
        turn_share: share of the scored frames that show a turn.
    """

    auc: dict[str, Interval]
    untrained_each: list[float]
    curves: dict[str, tuple[np.ndarray, np.ndarray]]
    by_offset: list[float]
    turn_share: float


def course(model: SVG, clip: int, n_sets: int, n_frames: int, seed: int) -> Course:
    """The spread of the model's prior along the motion of a test clip, over n_sets random sets of digits."""
    assert model.prior is not None  # see applicability
    batches = sequences.common_motion(model.config, clip, n_sets, n_frames, seed)
    (spreads,), turns = spread.measure(model, [model.prior], batches, n_sets)
    return Course(spreads.mean(axis=0), spreads.std(axis=0), turns[0])


def detect(model: SVG, n_sequences: int, n_frames: int, seed: int) -> Detection:
    """Scores the spread in the frames from n_past on of test clips of n_frames frames.

    Raises:
        ConfigError: no frame, or every one, shows a turn.
    """
    config = model.config
    assert model.prior is not None  # see applicability
    priors = [model.prior, *spread.untrained_priors(config, UNTRAINED, seed)]
    batches = sequences.random_motions(config, n_sequences, n_frames)
    spreads, turns = spread.measure(model, priors, batches, n_sequences)
    return score(spreads[0], spreads[1:], np.any(turns, axis=-1), config.n_past, seed)


def score(trained: np.ndarray, untrained: np.ndarray, turns: np.ndarray, n_past: int, seed: int) -> Detection:
    """As detect, for given spreads: trained float [B, T], untrained [K, B, T], and turns bool [B, T]."""
    events = turns[:, n_past:]
    if events.all() or not events.any():
        raise ConfigError(
            f"{events.sum()} of the {events.size} scored frames show a turn, which leaves nothing to tell apart: "
            "raise n_sequences or n_frames"
        )
    shuffled = of_other_sequences(trained, seed)
    scored = {"model": trained[np.newaxis], "untrained": untrained, "shuffled": shuffled[np.newaxis]}
    scored = {name: spreads[:, :, n_past:] for name, spreads in scored.items()}
    curves = {name: _mean_curve(events, spreads) for name, spreads in scored.items()}
    return Detection(
        auc={name: roc_auc(events, spreads, seed) for name, spreads in scored.items()},
        untrained_each=[metrics.roc_auc_score(events.ravel(), each.ravel()) for each in scored["untrained"]],
        curves=curves,
        by_offset=[_at_offset(trained, turns, n_past, offset) for offset in OFFSETS],
        turn_share=float(events.mean()),
    )


def _mean_curve(events: np.ndarray, spreads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean true positive rate at every false positive rate, whose area is the mean of the areas."""
    curves = [metrics.roc_curve(events.ravel(), each.ravel())[:2] for each in spreads]
    rates = np.linspace(0, 1, _RATES)
    return rates, np.mean([np.interp(rates, *curve) for curve in curves], axis=0)


def _at_offset(spreads: np.ndarray, turns: np.ndarray, n_past: int, offset: int) -> float:
    """The AUC of the spread in frame t + offset for a turn in frame t, both in the scored frames."""
    frames = np.arange(n_past + max(0, -offset), turns.shape[1] - max(0, offset))
    return float(metrics.roc_auc_score(turns[:, frames].ravel(), spreads[:, frames + offset].ravel()))
