"""Tests of bin/evaluate.py."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import SMALL

from svg_tf.config import Config
from svg_tf.evaluation.evaluate import Options, evaluate
from svg_tf.models.svg import SVG
from svg_tf.training import checkpoints

ROOT = Path(__file__).resolve().parents[1]
N_CLIPS = 12


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    config = Config(**{**SMALL, "run_dir": str(tmp_path_factory.mktemp("a run ü"))})
    config.save(config.run_dir)
    variables = checkpoints.named_variables(SVG(config), training_state=False)
    arrays = {name: variable.numpy() for name, variable in variables.items()}
    checkpoints.save(checkpoints.path_of(config.run_dir, 3), arrays)
    return config.run_dir


def _start(*arguments):
    command = [sys.executable, str(ROOT / "bin" / "evaluate.py"), *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def _finish(*arguments):
    process = _start(*arguments)
    out, error = process.communicate(timeout=600)
    return process.returncode, out, error


def _scored(folder):
    """Bytes of the records that are on the disk."""
    files = list(Path(folder, "scores").glob("*.scores"))
    return files[0].stat().st_size if files else 0


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_and_ends_as_one_that_was_not(run_dir):
    folder = Path(run_dir, "evaluation")
    arguments = (f"--run_dir={run_dir}", f"--n_clips={N_CLIPS}", "--n_samples=3")
    killed = _start(*arguments)
    deadline, first = time.monotonic() + 300, 0
    while time.monotonic() < deadline and killed.poll() is None:
        size = _scored(folder)
        first = first or size
        if size > first:  # one record at least
            break
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (folder / "metrics.json").exists(), "it was over before it was killed"

    status, out, error = _finish(*arguments)
    assert status == 0, error
    assert f" 0/{N_CLIPS} " not in error and f" {N_CLIPS}/{N_CLIPS} " in error  # the bar begins where it stopped
    for text in ("best of 3", "worst of 3", "copy last", "simulator, best of 3", "LPIPS: not computed", "report.html"):
        assert text in out
    found = json.loads((folder / "metrics.json").read_text())
    for row in found["table"]:
        assert f"{row['metrics']['psnr']['mean']:.4f}" in out
    assert found["command"].startswith("python bin/evaluate.py ")
    assert (folder / "report.html").exists()

    whole = evaluate(
        Config.load(run_dir), Options(n_clips=N_CLIPS, n_samples=3, command=found["command"]), f"{run_dir}/whole"
    )
    assert {**whole, "date": ""} == {**found, "date": ""}
    for name in ("per_clip.csv", "per_frame.csv"):
        assert (folder / name).read_bytes() == Path(run_dir, "whole", name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run_dir=nowhere"], "error: nowhere is not a run"),
        (["--run_dir={run}", "--protocol=finn"], "run|svg|srvp"),
        (["--run_dir={run}", "--select=fvd"], "each|psnr|psnr_video|ssim|ssim_svg|mse|lpips"),
        (["--run_dir={run}", "--select=lpips"], "error: select is lpips, which needs --lpips_weights"),
        (["--run_dir={run}", "--n_samples=0"], "n_samples"),
        (["--run_dir={run}", "--n_clips=-1"], "n_clips"),
        (["--run_dir={run}", "--out={run}/config.json"], "config.json is not a folder"),
        (["--run_dir={run}", "--recalibrate_over=both"], "has no effect without --recalibrate_bn"),
    ],
)
def test_a_wrong_flag_is_one_sentence_before_tensorflow_is_loaded(run_dir, arguments, message, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('TensorFlow was loaded')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, str(ROOT / "bin" / "evaluate.py"), *(part.format(run=run_dir) for part in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode != 0 and message in done.stderr
    assert "Traceback" not in done.stderr and "TensorFlow was loaded" not in done.stderr


def test_a_data_set_without_a_protocol_is_one_sentence(tmp_path):
    config = Config(run_dir=str(tmp_path), dataset="videos", data_dir="videos")
    config.save(str(tmp_path))
    status, _, error = _finish(f"--run_dir={tmp_path}", "--protocol=svg")
    assert status == 1 and error.startswith("error: protocol svg is not known for dataset=videos")
