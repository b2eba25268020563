"""Tests of svg_tf/evaluation: scoring.py, evaluate.py and results.py."""

import json
import os

import numpy as np
import pytest
from evaluated_run import by_name, csv_rows, kept_parts, make_run, model_of, read, run_evaluation, tables

from svg_tf import noise, rollout
from svg_tf.config import ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.evaluation import evaluate as evaluate_module
from svg_tf.evaluation import scoring
from svg_tf.evaluation.definitions import MSE
from svg_tf.evaluation.evaluate import Options
from svg_tf.evaluation.protocols import resolve
from svg_tf.evaluation.scoring import Scorer
from svg_tf.metrics.psnr import mse, psnr
from svg_tf.metrics.ssim import ssim

NAMES = ["psnr", "ssim", "mse", "identity"]


@pytest.fixture(scope="module", autouse=True)
def parts():
    with kept_parts():
        yield


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def found(config):
    """Return metrics.json of the run's evaluation."""
    return run_evaluation(config)


def _clips(config, count=3):
    return next(iter(make_dataset(config, "test").unbatch().batch(count))).numpy()


def _scorer(config, n_samples, batch):
    options = {"seed": 3, "n_samples": n_samples, "n_simulated": n_samples, "batch": batch}
    return Scorer(model_of(config), scoring.TestClips(resolve("run", config)), [MSE], **options)


def test_the_table_has_the_scores_of_the_models_samples(config, found):
    assert json.loads(read(config, "metrics.json")) == found
    clips = _clips(config)
    samples = rollout.generate(model_of(config), clips[:, :3], 6, noise.sample_seeds(0, range(3), 4)).frames.numpy()
    truth = clips[:, np.newaxis, 3:] / np.float32(255)
    table = by_name(found)
    for name, metric in (("psnr", psnr), ("ssim", ssim), ("mse", mse)):
        values = metric(truth, samples).numpy().mean(axis=-1)  # [B, S]
        best, worst = (np.min, np.max) if name == "mse" else (np.max, np.min)
        for row, expected in (("best", best(values, 1)), ("mean", values.mean(1)), ("worst", worst(values, 1))):
            score = table[f"{row} of 4"]["metrics"][name]
            np.testing.assert_allclose(score["mean"], expected.mean(), rtol=1e-4)
            assert score["low"] < score["mean"] < score["high"]
        chosen = [int(row["best_sample"]) for row in csv_rows(config, "per_clip.csv") if row["metric"] == name]
        np.testing.assert_array_equal(chosen, (values.argmin if name == "mse" else values.argmax)(axis=1))


def test_trivial_predictions_and_the_simulator_are_rows_of_the_table(config, found):
    table, clips = by_name(found), _clips(config) / np.float32(255)
    for name, frames in (("black", 0 * clips[:, 3:]), ("copy last", clips[:, 2:3])):
        errors = np.square(clips[:, 3:] - frames).mean(axis=(1, 2, 3, 4), dtype=np.float64)
        np.testing.assert_allclose(table[name]["metrics"]["mse"]["mean"], errors.mean(), rtol=1e-5)
    best, mean = (table[f"simulator, {which}"]["metrics"]["mse"]["mean"] for which in ("best of 4", "mean sample"))
    assert best < mean < min(table[name]["metrics"]["mse"]["mean"] for name in ("best of 4", "black"))
    certain = by_name(run_evaluation(config.replace(motion="deterministic"), "certain", model_of(config), n_clips=1))
    assert certain["simulator, mean sample"]["metrics"]["psnr"]["mean"] == pytest.approx(100)


def test_digit_identity_is_reported_for_each_frame_and_row(config, found):
    table = {name: row["metrics"]["identity"]["mean"] for name, row in by_name(found).items()}
    assert table["simulator, mean sample"] == table["copy last"] == 1 and table["black"] == 0
    assert table["best of 4"] >= table["mean of 4"] >= table["worst of 4"]
    assert [line["name"] for line in found["curves"]["identity"]["lines"]] == [row["name"] for row in found["table"]]
    metrics, _, missing = evaluate_module._metrics(Options(), config.replace(num_digits=2), 3)
    assert "identity" not in [metric.name for metric in metrics]
    assert missing[0]["reason"] == "it is defined for clips of one embedded digit"


def test_a_sample_depends_on_its_seed_and_clip_only(config):
    many, few = _scorer(config, 60, 1)(2)[0], _scorer(config, 30, 1)(2)[0]
    np.testing.assert_array_equal(many["model/mse"][:30], few["model/mse"])
    np.testing.assert_array_equal(many["simulator/mse"][:30], few["simulator/mse"])
    assert len(np.unique(many["model/mse"][:, -1])) > 50


def test_clips_sampled_at_once_have_the_scores_of_clips_sampled_alone(config):
    batched = _scorer(config, 27, 3)(3)
    for number, record in enumerate(batched, start=3):
        alone = _scorer(config, 27, 1)(number)[0]
        np.testing.assert_allclose(record["model/mse"], alone["model/mse"], rtol=2e-5)
        np.testing.assert_array_equal(record["simulator/mse"], alone["simulator/mse"])


def test_calls_of_the_model_have_one_shape_within_the_memory_bound(config, monkeypatch):
    generate, shapes = rollout.generate, set()
    monkeypatch.setattr(rollout, "generate", lambda *args: shapes.add(args[3].shape) or generate(*args))
    context, seeds = _clips(config, 2)[:, :3] / np.float32(255), noise.sample_seeds(0, [7, 8], 30)
    parts = list(scoring.sample(model_of(config), context, 4, seeds, 3))
    assert shapes == {(3, 25)} and [part.shape[:2] for part in parts] == [(2, 25), (2, 5)]
    expected = generate(model_of(config), context, 4, seeds).frames.numpy()
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-6)
    counts = [scoring.clips_at_once(model_of(config), n, clips) for n, clips in ((100, 999), (100, 5), (1, 999))]
    assert counts == [16, 5, 32]


def test_the_same_seed_gives_the_same_files_to_the_last_bit_and_another_seed_others(config, found):
    run_evaluation(config, "again")
    assert tables(config) == tables(config, "again")
    other = by_name(run_evaluation(config, "seed", seed=1))
    assert other["best of 4"] != by_name(found)["best of 4"] and other["black"] == by_name(found)["black"]


def test_an_interrupted_evaluation_resumes_at_its_batch_and_gives_the_same_bits(config, monkeypatch):
    monkeypatch.setattr(scoring, "_MOST_CLIPS_AT_ONCE", 2)
    run_evaluation(config, "undisturbed")
    scored, score = [], Scorer.__call__

    def interrupted(self, first):
        if first == 2 and len(scored) == 1:
            scored.append("stop")
            raise KeyboardInterrupt
        scored.append(first)
        return score(self, first)

    monkeypatch.setattr(Scorer, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_evaluation(config, "interrupted")
    run_evaluation(config, "interrupted")
    assert scored == [0, "stop", 2] and tables(config, "undisturbed") == tables(config, "interrupted")


def test_stored_scores_are_used_again_with_the_same_settings_only(config, monkeypatch):
    monkeypatch.setattr(scoring, "_MOST_CLIPS_AT_ONCE", 2)
    calls, score = [], Scorer.__call__
    monkeypatch.setattr(Scorer, "__call__", lambda self, first: calls.append(first) or score(self, first))
    few = run_evaluation(config, "grown", n_clips=3)
    assert run_evaluation(config, "grown", n_clips=4)["n_clips"] == 4 and calls == [0, 2, 2]  # its batch has grown
    assert run_evaluation(config, "grown", n_clips=3)["table"] == few["table"] and len(calls) == 3
    run_evaluation(config, "grown", n_clips=2, seed=1)
    assert calls == [0, 2, 2, 0]


def test_a_model_without_a_latent_variable_draws_one_sample(tmp_path):
    found = run_evaluation(make_run(tmp_path, prior="none"))
    assert found["n_samples"] == 1 and "all samples of a clip are equal" in found["notes"][0]
    table = by_name(found)
    assert table["best of 1"]["metrics"] == table["worst of 1"]["metrics"] == table["mean of 1"]["metrics"]
    assert "simulator, best of 4" in table and found["by_samples"]["psnr"]["n"] == [1]


def test_per_clip_csv_has_the_numbers_of_metrics_json(config, found):
    assert all(curve["frames"] == [3, 4, 5, 6, 7, 8] for curve in found["curves"].values())
    values = [float(row["best"]) for row in csv_rows(config, "per_clip.csv") if row["metric"] == "psnr"]
    assert np.mean(values) == pytest.approx(by_name(found)["best of 4"]["metrics"]["psnr"]["mean"], rel=1e-12)


def test_every_row_and_metric_is_defined(found):
    assert set(found["predictors"]) == {row["name"] for row in found["table"]}
    assert [metric["name"] for metric in found["metrics"]] == NAMES
    reasons = {metric["name"]: metric["reason"] for metric in found["not_computed"]}
    assert reasons == {"lpips": "set --lpips_weights", "fvd": "set --fvd_weights"}
    assert found["step"] == 12 and found["model"] == "SVG-LP"


def test_the_examples_are_the_scored_samples(config):
    run_evaluation(config, "examples")
    with np.load(os.path.join(config.run_dir, "examples", "examples.npz")) as file:
        examples = dict(file)
    assert examples["best"].shape == examples["posterior"].shape == (3, 9, 32, 32, 1)
    assert examples["samples"].shape == (3, 3, 9, 32, 32, 1) and examples["samples"].dtype == np.uint8
    np.testing.assert_array_equal(examples["samples_of"], [[0, 1, 2]] * 3)
    clips = _clips(config)
    np.testing.assert_array_equal(examples["truth"], clips)
    np.testing.assert_array_equal(examples["best"][:, :3], clips[:, :3])
    np.testing.assert_array_equal(examples["posterior"][:, 0], clips[:, 0])
    rows = [row for row in csv_rows(config, "per_clip.csv", "examples") if row["metric"] == "ssim"]
    np.testing.assert_array_equal(examples["best_of"], [int(row["best_sample"]) for row in rows])
    for clip, best, row in zip(clips, examples["best"], rows, strict=True):
        score = ssim(clip[3:] / np.float32(255), best[3:] / np.float32(255)).numpy().mean()
        np.testing.assert_allclose(score, float(row["best"]), atol=2e-3)  # frames are rounded to bytes
    posterior = np.round(255 * rollout.reconstruct(model_of(config), clips).numpy())
    assert np.abs(examples["posterior"][:, 1:] - posterior).max() <= 1


def test_two_models_stand_side_by_side(config):
    other = {**run_evaluation(config, "other", n_clips=2), "run_dir": "presets/other"}
    both = run_evaluation(config, "compared", n_clips=2, compared=other)
    rows = [(row["kind"], row["name"]) for row in both["table"]][:6]
    assert rows[:2] == [("model", "best of 4"), ("model", "mean of 4")]
    assert rows[3:5] == [("compared", "presets/other, best of 4"), ("compared", "presets/other, mean of 4")]
    assert by_name(both)["presets/other, best of 4"]["metrics"] == by_name(other)["best of 4"]["metrics"]
    assert "presets/other" in both["predictors"]["presets/other, best of 4"]
    assert "presets/other, best of 4" in [line["name"] for line in both["curves"]["identity"]["lines"]]
    with pytest.raises(ConfigError, match="presets/other cannot be compared: n_clips of the test clips differ"):
        run_evaluation(config, "compared", n_clips=1, compared=other)


class _FakeLpips:
    definition = "a stand-in for LPIPS"

    def __init__(self, path):
        pass

    def measure(self, context, truth, predictions):
        return np.abs(truth - np.asarray(predictions)).mean(axis=(-3, -2, -1))


class _FakeFvd:
    definition = "a stand-in for FVD."

    def __init__(self, path):
        pass

    def __call__(self, videos):
        assert videos.shape[1] == 9  # context included
        return videos.reshape(len(videos), -1)[:, ::1000].astype(np.float64)


def test_lpips_and_fvd_are_computed_with_their_networks(config, monkeypatch):
    monkeypatch.setattr("svg_tf.metrics.lpips.Lpips", _FakeLpips)
    monkeypatch.setattr("svg_tf.metrics.fvd.VideoFeatures", _FakeFvd)
    found = run_evaluation(config, "networks", lpips_weights="lpips", fvd_weights="fvd")
    table = by_name(found)
    assert [metric["name"] for metric in found["metrics"]] == [*NAMES, "lpips", "fvd"] and not found["not_computed"]
    clips = _clips(config) / np.float32(255)
    np.testing.assert_allclose(table["black"]["metrics"]["lpips"]["mean"], clips[:, 3:].mean(), rtol=1e-5)
    with_fvd = {name for name, row in table.items() if "fvd" in row["metrics"]}
    assert with_fvd == {"one sample", "black", "copy last", "simulator, one sample"}
    truth, black = clips.reshape(3, -1)[:, ::1000], (clips * (np.arange(9) < 3)[:, None, None, None]).reshape(3, -1)
    expected = np.square(truth.mean(0) - black[:, ::1000].mean(0)).sum()
    assert table["black"]["metrics"]["fvd"]["mean"] >= expected * (1 - 1e-6)
    assert "fvd" not in found["curves"] and "low" not in table["black"]["metrics"]["fvd"]
    one = run_evaluation(config, "networks", n_clips=1, fvd_weights="fvd")
    assert {metric["name"]: metric["reason"] for metric in one["not_computed"]}["fvd"] == "it needs two clips"


def test_differences_from_the_protocol_are_listed(config):
    options = Options(n_samples=4, recalibrate_bn=2)
    protocol = evaluate_module._protocol(resolve("svg", config), options, 3)
    sentences = " ".join(protocol["deviations"])
    assert "3 test clips are scored; the protocol has 1,000." in sentences
    for text in ("4 samples per clip", "n_past=3", "32 pixels wide", "re-estimated"):
        assert text in sentences
    assert protocol["published"] == [] and protocol["name"] == "svg"
    other = evaluate_module._with_context(model_of(config), 5)
    assert (other.n_past, model_of(config).n_past) == (5, 3)
    np.testing.assert_array_equal(other.get_weights()[0], model_of(config).get_weights()[0])


@pytest.mark.slow
def test_statistics_are_re_estimated_on_request(config, found):
    copy = evaluate_module._with_context(evaluate_module._with_context(model_of(config), 4), 3)
    again = run_evaluation(config, "recalibrated", model=copy, recalibrate_bn=2)
    assert again["recalibration"]["batches"] == 2 and found["recalibration"] is None
    assert by_name(again)["best of 4"] != by_name(found)["best of 4"]


def test_all_wanted_clips_are_scored_and_a_smaller_test_set_is_noted(config, monkeypatch):
    assert [scoring.TestClips(resolve("run", config), n).count for n in (2_000, 0)] == [2_000, 1_000]
    monkeypatch.setattr("svg_tf.data.moving_mnist.MovingMNIST.test_clips", 2, raising=False)
    found = run_evaluation(config, "fewer", n_clips=5)
    assert found["n_clips"] == 2 and "The test set has 2 clips, fewer than --n_clips=5." in found["notes"]
