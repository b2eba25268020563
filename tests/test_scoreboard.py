"""Tests of svg_tf/evaluation/scoreboard.py and definitions.py."""

import itertools

import numpy as np
import pytest

from svg_tf.evaluation.definitions import MSE, SSIM
from svg_tf.evaluation.scoreboard import Scoreboard, counts_up_to, expected_best, interval, ranking

NAMES = {"best": "best of 4", "mean": "mean of 4", "worst": "worst of 4"}


def _clip(winners, n_samples=4, frames=3, seed=0):
    """Return samples [S, T] by measure: for each measure the winner is best, and the sample after it is worst."""
    rng = np.random.default_rng(seed)
    measured = {}
    for (measure, better), winner in winners.items():
        values = 0.4 + 0.2 * rng.random((n_samples, frames))
        values[winner] += 0.3 if better == "higher" else -0.3
        values[(winner + 1) % n_samples] -= 0.3 if better == "higher" else -0.3
        measured[measure] = values.astype(np.float32)
    return measured


@pytest.mark.parametrize(("first", "second"), [(0, 3), (2, 2), (3, 1)])
def test_every_metric_finds_the_known_winner_of_every_clip(first, second):
    clips = [
        _clip({("mse", "lower"): first, ("ssim", "higher"): second}, seed=1),
        _clip({("mse", "lower"): second, ("ssim", "higher"): (first + 2) % 4}, seed=2),
    ]
    board = Scoreboard((MSE, SSIM))
    chosen = [board.add_samples(NAMES, "model", clip) for clip in clips]
    assert [choice["mse"].best_sample for choice in chosen] == [first, second]
    assert [choice["ssim"].best_sample for choice in chosen] == [second, (first + 2) % 4]
    pairs = list(zip(clips, (first, second), strict=True))
    errors = [clip["mse"][winner].mean(dtype=np.float64) for clip, winner in pairs]
    worst = [clip["mse"][(winner + 1) % 4].mean(dtype=np.float64) for clip, winner in pairs]
    means = {row["name"]: {key: score["mean"] for key, score in row["metrics"].items()} for row in board.table()}
    np.testing.assert_allclose(means["best of 4"]["mse"], np.mean(errors), rtol=1e-12)
    np.testing.assert_allclose(means["worst of 4"]["mse"], np.mean(worst), rtol=1e-12)
    np.testing.assert_allclose(means["mean of 4"]["ssim"], np.mean([clip["ssim"] for clip in clips]), rtol=1e-7)


def test_the_first_of_equal_samples_is_the_best():
    board = Scoreboard((MSE, SSIM))
    choices = board.add_samples(NAMES, "model", {"mse": np.full([5, 3], 0.1), "ssim": np.full([5, 3], 0.2)})
    assert choices["mse"].best_sample == choices["ssim"].best_sample == 0


def test_curves_and_intervals_of_a_hand_computed_case():
    board = Scoreboard((SSIM,))
    # The best sample is the one with the best mean, though the other is better in single frames.
    board.add_samples(NAMES, "model", {"ssim": np.array([[0.9, 0.1, 0.2], [0.4, 0.4, 0.7]])})
    board.add_samples(NAMES, "model", {"ssim": np.array([[0.8, 0.6, 0.4], [0.1, 0.7, 0.1]])})
    curves = board.curves(first_frame=5)["ssim"]
    assert curves["frames"] == [5, 6, 7]
    best, mean, worst = curves["lines"]
    assert [line["name"] for line in curves["lines"]] == list(NAMES.values())
    np.testing.assert_allclose(best["mean"], [0.6, 0.5, 0.55])
    np.testing.assert_allclose(mean["mean"], [0.55, 0.45, 0.35])
    np.testing.assert_allclose(worst["mean"], [0.5, 0.4, 0.15])
    # Student's t with one degree of freedom is 12.706 at 97.5 %; half the difference of two is their standard error.
    np.testing.assert_allclose(np.subtract(best["high"], best["mean"]), 12.7062047 * np.array([0.2, 0.1, 0.15]))
    np.testing.assert_allclose(np.add(best["high"], best["low"]), 2 * np.array(best["mean"]))
    score = board.table()[0]["metrics"]["ssim"]
    np.testing.assert_allclose([score["mean"], score["high"] - score["mean"]], [0.55, 12.7062047 * 0.05])


def test_one_clip_has_no_interval_and_its_bounds_repeat_the_mean():
    board = Scoreboard((SSIM,))
    board.add_prediction("black", "trivial", {"ssim": np.array([0.1, 0.3])})
    assert board.table() == [{"name": "black", "kind": "trivial", "metrics": {"ssim": {"mean": 0.2}}}]
    line = board.curves(2)["ssim"]["lines"][0]
    assert line["low"] == line["high"] == line["mean"] == [0.1, 0.3]


def test_intervals_are_student_t_intervals():
    values = np.random.default_rng(0).random((17, 3)) + 100
    found = interval(list(values))
    np.testing.assert_allclose(found["mean"], values.mean(axis=0), rtol=1e-14)
    # 2.119905 is the 97.5 % quantile of Student's t with 16 degrees of freedom.
    half = 2.1199053 * values.std(axis=0, ddof=1) / np.sqrt(17)
    np.testing.assert_allclose(found["high"] - found["mean"], half, rtol=1e-7)
    np.testing.assert_allclose(found["mean"] - found["low"], half, rtol=1e-7)


def test_the_interval_covers_the_mean_in_95_of_100_samples():
    found = interval(list(np.random.default_rng(0).standard_normal((5, 2_000))))
    covered = np.mean((found["low"] < 0) & (found["high"] > 0))
    assert 0.935 < covered < 0.965  # three standard deviations of the binomial


@pytest.mark.parametrize("n_samples", [1, 2, 5, 6])
def test_the_expected_best_is_the_mean_over_all_subsets(n_samples):
    scores = np.random.default_rng(n_samples).random(n_samples)
    counts = tuple(range(1, n_samples + 1))
    expected = [np.mean([max(subset) for subset in itertools.combinations(scores, count)]) for count in counts]
    ranked = scores[ranking(scores, "higher")]
    np.testing.assert_allclose(expected_best(n_samples, counts) @ ranked, expected, rtol=1e-13)


def test_the_expected_best_of_a_uniform_grid_has_a_closed_form():
    ranked = np.arange(100, 0, -1)  # the best of n of 1..N is n (N + 1) / (n + 1) on average
    counts = (1, 2, 5, 10, 20, 50, 100)
    expected = [n * 101 / (n + 1) for n in counts]
    np.testing.assert_allclose(expected_best(100, counts) @ ranked, expected, rtol=1e-12)


def test_scores_over_n_are_means_over_clips():
    clips = [_clip({("mse", "lower"): 1, ("ssim", "higher"): 3}, seed=seed) for seed in (1, 2)]
    board = Scoreboard((MSE, SSIM))
    expected = []
    for clip in clips:
        board.add_samples(NAMES, "model", clip)
        errors = clip["mse"].mean(axis=1, dtype=np.float64)
        expected.append(
            [errors.mean(), np.mean([min(pair) for pair in itertools.combinations(errors, 2)]), errors.min()]
        )
    found = board.by_samples()["mse"]
    assert found["n"] == [1, 2, 4]
    np.testing.assert_allclose(found["mean"], np.mean(expected, axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("n_samples", "counts"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (10, (1, 2, 5, 10)), (100, (1, 2, 5, 10, 20, 50, 100))],
)
def test_scores_over_n_are_given_for_round_numbers(n_samples, counts):
    assert counts_up_to(n_samples) == counts
