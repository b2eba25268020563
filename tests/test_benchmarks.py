"""The benchmarks compare forms that compute the same."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from documents import ROOT

from benchmarks import data, evaluate, generate, plain, train
from svg_tf.models.svg import SVG

SIZES = {"image_size": 32, "base_width": 2, "g_dim": 4, "z_dim": 2, "rnn_size": 4, "n_past": 3}


def _outputs(model, frames, noise, training=False):
    outputs = model(frames, noise=noise, training=training)
    return {name: tf.nest.flatten(tensor) for name, tensor in outputs._asdict().items() if tensor is not None}


def _assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, tensors in expected.items():
        for one, other in zip(found[name], tensors, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, [2, 6, 32, 32, 1], np.uint8)


@pytest.mark.parametrize(
    "kind", [{}, {"backbone": "vgg"}, {"prior": "none"}, {"skip_frame": "every"}, {"skip_frame": "original"}], ids=str
)
def test_plain_forms_compute_the_same(kind, frames, trained_statistics):
    noise = np.random.default_rng(0).standard_normal([5, 2, 2]).astype(np.float32)
    model = trained_statistics(SVG(**SIZES, **kind))
    expected = _outputs(model, frames, noise)
    other = plain.FrameByFrame.from_config(model.get_config())
    other.set_weights(model.get_weights())
    _assert_equal(_outputs(other, frames, noise), expected)
    _assert_equal(_outputs(plain.concatenate_skips(model), frames, noise), expected)


def test_keras_batch_normalization_is_ours_in_training_too(frames, trained_statistics):
    models = [trained_statistics(SVG(**SIZES)), plain.keras_batch_norm(trained_statistics(SVG(**SIZES)))]
    _assert_equal(*[_outputs(model, frames, None, training=True) for model in models])


def test_both_forms_of_a_metric_agree():
    truth = np.random.default_rng(0).random((2, 24, 24, 1), np.float32)
    predictions = evaluate.noisy(truth, 3)
    for name, tolerance in (("psnr", 1e-3), ("ssim_svg", 1e-5), ("ssim", 0.05)):  # skimage's ssim includes the border
        expected = evaluate.loop(name, truth, predictions)
        np.testing.assert_allclose(evaluate.METRICS[name](truth, predictions), expected, atol=tolerance)


@pytest.mark.slow
def test_the_variants_of_a_suite_are_measured(small, monkeypatch):
    monkeypatch.setattr(train, "VARIANTS", {name: train.VARIANTS[name] for name in (train.WHOLE, "all three")})
    monkeypatch.setattr(generate, "SAMPLES", 4)
    config = small(base_width=2)
    rows = train.measure(config, 0.05)["rows"]
    assert set(rows) == {*train.VARIANTS, "compiled by XLA"} and rows[train.WHOLE]["relative"] == 1
    assert all(row["frames/s"] == pytest.approx(2 * config.n_frames / row["step_seconds"]) for row in rows.values())
    rows = generate.measure(config, 0.05)["rows"]
    assert rows[generate.WHOLE]["relative"] == 1 and rows[generate.LOOP]["frames/s"] > 0
    assert set(evaluate.measure(config, 0.05)["rows"]) == set(evaluate.METRICS)
    results = data.measure(config, 0.05)
    rates = results["rows"]
    assert results["headroom"] == pytest.approx(rates["data"]["clips/s"] / rates["training"]["clips/s"])
    assert all(row["clips"] % 2 == 0 and row["clips/s"] > 0 for row in rates.values())


def _benchmark(*arguments):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_the_command_prints_a_table_and_writes_json(tmp_path):
    sizes = ["--digits=embedded", "--digit_size=16", "--image_width=32", "--base_width=2", "--g_dim=4", "--rnn_size=4"]
    done = _benchmark("data", *sizes, "--n_past=2", "--batch_size=2", "--seconds=0.1", f"--json={tmp_path}/r.json")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "r.json").read_text())
    assert results["suite"] == "data" and results["title"] in done.stdout and "clips/core-s" in done.stdout


def test_help_is_shown_and_a_missing_suite_is_one_line():
    shown = _benchmark("--help")
    assert "--seconds" in shown.stdout and "SUITE" in shown.stdout
    for arguments in ([], ["speed"], ["--batch_size=2"]):
        done = _benchmark(*arguments)
        assert done.returncode == 1 and done.stderr.startswith("error: name a suite: python -m benchmarks ")
