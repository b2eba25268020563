"""Tests of svg_tf/evaluation/scoreboard.py."""

import itertools

import numpy as np
import pytest

from svg_tf.evaluation.scoreboard import (
    Line,
    choose,
    counts_up_to,
    curves,
    expected_best,
    interval,
    ranking,
    table,
)


def test_the_best_sample_is_the_one_with_the_best_mean_and_of_equal_ones_the_first():
    scores = np.array([[[0.9, 0.1, 0.2], [0.4, 0.4, 0.7], [0.45, 0.45, 0.45]], [[0.3, 0.3, 0.3]] * 3])  # [B, S, T]
    for better, best, worst in (("higher", [1, 0], [0, 2]), ("lower", [0, 0], [1, 2])):
        order = ranking(scores.mean(axis=-1), better)
        assert (order[:, 0].tolist(), order[:, -1].tolist()) == (best, worst)
        found = choose(scores, order)
        np.testing.assert_array_equal(found["best"], scores[[0, 1], best])
        np.testing.assert_array_equal(found["worst"], scores[[0, 1], worst])
        np.testing.assert_allclose(found["mean"], scores.mean(axis=1))


def test_curves_and_intervals_of_a_hand_computed_case():
    lines = [Line("best of 4", "model", "ssim", np.array([[0.4, 0.4, 0.7], [0.8, 0.6, 0.4]]))]
    curve = curves(lines, first_frame=5)["ssim"]
    (line,) = curve["lines"]
    assert curve["frames"] == [5, 6, 7] and (line["name"], line["kind"]) == ("best of 4", "model")
    np.testing.assert_allclose(line["mean"], [0.6, 0.5, 0.55])
    # Student's t with one degree of freedom is 12.706 at 97.5 %; half the difference of two is their standard error.
    np.testing.assert_allclose(np.subtract(line["high"], line["mean"]), 12.7062047 * np.array([0.2, 0.1, 0.15]))
    np.testing.assert_allclose(np.add(line["high"], line["low"]), 2 * np.array(line["mean"]))
    score = table(lines)["best of 4"]["metrics"]["ssim"]
    np.testing.assert_allclose([score["mean"], score["high"] - score["mean"]], [0.55, 12.7062047 * 0.05])


def test_intervals_cover_the_mean_in_95_of_100_samples():
    found = interval(np.random.default_rng(0).standard_normal((5, 2_000)))
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
    counts = counts_up_to(100)
    assert counts == (1, 2, 5, 10, 20, 50, 100) and counts_up_to(3) == (1, 2, 3) and counts_up_to(1) == (1,)
    expected = [n * 101 / (n + 1) for n in counts]
    np.testing.assert_allclose(expected_best(100, counts) @ ranked, expected, rtol=1e-12)
