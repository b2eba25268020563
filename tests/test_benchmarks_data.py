"""Tests of svg_tf/benchmarks/data.py and bin/benchmark.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import data
from benchmarks.data import DataRates, Rate

ROOT = Path(__file__).resolve().parents[1]
TINY = ["--digits=embedded", "--digit_size=16", "--image_width=32", "--base_width=4", "--g_dim=8", "--rnn_size=8"]
TINY += ["--n_past=2", "--n_future=3", "--batch_size=2", "--seconds=0.1"]


def test_rates_are_clips_for_a_second_of_the_clock_and_of_a_core():
    rate = Rate(clips=60, wall_seconds=2.0, cpu_seconds=3.0)
    assert rate.per_wall_second == 30 and rate.per_cpu_second == 20


def test_headroom_and_cores_compare_data_with_training():
    rates = DataRates(Rate(1000, 1.0, 2.0), Rate(50, 1.0, 4.0))
    assert rates.headroom == 20  # 1000 a second against 50
    assert rates.cores == 0.1  # 50 a second of 500 a core


def test_a_measurement_counts_every_clip_of_both(small, monkeypatch):
    config = small(batch_size=3)
    rates = data.rates(config, 0.05)
    for rate in rates:
        assert rate.clips > 0 and rate.clips % 3 == 0
        assert rate.wall_seconds >= 0.05 and rate.cpu_seconds > 0


def test_the_command_prints_the_rates_and_writes_them(tmp_path):
    command = [sys.executable, str(ROOT / "bin" / "benchmark.py"), "data", *TINY, f"--json={tmp_path / 'rates.json'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "rates.json").read_text())
    assert results["benchmark"] == "data"
    for name in ("data", "training"):
        rate = results[name]
        assert rate["clips_per_wall_second"] == pytest.approx(rate["clips"] / rate["wall_seconds"])
    assert results["headroom"] == pytest.approx(
        results["data"]["clips_per_wall_second"] / results["training"]["clips_per_wall_second"]
    )
    assert "cores keep training fed" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["speed"], ["--batch_size=2"]])
def test_a_benchmark_that_is_not_named_is_one_sentence(arguments):
    command = [sys.executable, str(ROOT / "bin" / "benchmark.py"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: name a benchmark: python bin/benchmark.py ")
