"""Tests of bin/prepare_data.py."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import video_files

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments):
    command = [sys.executable, str(ROOT / "bin" / "prepare_data.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_data_set_is_prepared_described_and_shown_and_what_is_missing_fails(tmp_path):
    video_files.write_kth(tmp_path / "kth", "person01_walking_d1", 45, [(1, 45)])
    video_files.write_kth(tmp_path / "kth", "person20_boxing_d1", 45, [(1, 45)])
    done = run("--flagfile=kth.flags", f"--data_dir={tmp_path / 'kth'}", f"--out={tmp_path / 'out'}")
    assert done.returncode == 1
    assert "train      1 videos of 45 to 45 frames" in done.stdout
    assert "test       missing: data_dir" in done.stdout and "https://www.csc.kth.se/cvap/actions/" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"kth_train.png", "kth_validation.png"}
    assert "Traceback" not in done.stderr


def test_own_videos_that_failed_are_tried_again(tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.zeros((60, 32, 32), np.uint8))
    (tmp_path / "svg_tf_cache" / "32x32x1_crop").mkdir(parents=True)
    (tmp_path / "broken.mp4").write_bytes(b"text")
    arguments = ["--dataset=videos", "--image_width=32", "--n_past=2", "--n_future=3", "--n_eval=8"]
    done = run(*arguments, f"--data_dir={tmp_path}", f"--out={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert "train      3 videos of 42 to 42 frames" in done.stdout
    assert "broken.mp4: cannot be read" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--flagfile=kth.flags"], "error: data_dir is empty: set --data_dir to a folder of the original videos"),
        (["--flagfile=bair.flags", "--channels=1"], "error: channels is 1 and image_width 64, but bair has"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, message):
    done = run(*arguments)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.strip().splitlines()[-1].startswith(message)
    assert "Traceback" not in done.stderr
