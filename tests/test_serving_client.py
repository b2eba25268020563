"""The commands `export-saved-model` and `serve-client`, as a user runs them."""

import os
import subprocess
import sys

import numpy as np
import pytest
from evaluated_run import make_run
from PIL import Image
from served_model import exported


def run(*arguments):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    line = [sys.executable, "-m", "svg_tf", *arguments]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=300)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def addresses():
    pytest.importorskip("tensorflow_serving", reason="not run: needs the package tensorflow-serving-api")
    import loopback

    with loopback.serve(exported().folder) as found:
        yield found


@pytest.mark.slow
def test_a_run_is_exported_and_a_test_clip_continued_over_grpc(addresses, tmp_path):
    config = make_run(tmp_path / "a run ü")
    done = run("export-saved-model", f"--run_dir={config.run_dir}", "--checkpoint=latest", "--max_samples=7")
    assert done.returncode == 0, done.stderr
    assert "export/1: 4 futures of 6 frames" in done.stdout and "at most 7 futures and 65536 frames" in done.stdout
    assert "deprecated" not in done.stderr
    out, server = tmp_path / "futures.gif", f"--server={addresses[0]}"
    done = run("serve-client", f"--run_dir={config.run_dir}", "--protocol=grpc", server, f"--out={out}")
    assert done.returncode == 0, done.stderr
    with Image.open(out) as image:
        assert image.n_frames == 3 + 4


def test_a_video_is_continued_over_rest(addresses, tmp_path):
    np.save(tmp_path / "video.npy", np.random.default_rng(0).integers(0, 256, [9, 40, 50], np.uint8))
    out = tmp_path / "futures.gif"
    video, server = f"--video={tmp_path}/video.npy", f"--server={addresses[1]}"
    done = run("serve-client", video, server, f"--out={out}", "--n_samples=3", "--horizon=5")
    assert done.returncode == 0, done.stderr
    assert "3 futures of 5 frames" in done.stdout
    with Image.open(out) as image:
        assert image.n_frames == 3 + 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve-client", "--signature=future", "--horizon=3"], "leave --horizon out"),
        (["serve-client", "--video=x.mp4", "--server=127.0.0.1:9"], "no server answers at 127.0.0.1:9"),
        (["serve-client", "--out=/tmp"], "--out is /tmp, which is a folder"),
        (["export-saved-model", "--run_dir=nowhere", "--out=gs://bucket/svg"], "gs://bucket/svg is not a local folder"),
    ],
)
def test_a_command_that_cannot_work_prints_a_sentence(arguments, message):
    done = run(*arguments)
    assert done.returncode == 1 and message in done.stderr


def test_a_video_that_is_too_short(addresses, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros([2, 32, 32], np.uint8))
    done = run("serve-client", f"--video={tmp_path}/a.npy", f"--server={addresses[1]}")
    assert "a.npy has 2 frames; the model needs 3" in done.stderr
