"""Tests of svg_tf/evaluation: scoring.py, evaluate.py and results.py."""

import glob
import json
import os
from pathlib import Path

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
from svg_tf.metrics.fvd import frechet_distance
from svg_tf.metrics.ssim import ssim

NAMES = ["psnr", "psnr_video", "ssim", "mse", "identity"]


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


def _scores(config, n_samples, batch, first):
    scorer = Scorer(model_of(config), scoring.TestClips(resolve("run", config)), [MSE], 3, n_samples)
    scorer.batch = batch
    return scorer(first)


def test_the_table_has_the_scores_of_the_models_samples(config, found):
    assert json.loads(read(config, "metrics.json")) == found
    assert set(found["predictors"]) == {row["name"] for row in found["table"]}
    assert [metric["name"] for metric in found["metrics"]] == NAMES
    reasons = {metric["name"]: metric["reason"] for metric in found["not_computed"]}
    assert reasons == {"lpips": "set --lpips_weights", "fvd": "set --fvd_weights"}
    assert found["step"] == 12 and found["model"] == "SVG-LP"
    clips = _clips(config)
    samples = rollout.generate(model_of(config), clips[:, :3], 6, noise.sample_seeds(0, range(3), 4)).frames.numpy()
    truth = clips[:, 3:] / np.float32(255)
    table = by_name(found)
    errors = np.square(truth[:, np.newaxis] - samples).mean(axis=(3, 4, 5), dtype=np.float64)  # [B, S, T]
    similarities = np.array([ssim(*pair) for pair in zip(truth, samples, strict=True)])
    for name, values in (
        ("psnr", -10 * np.log10(errors).mean(axis=-1)),
        ("psnr_video", -10 * np.log10(errors.mean(axis=-1))),
        ("ssim", similarities.mean(axis=-1)),
        ("mse", errors.mean(axis=-1)),
    ):
        best, worst = (np.min, np.max) if name == "mse" else (np.max, np.min)
        for row, expected in (("best", best(values, 1)), ("mean", values.mean(1)), ("worst", worst(values, 1))):
            score = table[f"{row} of 4"]["metrics"][name]
            np.testing.assert_allclose(score["mean"], expected.mean(), rtol=1e-4)
            assert score["low"] < score["mean"] < score["high"]
        chosen = [int(row["best_sample"]) for row in csv_rows(config, "per_clip.csv") if row["metric"] == name]
        np.testing.assert_array_equal(chosen, (values.argmin if name == "mse" else values.argmax)(axis=1))


def test_trivial_predictions_and_the_simulator_are_rows_of_the_table(config, found):
    table, clips = by_name(found), _clips(config) / np.float32(255)
    mean = (
        next(iter(make_dataset(config, "train", n_clips=1_000).unbatch().batch(1_000))).numpy().mean(axis=(0, 1)) / 255
    )
    for name, frames in (("black", 0 * clips[:, 3:]), ("copy last", clips[:, 2:3]), ("training mean", mean)):
        errors = np.square(clips[:, 3:] - frames).mean(axis=(1, 2, 3, 4), dtype=np.float64)
        scores = [table[name]["metrics"][metric]["mean"] for metric in ("mse", "psnr_video")]
        np.testing.assert_allclose(scores, [errors.mean(), -10 * np.log10(errors).mean()], rtol=1e-5)
    best, mean = (table[f"simulator, {which}"]["metrics"]["mse"]["mean"] for which in ("best of 4", "mean sample"))
    assert best < mean < min(table[name]["metrics"]["mse"]["mean"] for name in ("best of 4", "black"))
    certain = by_name(run_evaluation(config.replace(motion="deterministic"), "certain", model_of(config)))
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
    many, few = _scores(config, 60, 1, 2), _scores(config, 30, 1, 2)
    for kind in ("model/mse", "simulator/mse"):
        np.testing.assert_array_equal(many[kind][:, :30], few[kind])
    assert len(np.unique(many["model/mse"][0, :, -1])) > 50


def test_clips_sampled_in_calls_of_one_shape_have_the_scores_of_clips_sampled_alone(config, monkeypatch):
    generate, shapes = rollout.generate, set()
    monkeypatch.setattr(rollout, "generate", lambda *args: shapes.add(args[3].shape) or generate(*args))
    batched = _scores(config, 30, 3, 3)
    assert shapes == {(3, 25)}
    for index in range(3):
        alone = _scores(config, 30, 1, 3 + index)
        np.testing.assert_allclose(batched["model/mse"][index], alone["model/mse"][0], rtol=2e-5)
        np.testing.assert_array_equal(batched["simulator/mse"][index], alone["simulator/mse"][0])


def test_the_same_seed_gives_the_same_files_to_the_last_bit_and_another_seed_others(config, found):
    run_evaluation(config, "again")
    assert tables(config) == tables(config, "again")
    other = by_name(run_evaluation(config, "again", seed=1))  # uses none of the scores stored in the folder
    assert other["best of 4"] != by_name(found)["best of 4"] and other["black"] == by_name(found)["black"]


def test_an_interrupted_evaluation_resumes_at_its_batch_and_gives_the_same_bits(config, monkeypatch):
    monkeypatch.setattr(scoring, "_MOST_CLIPS_AT_ONCE", 2)
    run_evaluation(config, "undisturbed")
    calls, score = [], Scorer.__call__

    def interrupted(self, first):
        calls.append(first)
        if len(calls) in (1, 3):
            raise KeyboardInterrupt
        return score(self, first)

    monkeypatch.setattr(Scorer, "__call__", interrupted)
    for texts in ((), ("2 of 3 clips are scored",)):  # says so only if scores were saved
        with pytest.raises(KeyboardInterrupt) as stop:
            run_evaluation(config, "interrupted")
        assert stop.value.args == texts
    run_evaluation(config, "interrupted")
    assert calls == [0, 0, 2, 2] and tables(config, "undisturbed") == tables(config, "interrupted")
    assert run_evaluation(config, "interrupted", n_clips=4)["n_clips"] == 4  # the stored batch of one clip grows
    run_evaluation(config, "interrupted")
    assert calls == [0, 0, 2, 2, 2] and tables(config, "undisturbed") == tables(config, "interrupted")
    (path,) = glob.glob(os.path.join(config.run_dir, "interrupted", "scores", "*", "000000.npz"))
    content = Path(path).read_bytes()
    for damaged in (b"", content[:-1]):
        Path(path).write_bytes(damaged)
        run_evaluation(config, "interrupted")
        assert Path(path).read_bytes() == content


def test_a_model_without_a_latent_variable_draws_one_sample(tmp_path):
    found = run_evaluation(make_run(tmp_path, prior="none"))
    assert found["n_samples"] == 1 and "all samples of a clip are equal" in found["notes"][0]
    table = by_name(found)
    assert table["best of 1"]["metrics"] == table["worst of 1"]["metrics"] == table["mean of 1"]["metrics"]
    assert "simulator, best of 4" in table and found["by_samples"]["psnr"]["n"] == [1]


def test_csv_files_have_the_numbers_of_metrics_json(config, found):
    values = [float(row["best"]) for row in csv_rows(config, "per_clip.csv") if row["metric"] == "psnr"]
    assert np.mean(values) == pytest.approx(by_name(found)["best of 4"]["metrics"]["psnr"]["mean"], rel=1e-12)
    rows = csv_rows(config, "per_frame.csv")
    assert "psnr_video" not in found["curves"] and len(rows) == 4 * len(found["table"]) * 6
    for name, curve in found["curves"].items():
        assert curve["frames"] == [3, 4, 5, 6, 7, 8]
        for line in curve["lines"]:
            of_line = [row for row in rows if (row["predictor"], row["metric"]) == (line["name"], name)]
            assert [int(row["frame"]) for row in of_line] == curve["frames"]
            assert all([float(row[key]) for row in of_line] == line[key] for key in ("mean", "low", "high"))


def test_one_metric_selects_the_samples_for_all(config, found):
    selected = run_evaluation(config, "selected", select="ssim")
    rows = csv_rows(config, "per_clip.csv", "selected")
    chosen = {row["clip"]: row["best_sample"] for row in rows if row["metric"] == "ssim"}
    assert all(row["best_sample"] == chosen[row["clip"]] for row in rows) and selected["examples_best_by"] == "ssim"
    assert selected["chosen_by"].startswith("SSIM chooses the best sample of each clip for all metrics")
    own, by_ssim = by_name(found), by_name(selected)
    for name in ("best of 4", "simulator, best of 4"):
        assert by_ssim[name]["metrics"]["ssim"] == own[name]["metrics"]["ssim"]
        assert by_ssim[name]["metrics"]["mse"]["mean"] >= own[name]["metrics"]["mse"]["mean"]
    assert by_ssim["best of 4"]["metrics"]["psnr"] != own["best of 4"]["metrics"]["psnr"]


def test_the_examples_are_the_scored_samples(config):
    run_evaluation(config, "examples")
    with np.load(os.path.join(config.run_dir, "examples", "examples.npz")) as file:
        examples = dict(file)
    assert examples["samples"].shape == (3, 3, 9, 32, 32, 1) and examples["samples"].dtype == np.uint8
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
    with pytest.raises(ConfigError, match="presets/other cannot be compared: seed of the test clips differ"):
        run_evaluation(config, "compared", n_clips=2, seed=1, compared=other)


class _FakeNetwork:
    definition = "a stand-in."

    def measure(self, context, truth, predictions):
        return np.abs(truth - np.asarray(predictions)).mean(axis=(-3, -2, -1))

    def __call__(self, videos):
        assert videos.shape[1] == 9  # context included
        return videos.reshape(len(videos), -1)[:, ::1000].astype(np.float64)


def test_lpips_and_fvd_are_computed_with_their_networks(config, monkeypatch):
    for name in ("Lpips", "VideoFeatures"):
        monkeypatch.setattr(evaluate_module, name, lambda path: _FakeNetwork())
    found = run_evaluation(config, "networks", lpips_weights="lpips", fvd_weights="fvd")
    table = by_name(found)
    assert [metric["name"] for metric in found["metrics"]] == [*NAMES, "lpips", "fvd"] and not found["not_computed"]
    clips = _clips(config) / np.float32(255)
    np.testing.assert_allclose(table["black"]["metrics"]["lpips"]["mean"], clips[:, 3:].mean(), rtol=1e-5)
    with_fvd = {name for name, row in table.items() if "fvd" in row["metrics"]}
    assert with_fvd == {"one sample", "black", "copy last", "training mean", "simulator, one sample"}
    black = clips * (np.arange(9) < 3)[:, np.newaxis, np.newaxis, np.newaxis]
    expected = frechet_distance(*(videos.reshape(3, -1)[:, ::1000].astype(np.float64) for videos in (clips, black)))
    np.testing.assert_allclose(table["black"]["metrics"]["fvd"]["mean"], expected, rtol=1e-5)
    _, _, missing = evaluate_module._metrics(Options(lpips_weights="lpips", fvd_weights="fvd"), config, 1)
    assert missing == [{"name": "fvd", "title": "FVD", "reason": "it needs two clips"}]


def test_differences_from_the_protocol_are_listed(config):
    options = Options(n_samples=4, recalibrate_bn=2)
    protocol = evaluate_module._protocol(resolve("svg", config), options, 3)
    sentences = " ".join(protocol["deviations"])
    assert "3 test clips are scored; the protocol has 1,000." in sentences
    for text in ("4 samples per clip", "n_past=3", "32 pixels wide", "re-estimated"):
        assert text in sentences
    assert protocol["published"] == [] and protocol["name"] == "svg"


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
