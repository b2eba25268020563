"""Tests of the area under the ROC curve, its interval and the controls."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from svg_tf.config import ConfigError
from svg_tf.uncertainty import detection
from svg_tf.uncertainty.auc import bootstrap_mean, of_other_sequences, roc_auc, wins


def make(sequences=40, frames=30, shift=1.0, seed=0):
    rng = np.random.default_rng(seed)
    events = rng.random([sequences, frames]) < 0.2
    return events, rng.standard_normal([sequences, frames]) + shift * events


def test_the_area_is_scikit_learns_with_ties_too():
    events, scores = make()
    for values in (scores, np.round(scores), np.zeros_like(scores)):
        expected = roc_auc_score(events.ravel(), values.ravel())
        assert roc_auc(events, values[np.newaxis], 0).mean == pytest.approx(expected, abs=1e-12)


def test_the_area_of_two_normal_distributions_is_that_of_the_closed_form():
    events, scores = make(sequences=300, frames=200, shift=1.3)
    area = roc_auc(events, scores[np.newaxis], 0)
    assert area.mean == pytest.approx(norm.cdf(1.3 / np.sqrt(2)), abs=0.008)
    assert area.low < area.mean < area.high


def test_wins_are_counted_by_the_sequences_of_both_frames():
    events = np.array([[True, False], [False, True], [False, False]])
    scores = np.array([[3.0, 1.0], [3.0, 2.0], [0.0, 9.0]])
    assert wins(events, scores).tolist() == [[1.0, 0.5, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_several_scores_give_the_mean_of_their_areas():
    events, scores = make()
    both = roc_auc(events, np.stack([scores, -2 * scores]), 0)
    assert both.mean == pytest.approx(0.5, abs=1e-12)
    assert (both.low, both.high) == pytest.approx((0.5, 0.5), abs=1e-12)


def test_equal_sequences_leave_the_interval_no_width():
    # Frames drawn one by one would give another set, and another area, every time.
    events, scores = (np.repeat(array[:1], 12, axis=0) for array in make())
    area = roc_auc(events, scores[np.newaxis], 0)
    assert (area.low, area.high) == pytest.approx((area.mean, area.mean), abs=1e-12)


def test_more_frames_of_the_same_in_a_sequence_are_no_more_evidence():
    events, scores = make(sequences=30, frames=10)
    once = roc_auc(events, scores[np.newaxis], 3)
    often = roc_auc(np.tile(events, 9), np.tile(scores, 9)[np.newaxis], 3)
    assert tuple(often) == pytest.approx(tuple(once), abs=1e-12)


def test_the_interval_is_as_wide_as_the_area_varies_and_holds_the_truth():
    true, areas = norm.cdf(1 / np.sqrt(2)), []
    for seed in range(60):
        events, scores = make(sequences=40, frames=12, seed=seed)
        areas.append(roc_auc(events, scores[np.newaxis], seed))
    assert np.mean([area.low <= true <= area.high for area in areas]) > 0.87
    width = np.mean([area.high - area.low for area in areas])
    assert width == pytest.approx(2 * 1.96 * np.std([area.mean for area in areas]), rel=0.25)


def test_the_interval_of_a_mean_is_that_of_the_central_limit():
    values = np.random.default_rng(0).normal(3, 2, 400)
    mean, low, high = bootstrap_mean(values, 1)
    assert mean == values.mean()
    assert [low, high] == pytest.approx(mean + np.array([-1.96, 1.96]) * values.std() / 20, abs=0.02)


def test_an_area_without_events_is_refused_in_words():
    with pytest.raises(ValueError, match="frames with an event and frames without"):
        roc_auc(np.zeros([3, 4], bool), np.zeros([1, 3, 4]), 0)


@pytest.mark.parametrize("sequences", [2, 3, 50])
def test_no_sequence_keeps_its_own_scores_and_none_is_lost(sequences):
    scores = np.arange(sequences * 4.0).reshape(sequences, 4)
    shuffled = of_other_sequences(scores, 5)
    assert (shuffled != scores).all()
    np.testing.assert_array_equal(np.sort(shuffled, axis=0), scores)


def test_a_spread_that_knows_the_turns_scores_one_and_only_at_its_own_frame():
    turns, noise = make(sequences=100, seed=2)
    trained = np.where(turns, 2.0, 1.0)
    trained[:, 0] = np.nan  # of frame 0 there is no prior
    detected = detection.score(trained, noise[np.newaxis], turns, n_past=4, seed=0)
    assert detected.auc["model"] == (1.0, 1.0, 1.0)
    assert detected.by_offset[list(detection.OFFSETS).index(0)] == 1.0
    assert sorted(detected.by_offset)[-2] < 0.6
    assert detected.turn_share == turns[:, 4:].mean()
    assert detected.auc["shuffled"].mean == pytest.approx(0.5, abs=0.05)
    assert detected.untrained_each == [pytest.approx(detected.auc["untrained"].mean)]


def test_the_area_under_every_curve_is_the_area_beside_it():
    turns, noise = make(sequences=60, seed=5)
    rng = np.random.default_rng(1)
    trained = noise + 2 * np.pad(turns, [(0, 0), (1, 0)])[:, :-1]
    detected = detection.score(trained, rng.random([3, *turns.shape]) + [[[0.2]], [[0]], [[-1]]] * turns, turns, 4, 0)
    for name, (false_rate, true_rate) in detected.curves.items():
        assert np.trapezoid(true_rate, false_rate) == pytest.approx(detected.auc[name].mean, abs=2e-3)
    assert detected.auc["untrained"].mean == pytest.approx(np.mean(detected.untrained_each))


@pytest.mark.parametrize("late", [-2, 1])
def test_a_spread_that_is_early_or_late_is_found_at_its_offset(late):
    turns, _ = make(sequences=100, seed=3)
    trained = np.roll(turns, late, axis=1) * 1.0
    detected = detection.score(trained, trained[np.newaxis], turns, n_past=4, seed=0)
    assert detected.by_offset[list(detection.OFFSETS).index(late)] == 1.0
    assert detected.auc["model"].mean < 0.6


def test_frames_of_the_context_do_not_count():
    turns, noise = make(sequences=30, seed=4)
    trained = np.where(turns, 2.0, 1.0)
    trained[:, :4] = 5 - trained[:, :4]
    detected = detection.score(trained, noise[np.newaxis], turns, n_past=4, seed=0)
    assert detected.auc["model"].mean == 1.0
    assert detection.score(trained, noise[np.newaxis], turns, n_past=3, seed=0).auc["model"].mean < 1.0


def test_the_control_of_other_sequences_shows_what_the_time_alone_tells():
    # Turns at the same time in all sequences: any other sequence's spread knows them as well.
    turns = np.zeros([20, 12], bool)
    turns[:, 8] = True
    trained = turns + 0.1 * np.random.default_rng(0).random(turns.shape)
    assert detection.score(trained, trained[np.newaxis], turns, 2, 0).auc["shuffled"].mean == 1.0


def test_too_few_sequences_are_refused_in_words():
    turns = np.zeros([2, 6], bool)
    with pytest.raises(ConfigError, match="0 of the 8 scored frames show a turn.*raise n_sequences or n_frames"):
        detection.score(np.zeros([2, 6]), np.zeros([1, 2, 6]), turns, 2, 0)
