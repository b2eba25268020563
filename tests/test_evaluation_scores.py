"""Tests of svg_tf/evaluation: selection.py, intervals.py, definitions.py and scoreboard.py."""

import itertools

import numpy as np
import pytest

from svg_tf.evaluation import definitions
from svg_tf.evaluation.definitions import MSE, PSNR, PSNR_VIDEO, SSIM
from svg_tf.evaluation.intervals import RunningMean
from svg_tf.evaluation.scoreboard import Scoreboard
from svg_tf.evaluation.selection import counts_up_to, expected_best, ranking

NAMES = {"best": "best of 4", "mean": "mean of 4", "worst": "worst of 4"}


def _clip(winners, n_samples=4, frames=3, seed=0):
    """Fake samples [S, T] by measure: by each the sample of that number is best, and number + 1 is worst."""
    rng = np.random.default_rng(seed)
    measured = {}
    for (measure, better), winner in winners.items():
        values = 0.4 + 0.2 * rng.random((n_samples, frames))
        values[winner] += 0.3 if better == "higher" else -0.3
        values[(winner + 1) % n_samples] -= 0.3 if better == "higher" else -0.3
        measured[measure] = values.astype(np.float32)
    return measured


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("second", range(4))
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
    means = board.means()
    np.testing.assert_allclose(means["best of 4"]["mse"], np.mean(errors), rtol=1e-12)
    np.testing.assert_allclose(means["worst of 4"]["mse"], np.mean(worst), rtol=1e-12)
    np.testing.assert_allclose(means["mean of 4"]["ssim"], np.mean([clip["ssim"] for clip in clips]), rtol=1e-7)


def test_one_metric_may_choose_for_all():
    clip = _clip({("mse", "lower"): 2, ("ssim", "higher"): 0})
    choices = Scoreboard((MSE, SSIM), select="ssim").add_samples(NAMES, "model", clip)
    assert choices["mse"].best_sample == choices["ssim"].best_sample == 0
    np.testing.assert_allclose(choices["mse"].best, clip["mse"][0].mean(dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(choices["mse"].worst, clip["mse"][1].mean(dtype=np.float64), rtol=1e-12)


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


def test_intervals_are_those_of_all_values_at_once():
    values = np.random.default_rng(0).random((17, 3)) + 100
    running = RunningMean()
    for value in values:
        running.add(value)
    mean, low, high = running.interval()
    np.testing.assert_allclose(mean, values.mean(axis=0), rtol=1e-14)
    # 2.119905 is the 97.5 % quantile of Student's t with 16 degrees of freedom.
    half = 2.1199053 * values.std(axis=0, ddof=1) / np.sqrt(17)
    np.testing.assert_allclose(high - mean, half, rtol=1e-7)
    np.testing.assert_allclose(mean - low, half, rtol=1e-7)


def test_the_interval_covers_the_mean_in_95_of_100_samples():
    rng, covered = np.random.default_rng(0), 0
    for values in rng.standard_normal((2_000, 5)):
        running = RunningMean()
        for value in values:
            running.add(value)
        _, low, high = running.interval()
        covered += low < 0 < high
    assert 0.935 < covered / 2_000 < 0.965  # three standard deviations of the binomial


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


def test_many_samples_keep_the_weights_exact():
    weights = expected_best(4096, (1, 2000, 4096))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(weights[0], 1 / 4096)
    assert weights[2, 0] == 1 and not weights[2, 1:].any()


def test_scores_over_n_average_clips_and_follow_the_metric_that_chooses():
    clips = [_clip({("mse", "lower"): 1, ("ssim", "higher"): 3}, seed=seed) for seed in (1, 2)]
    for select in ("each", "ssim"):
        board = Scoreboard((MSE, SSIM), select)
        for clip in clips:
            board.add_samples(NAMES, "model", clip, by_samples=True)
        found = board.by_samples()["mse"]
        assert found["n"] == [1, 2, 4]
        expected = []
        for clip in clips:
            errors = clip["mse"].mean(axis=1, dtype=np.float64)
            by = -errors if select == "each" else clip["ssim"].mean(axis=1, dtype=np.float64)
            pairs = [errors[max(pair, key=lambda s: by[s])] for pair in itertools.combinations(range(4), 2)]
            expected.append([errors.mean(), np.mean(pairs), errors[np.argmax(by)]])
        np.testing.assert_allclose(found["mean"], np.mean(expected, axis=0), rtol=1e-12)
        assert found["mean"][-1] == pytest.approx(board.means()["best of 4"]["mse"], rel=1e-13)
        assert found["mean"][0] == pytest.approx(board.means()["mean of 4"]["mse"], rel=1e-13)


@pytest.mark.parametrize(
    ("n_samples", "counts"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (10, (1, 2, 5, 10)), (100, (1, 2, 5, 10, 20, 50, 100))],
)
def test_scores_over_n_are_given_for_round_numbers(n_samples, counts):
    assert counts_up_to(n_samples) == counts


def test_psnr_averages_decibels_and_that_of_the_video_errors():
    errors = np.array([0.1, 0.001])
    np.testing.assert_allclose(PSNR.of_clips(errors), (10 + 30) / 2)
    np.testing.assert_allclose(PSNR_VIDEO.of_clips(errors), -10 * np.log10(0.0505))
    np.testing.assert_allclose(PSNR.of_frames(errors), [10, 30])
    np.testing.assert_allclose(PSNR_VIDEO.of_frames(errors), [10, 30])
    np.testing.assert_allclose(MSE.of_clips(errors), 0.0505)


def test_identical_frames_score_100_decibel_as_the_definition_says():
    np.testing.assert_allclose([metric.of_clips(np.zeros(3)) for metric in (PSNR, PSNR_VIDEO)], 100)
    assert "100 dB" in PSNR.definition and "100 dB" in PSNR_VIDEO.definition


def test_metrics_may_choose_different_samples_of_the_same_errors():
    # One perfect frame raises the mean of decibels, but hardly the error of the video.
    measured = {"mse": np.array([[1e-10, 0.2], [0.05, 0.05]])}
    choices = Scoreboard((PSNR, PSNR_VIDEO)).add_samples(NAMES, "model", measured)
    assert choices["psnr"].best_sample == 0 and choices["psnr_video"].best_sample == 1


def test_every_metric_has_a_name_of_its_own_and_says_what_it_is():
    metrics = (*definitions.OF_FRAMES, definitions.LPIPS, definitions.FVD)
    assert len({metric.name for metric in metrics}) == len(metrics)
    assert set(definitions.choosers()) == {"each", *(metric.name for metric in metrics)} - {"fvd"}
    for metric in definitions.OF_FRAMES:
        assert metric.better in ("higher", "lower") and len(metric.definition) > 30
