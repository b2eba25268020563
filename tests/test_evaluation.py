"""Tests of svg_tf/evaluation as a whole: evaluate.py and results.py."""

import os

import numpy as np
import pytest
from evaluated_run import by_name, csv_rows, kept_models, make_run, run_evaluation, tables

from svg_tf.config import ConfigError
from svg_tf.evaluation.scoring import Scorer
from svg_tf.training import checkpoints


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


def test_the_same_seed_gives_the_same_files_to_the_last_bit_and_another_seed_others(config, found):
    run_evaluation(config, "again")
    assert tables(config) == tables(config, "again")
    other, mine = by_name(run_evaluation(config, "seed", seed=1)), by_name(found)
    assert all(other[name] != mine[name] for name in ("best of 4", "simulator, mean sample"))
    assert other["black"] == mine["black"]


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_an_interrupted_evaluation_goes_on_at_its_clip_and_ends_with_the_same_bits(config, found, monkeypatch, stop):
    folder = f"interrupted_{stop}"
    scored, score = [], Scorer.__call__

    def interrupted(self, number):
        if number == stop and not interrupted.done:
            interrupted.done = True
            raise KeyboardInterrupt
        scored.append(number)
        return score(self, number)

    interrupted.done = False
    monkeypatch.setattr(Scorer, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_evaluation(config, folder)
    run_evaluation(config, folder)
    assert scored == [0, 1, 2]
    assert tables(config) == tables(config, folder)


def test_more_clips_go_on_from_fewer_and_fewer_take_the_first(config, found, monkeypatch):
    few = run_evaluation(config, "grown", n_clips=2)
    assert run_evaluation(config, "grown")["table"] == found["table"]
    monkeypatch.setattr(Scorer, "__call__", lambda self, number: pytest.fail("a clip was scored again"))
    assert run_evaluation(config, "grown", n_clips=2)["table"] == few["table"]
    assert run_evaluation(config, "grown", select="ssim")["n_clips"] == 3


@pytest.mark.parametrize("options", [{"seed": 1}, {"n_samples": 5}, {"checkpoint": "13"}, {"protocol": "srvp"}])
def test_what_was_scored_under_other_settings_is_not_mixed_in(config, found, monkeypatch, options):
    arrays = checkpoints.read(checkpoints.path_of(config.run_dir, 12))
    name = next(iter(arrays))
    arrays[name] = 2 * arrays[name]
    checkpoints.save(checkpoints.path_of(config.run_dir, 13), arrays)
    scored, score = [], Scorer.__call__
    monkeypatch.setattr(Scorer, "__call__", lambda self, number: scored.append(number) or score(self, number))
    folder = f"settings_{next(iter(options))}"
    run_evaluation(config, folder, **{"checkpoint": "12", "n_clips": 1})
    run_evaluation(config, folder, **{"checkpoint": "12", "n_clips": 1, **options})
    os.remove(checkpoints.path_of(config.run_dir, 13))
    assert scored == [0, 0]
    assert len(os.listdir(os.path.join(config.run_dir, folder, "scores"))) == 2


def test_a_model_without_a_latent_draws_one_sample_and_says_so(tmp_path):
    found = run_evaluation(make_run(tmp_path, prior="none"))
    assert found["n_samples"] == 1 and "all samples of a clip are equal" in found["notes"][0]
    table = by_name(found)
    assert table["best of 1"]["metrics"] == table["worst of 1"]["metrics"] == table["mean of 1"]["metrics"]
    assert "simulator, best of 4" in table
    assert found["by_samples"]["psnr"]["n"] == [1]


def test_csv_files_hold_the_numbers_of_metrics_json(config, found):
    frames = csv_rows(config, "per_frame.csv")
    for metric, curve in found["curves"].items():
        assert curve["frames"] == [3, 4, 5, 6, 7, 8]
        assert [line["name"] for line in curve["lines"]] == [row["name"] for row in found["table"]]
        for line in curve["lines"]:
            rows = [row for row in frames if (row["predictor"], row["metric"]) == (line["name"], metric)]
            for key in ("mean", "low", "high"):
                assert [float(row[key]) for row in rows] == line[key]
    clips = csv_rows(config, "per_clip.csv")
    for name in ("best", "mean", "worst"):
        values = [float(row[name]) for row in clips if row["metric"] == "psnr"]
        assert len(values) == 3
        assert np.mean(values) == pytest.approx(by_name(found)[f"{name} of 4"]["metrics"]["psnr"]["mean"], rel=1e-12)


def test_one_metric_chooses_for_all(config):
    found = run_evaluation(config, "grown", select="ssim")
    for clip in range(3):
        chosen = {row["best_sample"] for row in csv_rows(config, "per_clip.csv", "grown") if row["clip"] == str(clip)}
        assert len(chosen) == 1
    assert found["select"] == found["examples_best_by"] == "ssim"
    assert found["chosen_by"].startswith("SSIM chooses the best sample of each clip for all metrics")


def test_every_row_and_metric_is_defined_and_nothing_is_computed_without_weights(found):
    assert set(found["predictors"]) == {row["name"] for row in found["table"]}
    assert [metric["name"] for metric in found["metrics"]] == ["psnr", "psnr_video", "ssim", "ssim_svg", "mse"]
    reasons = {metric["name"]: metric["reason"] for metric in found["not_computed"]}
    assert reasons == {"lpips": "no weights given (--lpips_weights)", "fvd": "no weights given (--fvd_weights)"}
    for row in found["table"]:
        assert set(row["metrics"]) == {"psnr", "psnr_video", "ssim", "ssim_svg", "mse"}
    assert found["step"] == 12 and found["checkpoint"] == "step_00000012.npz" and found["model"] == "SVG-LP"


def test_what_differs_from_the_protocol_is_said(config):
    found = run_evaluation(config, "protocol", protocol="svg", select="psnr")
    assert (found["n_past"], found["n_eval"]) == (5, 30)
    sentences = " ".join(found["protocol"]["deviations"])
    for text in ("test clips 3 are scored", "samples of a clip is 4", "psnr chooses", "n_past=3", "32 pixels wide"):
        assert text in sentences
    assert found["protocol"]["published"] == [] and found["protocol"]["name"] == "svg"


def test_statistics_are_estimated_anew_on_request(config, found):
    anew = run_evaluation(config, "recalibrated", recalibrate_bn=2)
    assert anew["recalibration"]["batches"] == 2 and found["recalibration"] is None
    assert by_name(anew)["best of 4"] != by_name(found)["best of 4"]
    assert by_name(anew)["black"] == by_name(found)["black"]
    assert run_evaluation(config, "recalibrated", recalibrate_bn=2)["table"] == anew["table"]
    assert len(os.listdir(os.path.join(config.run_dir, "recalibrated", "scores"))) == 1  # it went on, to the last bit


def test_a_metric_that_is_not_there_cannot_choose(config):
    with pytest.raises(ConfigError, match="select is lpips, which is not computed here"):
        run_evaluation(config, "none", select="lpips")
    assert not os.path.exists(os.path.join(config.run_dir, "none"))


def test_more_clips_than_there_are_is_all_of_them(config, monkeypatch):
    monkeypatch.setattr("svg_tf.evaluation.clips.TEST_CLIPS", 2)
    assert run_evaluation(config, "grown", n_clips=5)["n_clips"] == 2
