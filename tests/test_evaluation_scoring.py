"""Tests of svg_tf/evaluation: scoring.py, sampling.py, predictors.py, measures.py and the numbers in results.py."""

import json
import os

import numpy as np
import pytest
from evaluated_run import by_name, csv_rows, kept_models, make_run, model_of, run_evaluation

from svg_tf import noise, rollout
from svg_tf.data.dataset import make_dataset
from svg_tf.data.errors import DataError
from svg_tf.evaluation import evaluate as evaluate_module
from svg_tf.evaluation import measures, predictors, sampling
from svg_tf.evaluation.clips import TestClips
from svg_tf.evaluation.protocols import resolve
from svg_tf.evaluation.scoring import Scorer
from svg_tf.metrics.mse import mse
from svg_tf.metrics.psnr import psnr
from svg_tf.metrics.ssim import ssim


@pytest.fixture(scope="module", autouse=True)
def models():
    with kept_models():
        yield


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def found(config):
    """metrics.json of config's evaluation, which no test changes."""
    return run_evaluation(config)


def test_the_table_is_what_the_definitions_say_of_the_models_samples(config, found):
    with open(os.path.join(config.run_dir, "evaluation", "metrics.json"), encoding="utf-8") as file:
        assert json.load(file) == found
    model = model_of(config)
    clips = next(iter(make_dataset(config, "test").unbatch().batch(3))).numpy()
    samples = rollout.generate(model, clips[:, :3], 6, noise.sample_seeds(0, range(3), 4)).frames.numpy()
    future = clips[:, 3:] / np.float32(255)
    scores = {
        "psnr": psnr(future, samples).numpy().mean(axis=-1),
        "ssim": ssim(future, samples).numpy().mean(axis=-1),
        "mse": mse(future, samples).numpy().mean(axis=-1),
    }
    table = by_name(found)
    for name, values in scores.items():
        best, worst = (np.min, np.max) if name == "mse" else (np.max, np.min)
        for row, expected in (("best", best(values, 0)), ("mean", values.mean(0)), ("worst", worst(values, 0))):
            actual = table[f"{row} of 4"]["metrics"][name]
            np.testing.assert_allclose(actual["mean"], expected.mean(), rtol=1e-4)
            assert actual["low"] < actual["mean"] < actual["high"]
        chosen = [int(row["best_sample"]) for row in csv_rows(config, "per_clip.csv") if row["metric"] == name]
        np.testing.assert_array_equal(chosen, (values.argmin if name == "mse" else values.argmax)(axis=0))


def test_the_context_decides_no_selection(config, monkeypatch):
    seen = []
    plain = measures.PLAIN["mse"]
    monkeypatch.setitem(measures.PLAIN, "mse", lambda truth, frames: seen.append(truth.shape) or plain(truth, frames))
    run_evaluation(config, "other", n_clips=1)
    assert {shape[0] for shape in seen} == {6}  # of 9 frames, 3 are given


def test_trivial_predictors_stand_beside_the_model(config, found):
    table = by_name(found)
    clips = next(iter(make_dataset(config, "test").unbatch().batch(3))).numpy() / np.float32(255)
    future = clips[:, 3:]
    mean = predictors.training_mean(config)
    for name, frames in (("black", 0 * future), ("copy last", clips[:, 2:3]), ("training mean", mean)):
        errors = np.square(future - frames).mean(axis=(1, 2, 3, 4), dtype=np.float64)
        np.testing.assert_allclose(table[name]["metrics"]["mse"]["mean"], errors.mean(), rtol=1e-5)
        assert table[name]["kind"] == "trivial"


def test_the_training_mean_is_that_of_the_stated_number_of_clips(small):
    config = small(batch_size=7)
    frames = predictors.training_mean(config, n_clips=10)
    clips = np.concatenate(list(make_dataset(config, "train", n_clips=10).as_numpy_iterator()))
    assert len(clips) == 10 and frames.dtype == np.float32
    np.testing.assert_allclose(frames, clips.mean(axis=(0, 1)) / 255, rtol=1e-6)
    assert f"{predictors.TRAINING_CLIPS:,} training clips" in predictors.DEFINITIONS["training mean"]


def test_the_simulator_is_a_ceiling(config, tmp_path):
    table = by_name(run_evaluation(config, "examples", n_samples=30))
    best, mean = table["simulator, best of 30"], table["simulator, mean sample"]
    assert best["kind"] == mean["kind"] == "simulator"
    others = [row["metrics"]["mse"]["mean"] for row in table.values() if row["kind"] != "simulator"]
    assert best["metrics"]["mse"]["mean"] < min(mean["metrics"]["mse"]["mean"], *others)
    certain = by_name(run_evaluation(make_run(tmp_path / "certain", motion="deterministic")))
    assert certain["simulator, mean sample"]["metrics"]["mse"]["mean"] == 0
    assert certain["simulator, mean sample"]["metrics"]["psnr"]["mean"] == pytest.approx(100)


def test_a_sample_depends_on_its_seed_and_clip_alone(config):
    model = model_of(config)
    clips = TestClips(resolve("run", config))
    scorers = [
        Scorer(
            model,
            clips,
            seed=3,
            n_samples=n_samples,
            n_simulated=n_samples,
            mean_frame=np.zeros([32, 32, 1], np.float32),
            measures=measures.PLAIN,
            features=None,
        )
        for n_samples in (60, 30)
    ]
    many, few = (scorer(2) for scorer in scorers)
    np.testing.assert_array_equal(many["model/mse"][:30], few["model/mse"])
    np.testing.assert_array_equal(many["simulator/ssim"][:30], few["simulator/ssim"])
    np.testing.assert_array_equal(scorers[0](2), many)
    assert len(np.unique(many["model/mse"][:, -1])) > 50  # all differ, but some by less than their last bit


@pytest.mark.parametrize("n_samples", [1, 24, 25, 26, 60])
def test_samples_come_in_parts_of_one_shape_and_none_is_lost(config, clips, monkeypatch, n_samples):
    model, generate, shapes = model_of(config), rollout.generate, set()

    def recorded(model, context, horizon, seeds):
        shapes.add(seeds.shape)
        return generate(model, context, horizon, seeds)

    monkeypatch.setattr(rollout, "generate", recorded)
    seeds = sampling.seeds_of(0, 7, n_samples)
    context = clips(config, batch=1, frames=3)[0]
    made = list(sampling.draw(model, context, 4, seeds))
    assert shapes == {(1, min(n_samples, sampling.AT_ONCE))} and sum(map(len, made)) == n_samples
    np.testing.assert_array_equal(seeds, noise.sample_seeds(0, [3, 7], n_samples)[1])
    expected = generate(model, context[np.newaxis], 4, seeds[np.newaxis]).frames.numpy()[:, 0]
    np.testing.assert_allclose(np.concatenate(made), expected, atol=1e-6)


def test_the_examples_are_the_samples_that_were_scored(config):
    found = run_evaluation(config, "examples", n_samples=30)
    with np.load(os.path.join(config.run_dir, "examples", "examples.npz")) as file:
        examples = dict(file)
    assert examples["truth"].shape == examples["best"].shape == examples["posterior"].shape == (2, 9, 32, 32, 1)
    assert examples["samples"].shape == (2, 3, 9, 32, 32, 1) and examples["samples"].dtype == np.uint8
    np.testing.assert_array_equal(examples["clips"], [0, 1])
    np.testing.assert_array_equal(examples["samples_of"], [[0, 1, 2]] * 2)
    clips = next(iter(make_dataset(config, "test").unbatch().batch(2))).numpy()
    np.testing.assert_array_equal(examples["truth"], clips)
    np.testing.assert_array_equal(examples["best"][:, :3], clips[:, :3])
    np.testing.assert_array_equal(examples["posterior"][:, 0], clips[:, 0])
    rows = [row for row in csv_rows(config, "per_clip.csv", "examples") if row["metric"] == "ssim"][:2]
    assert found["examples_best_by"] == "ssim"
    np.testing.assert_array_equal(examples["best_of"], [int(row["best_sample"]) for row in rows])
    for clip, row in enumerate(rows):
        frames = examples["best"][clip, 3:] / np.float32(255)
        score = ssim(clips[clip, 3:] / np.float32(255), frames).numpy().mean()
        np.testing.assert_allclose(score, float(row["best"]), atol=2e-3)  # bytes are rounded
    model = model_of(config)
    posterior = np.round(255 * rollout.reconstruct(model, clips).numpy())
    assert np.abs(examples["posterior"][:, 1:] - posterior).max() <= 1


class _FakeLpips:
    definition = "a stand-in for LPIPS"

    def __call__(self, truth, predictions):
        assert truth.shape == predictions.shape[1:] and predictions.dtype == np.float32
        return np.abs(truth - predictions).mean(axis=(-3, -2, -1))


class _FakeFvd:
    definition = "a stand-in for FVD"

    def __init__(self):
        self.videos = []

    def __call__(self, videos):
        self.videos.append(videos)
        return videos.reshape(len(videos), -1)[:, ::1000].astype(np.float64)


def test_lpips_and_fvd_are_computed_where_their_networks_are_given(config, monkeypatch):
    fvd = _FakeFvd()
    networks = evaluate_module._Networks(_FakeLpips(), fvd)
    monkeypatch.setattr(evaluate_module, "_load_networks", lambda options: networks)
    found = run_evaluation(config, "networks", n_clips=4)
    table = by_name(found)
    assert [metric["name"] for metric in found["metrics"]][-2:] == ["lpips", "fvd"] and not found["not_computed"]
    assert found["metrics"][-2]["definition"] == "a stand-in for LPIPS"
    clips = next(iter(make_dataset(config, "test").unbatch().batch(4))).numpy() / np.float32(255)
    np.testing.assert_allclose(table["black"]["metrics"]["lpips"]["mean"], clips[:, 3:].mean(), rtol=1e-5)
    best, worst = (table[f"{which} of 4"]["metrics"]["lpips"]["mean"] for which in ("best", "worst"))
    assert best < worst
    with_fvd = {name for name, row in table.items() if "fvd" in row["metrics"]}
    assert with_fvd == {"one sample", "black", "copy last", "training mean", "simulator, one sample"}
    assert all(video.shape[1] == 9 for video in fvd.videos)  # context included
    truth, black = clips.reshape(4, -1)[:, ::1000], (clips * (np.arange(9) < 3)[:, None, None, None]).reshape(4, -1)
    black = black[:, ::1000].astype(np.float64)
    expected = np.square(truth.mean(0) - black.mean(0)).sum()
    assert table["black"]["metrics"]["fvd"]["mean"] >= expected * (1 - 1e-6)
    assert "fvd" not in found["curves"] and "fvd" not in found["by_samples"]
    assert "mean" in table["black"]["metrics"]["fvd"] and "low" not in table["black"]["metrics"]["fvd"]
    assert "one sample of each" in found["metrics"][-1]["definition"]
    # One clip has no distribution.
    assert [metric["name"] for metric in run_evaluation(config, "networks", n_clips=1)["not_computed"]] == ["fvd"]


def test_without_training_data_there_is_no_training_mean_and_it_is_said(config, monkeypatch):
    def missing(config):
        raise DataError("the train split has no videos")

    monkeypatch.setattr(predictors, "training_mean", missing)
    found = run_evaluation(config, "no_mean", n_clips=1)
    assert [row["name"] for row in found["table"] if row["kind"] == "trivial"] == ["black", "copy last"]
    assert "There is no training mean: the train split has no videos." in found["notes"]
