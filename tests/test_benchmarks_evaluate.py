"""Tests of svg_tf/benchmarks/evaluate.py."""

import numpy as np
import pytest

from benchmarks import evaluate
from svg_tf.evaluation.measures import PLAIN


def test_rates_are_clips_a_second_beside_the_loop(small, monkeypatch):
    monkeypatch.setattr(evaluate, "_PREDICTIONS", 3)
    monkeypatch.setattr(evaluate, "_SAMPLES", 2)
    results = evaluate.measure(small(), 0.05)
    assert results["frames"] == 6 and results["predictions"] == 3 and results["records"]["samples"] == 2
    assert results["records"]["clips_per_second"] > 0
    for forms in results["metrics"].values():
        whole, loop = forms[evaluate.WHOLE], forms[evaluate.LOOP]
        assert loop["speedup"] == 1
        assert whole["speedup"] == pytest.approx(whole["clips_per_second"] / loop["clips_per_second"])


def test_both_forms_compute_the_same(small):
    rng = np.random.default_rng(0)
    truth = rng.random((2, 24, 24, 1), np.float32)
    predictions = evaluate._predictions(truth)[:3]
    loops = {name: evaluate._loop(loop, truth, predictions) for name, loop in evaluate._loops().items()}
    errors = PLAIN["mse"](truth, predictions)
    np.testing.assert_allclose(-10 * np.log10(errors), loops["psnr"], rtol=1e-5)
    np.testing.assert_allclose(PLAIN["ssim_svg"](truth, predictions), loops["ssim_svg"], atol=1e-5)
    # scikit-image takes the border in, which the definition leaves out: alike, not equal.
    np.testing.assert_allclose(PLAIN["ssim"](truth, predictions), loops["ssim"], atol=0.05)
