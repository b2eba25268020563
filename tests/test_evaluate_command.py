"""Tests of svg-tf evaluate and svg-tf generate."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from evaluated_run import make_run, run_evaluation

from svg_tf.config import Config

ROOT = Path(__file__).resolve().parents[1]
N_CLIPS, N_SAMPLES = 33, 25  # three batches
SCORES = "scores/*/*.npz"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("a run ü")).run_dir


def _start(*arguments, path=ROOT):
    command = [sys.executable, "-m", "svg_tf", "evaluate", *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(path)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )


@pytest.mark.slow
def test_a_stopped_evaluation_resumes_and_compares_two_models(run_dir):
    folder = Path(run_dir, "evaluation")
    arguments = (f"--run_dir={run_dir}", "--checkpoint=latest", f"--n_clips={N_CLIPS}", f"--n_samples={N_SAMPLES}")
    for count, stop in ((1, signal.SIGINT), (2, signal.SIGKILL)):
        process, deadline = _start(*arguments), time.monotonic() + 300
        while time.monotonic() < deadline and process.poll() is None and len(list(folder.glob(SCORES))) < count:
            time.sleep(0.005)
        process.send_signal(stop)
        _, error = process.communicate()
        assert not (folder / "metrics.json").exists(), "it was over before it was stopped"
        if stop == signal.SIGINT:
            assert f"of 33 clips are scored and saved in {folder}; the same command resumes there" in error
    stored = {path: path.stat().st_mtime_ns for path in folder.glob(SCORES)}

    process = _start(*arguments, f"--compare={run_dir}")
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    assert stored and all(path.stat().st_mtime_ns == time for path, time in stored.items())
    names = ("best of 25", "copy last", "simulator, best of 25", "Digit kept", "LPIPS is not computed", "report.html")
    assert all(text in out for text in (*names, f"{run_dir}, best of 25"))
    found = json.loads((folder / "metrics.json").read_text())
    for row in found["table"]:
        assert f"{row['metrics']['psnr']['mean']:.4f}" in out
    assert found["command"].startswith("svg-tf evaluate ") and (folder / "report.html").exists()
    whole = run_evaluation(Config.load(run_dir), "whole", n_clips=N_CLIPS, n_samples=N_SAMPLES)
    rows = [row for row in found["table"] if row["kind"] != "compared"]
    assert rows == whole["table"] and found["by_samples"] == whole["by_samples"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run_dir={run}", "--select=mse"], "select"),
        (["--run_dir={run}", "--out={run}/config.json"], "config.json, which is not a folder"),
        (["--run_dir={run}", "--compare=nothing"], "'nothing' is neither a preset nor a run folder"),
    ],
)
def test_a_bad_flag_fails_before_tensorflow_is_imported(run_dir, arguments, message, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('TensorFlow was imported')")
    process = _start(*(part.format(run=run_dir) for part in arguments), path=f"{tmp_path}:{ROOT}")
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0 and message in error
    assert "Traceback" not in error and "TensorFlow was imported" not in error
