"""Tests of svg_tf/evaluation/protocols.py."""

import pytest

from svg_tf.config import Config, ConfigError
from svg_tf.evaluation.protocols import resolve

SMMNIST = Config(run_dir="run")
KTH = Config(run_dir="run", dataset="kth", backbone="vgg", n_past=10, n_eval=40, kth_clips="whole")
BAIR = Config(run_dir="run", dataset="bair", channels=3, backbone="vgg", n_past=2, n_eval=30)
RUNS = {"smmnist": SMMNIST, "kth": KTH, "bair": BAIR}


def _sentences(setting):
    return " ".join(setting.deviations)


@pytest.mark.parametrize(
    ("protocol", "dataset", "n_past", "predicted", "n_clips"),
    [
        ("svg", "smmnist", 5, 25, 1_000),
        ("svg", "kth", 10, 30, 1_000),
        ("svg", "bair", 2, 28, 256),
        ("srvp", "smmnist", 5, 20, 5_000),
        ("srvp", "kth", 10, 30, 1_000),
        ("srvp", "bair", 2, 28, 256),
    ],
)
def test_lengths_and_clips_are_the_protocols(protocol, dataset, n_past, predicted, n_clips):
    other = {"n_past": 3, "n_future": 4, "n_eval": 9} if dataset != "bair" else {"n_past": 3, "n_future": 27}
    for config in (RUNS[dataset], RUNS[dataset].replace(**other)):
        setting = resolve(protocol, config)
        assert (setting.config.n_past, setting.config.n_eval - setting.config.n_past) == (n_past, predicted)
        assert setting.n_clips == n_clips
        assert f"{n_past} context frames, {predicted} predicted" in setting.description
    assert "trained with n_past=3 and is tested with" in _sentences(setting)
    assert "held out for validation" in _sentences(setting)


def test_published_numbers_are_for_runs_with_the_protocols_frames():
    for config in RUNS.values():
        rows = resolve("srvp", config).published
        assert [row["name"] for row in rows] == ["SVG, best of 100", "SRVP, best of 100"]
        assert all("Franceschi" in row["source"] and rows[1]["psnr"] > rows[0]["psnr"] for row in rows)
        run = resolve("run", config)
        assert run.config == config and run.n_clips is None
        assert not run.published and not run.deviations and not run.reflected
    assert resolve("srvp", SMMNIST).published[0]["psnr"] == 14.50 and resolve("svg", KTH).published[0]["fvd"] == 377
    assert [resolve(name, KTH).config.kth_clips for name in ("svg", "srvp")] == ["trimmed", "whole"]
    curves = resolve("svg", SMMNIST)
    assert curves.published == [] and "curves instead of a table" in _sentences(curves)


def test_srvps_digits_have_28_pixels_and_are_reflected():
    setting = resolve("srvp", SMMNIST.replace(num_digits=1, max_speed=2, motion="deterministic"))
    config = setting.config
    assert setting.reflected and config.digit_size == 28
    assert (config.num_digits, config.max_speed, config.motion) == (2, 4, "stochastic")
    for text in ("num_digits=1", "max_speed=2", "motion=deterministic", "digit_size=32", "exact reflections"):
        assert text in _sentences(setting)
    assert not resolve("svg", SMMNIST).reflected


@pytest.mark.parametrize("protocol", ["svg", "srvp"])
@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (SMMNIST.replace(digits="embedded"), "digits are embedded"),
        (SMMNIST.replace(image_width=32, digit_size=16), "32 pixels wide"),
        (KTH.replace(image_width=128), "128 pixels wide"),
        (KTH.replace(kth_split="trial"), "kth_split=trial"),
    ],
)
def test_other_frames_are_tested_as_they_are_without_published_numbers(protocol, config, reason):
    setting = resolve(protocol, config)
    assert setting.published == [] and not setting.reflected
    assert reason in _sentences(setting) and "no published number is comparable" in _sentences(setting)
    lengths = {"n_past": setting.config.n_past, "n_eval": setting.config.n_eval, "n_future": setting.config.n_future}
    assert setting.config == config.replace(**lengths)


def test_a_data_set_without_a_protocol_is_refused():
    config = Config(run_dir="run", dataset="videos", data_dir="videos")
    with pytest.raises(ConfigError, match="--protocol=srvp has no test for dataset=videos. Use --protocol=run"):
        resolve("srvp", config)
    assert resolve("run", config).config == config
