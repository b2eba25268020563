import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from svg_tf.config import Config

ROOT = Path(__file__).resolve().parents[1]
TINY = [
    "--digits=embedded", "--num_digits=1", "--digit_size=16", "--image_width=32", "--base_width=2", "--g_dim=4",
    "--rnn_size=4", "--n_past=2", "--n_future=3", "--n_eval=7", "--batch_size=2", "--epochs=1", "--steps_per_epoch=2",
    "--validation_steps=1", "--n_samples=1",
]  # fmt: skip


def run(script, *arguments, cwd=ROOT):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(ROOT / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)


def test_training_and_generating_from_another_folder(tmp_path):
    run_dir = str(tmp_path / "a run ü")
    trained = run("bin/train.py", *TINY, f"--run_dir={run_dir}", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "training" in trained.stderr and "2/2" in trained.stderr
    generated = run(
        "bin/generate.py", f"--run_dir={run_dir}", "--n_clips=12", "--n_shown=2", "--n_samples=3", cwd=tmp_path
    )
    assert generated.returncode == 0, generated.stderr
    for name in ("best of 3", "mean sample", "copy last", "black"):
        assert name in generated.stdout
    made = sorted(os.listdir(os.path.join(run_dir, "samples", "futures")))
    assert made == ["futures.gif", "futures_0.png", "futures_1.png"]


def test_a_dry_run_describes_the_published_recipe_without_its_data(tmp_path):
    result = run("bin/train.py", "--flagfile=bair.flags", "--dry_run", f"--run_dir={tmp_path}/x", "--batch_size=2")
    assert result.returncode == 0, result.stderr
    assert "22,827,651" in result.stdout and '"z_dim": 64' in result.stdout and "MiB" in result.stdout
    assert "no data: " in result.stdout
    assert not os.path.exists(tmp_path / "x")


@pytest.mark.parametrize("recipe", ["smmnist", "kth", "bair", "demo"])
def test_flag_files_say_what_they_need(recipe):
    text = (ROOT / f"{recipe}.flags").read_text()
    assert text.startswith("# ") and f"--run_dir=runs/{recipe}" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch_sise=3"], "batch_sise"),
        (["--batch_size=many"], "batch_size"),
        (["--prior=lerned"], "learned|fixed|none"),
        (["--n_past=40"], "error: n_eval is 30, but must be more than n_past, which is 40"),
        (["--image_width=100"], "error: image_width is 100"),
        (["smmnist.flags"], "error: 'smmnist.flags' is not a flag"),
        (["--flagfile=nowhere.flags"], "nowhere.flags"),
    ],
)
def test_a_wrong_flag_stops_at_once_in_words(arguments, message):
    result = run("bin/train.py", *arguments)
    assert result.returncode != 0
    assert message in result.stderr and "Traceback" not in result.stderr


def test_help_shows_every_field_of_the_configuration():
    shown = run("bin/train.py", "--help").stdout
    for field in dataclasses.fields(Config):
        assert f"--{field.name}:" in shown or f"--[no]{field.name}:" in shown


@pytest.mark.slow
def test_a_later_flag_wins_over_the_flag_file():
    result = run("bin/train.py", "--flagfile=demo.flags", "--z_dim=5", "--dry_run", "--batch_size=2")
    assert '"z_dim": 5' in result.stdout and '"image_width": 32' in result.stdout


def test_generating_from_what_is_no_run_is_told(tmp_path):
    result = run("bin/generate.py", f"--run_dir={tmp_path}")
    assert result.returncode == 1 and "is not a run: it has no config.json" in result.stderr
    assert "Traceback" not in result.stderr
