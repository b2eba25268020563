"""The commands as a user types them: `svg-tf`, `python -m svg_tf` and the scripts."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import svg_tf
from svg_tf.config import Config

ROOT = Path(__file__).resolve().parents[1]
TINY = [
    "--digits=embedded", "--num_digits=1", "--digit_size=16", "--image_width=32", "--base_width=2", "--g_dim=4",
    "--rnn_size=4", "--n_past=2", "--n_future=3", "--n_eval=7", "--batch_size=2", "--epochs=1", "--steps_per_epoch=2",
    "--validation_steps=1", "--n_samples=1",
]  # fmt: skip
FUTURES = """
import numpy as np, svg_tf
model = svg_tf.SVG.from_preset("moving_digits")
np.save("futures.npy", model.generate(np.load("context.npy"), n_future=4, n_samples=3, seed=1))
model.save("preset.keras")
"""
QUIET = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


def run(*words, cwd=ROOT, **environment):
    """Run svg-tf with these words or, if the first is a script, Python."""
    program = [str(ROOT / words[0])] if words[0].endswith(".py") else ["-m", "svg_tf", words[0]]
    environment = {**QUIET, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, *program, *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)


def is_one_line(done, message):
    return done.returncode == 1 and done.stderr.count("\n") == 1 and f"error: {message}" in done.stderr


def test_training_and_generating_from_another_folder(tmp_path):
    trained = run("bin/train.py", *TINY, "--run_dir=~/a run ü", cwd=tmp_path, HOME=str(tmp_path))
    assert trained.returncode == 0, trained.stderr
    assert trained.stderr.startswith("training "), trained.stderr  # not TensorFlow's messages
    assert not (tmp_path / "~").exists() and (tmp_path / "a run ü" / "config.json").exists()
    flags = ["--run_dir=a run ü", "--n_clips=4", "--n_shown=2", "--n_samples=3"]
    generated = run("generate", *flags, cwd=tmp_path)
    assert generated.returncode == 0, generated.stderr
    assert not re.search(r"cuInit|oneDNN|InitializeLog|cudart", trained.stderr + generated.stderr)
    for name in ("best of 3", "copy last", "futures.gif"):
        assert name in generated.stdout
    assert (tmp_path / "a run ü" / "samples" / "futures" / "futures.gif").exists()


@pytest.mark.slow
def test_a_dry_run_describes_the_published_recipe_without_its_data(tmp_path):
    done = run("train", "--flagfile=bair.flags", "--dry_run", f"--run_dir={tmp_path}/x", "--batch_size=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "22,827,651" in done.stdout and '"z_dim": 64' in done.stdout and "MiB" in done.stdout
    assert "no data: " in done.stdout and not (tmp_path / "x").exists()


@pytest.mark.parametrize("recipe", ["smmnist", "kth", "bair", "demo", "moving_digits", "moving_digits_conv"])
def test_recipes(recipe):
    text = (ROOT / "svg_tf" / "recipes" / f"{recipe}.flags").read_text()
    assert text.startswith("# ") and f"--run_dir=runs/{recipe}" in text
    assert (ROOT / f"{recipe}.flags").read_text() == text


def test_recipes_are_found_by_name_from_any_folder(tmp_path):
    for flags in (["--flagfile=bair.flags"], ["--flagfile", "bair.flags"]):
        done = run("train", *flags, "--n_past=90", cwd=tmp_path)
        assert is_one_line(done, "") and "n_past" in done.stderr
    (tmp_path / "bair.flags").write_text("--n_future=-3")  # the user's own file comes first
    assert "n_future" in run("train", "--flagfile=bair.flags", cwd=tmp_path).stderr


def test_help_shows_the_commands_own_flags():
    done = run("train", "--help")
    assert "svg-tf train" in done.stdout and not done.stderr
    assert "--run_dir" in done.stdout and "\n  --flagfile" not in done.stdout
    assert run("bin/train.py", "--help").stdout.count("\n  --") == done.stdout.count("\n  --") > 40
    assert "usage: svg-tf COMMAND" in run("--help").stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trian", "'trian' is not a command; the commands are train, generate,"),
        ("train --batch_size=many", "flag --batch_size=many: "),
        ("train --image_width=100", "image_width is 100; it must be a power of two"),
        ("train smmnist.flags", "'smmnist.flags' is not a flag"),
        ("train --epoch=3", "Unknown command line flag 'epoch'. Did you mean: epochs ?; svg-tf train --help lists"),
        ("generate --run_dir=x --preset=moving_digits", "give either --run_dir=FOLDER or --preset=NAME"),
        ("generate --preset=nothing", "'nothing' is neither a preset nor a run folder"),
        ("generate --run_dir=/nowhere", "/nowhere is not a run"),
        ("generate --run_dir=. --out=config.json", "--out is config.json, which is not a folder"),
    ],
)
def test_a_wrong_line_is_one_line(line, message, tmp_path):
    Config().save(str(tmp_path))
    done = run(*line.split(), cwd=tmp_path)
    assert is_one_line(done, message), done.stderr


@pytest.mark.slow
def test_a_session_with_only_the_wheel(tmp_path):
    """Build the wheel and run the commands in a fresh environment outside the checkout."""
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "runs", "*.egg-info", "build", "tests"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", f"--wheel-dir={tmp_path}", str(source)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python, (wheel,) = str(tmp_path / "venv" / "bin" / "python"), tmp_path.glob("svg_tf-*.whl")
    installed = subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"the requirements cannot be installed: {installed.stderr.splitlines()[-1]}")
    shutil.rmtree(source)
    work = tmp_path / "work"
    work.mkdir()
    for line in (
        f"train {' '.join(TINY)} --run_dir=run",
        "generate --run_dir=run --n_clips=2 --n_samples=2",
        "evaluate --run_dir=run --n_clips=2 --n_samples=2",
        "export-saved-model --run_dir=run",
        "generate --preset=moving_digits --n_clips=2 --n_samples=2",
        "train --flagfile=demo.flags --epochs=1 --steps_per_epoch=2 --base_width=2 --jit_compile=false",
    ):
        command = [str(tmp_path / "venv" / "bin" / "svg-tf"), *line.split()]
        done = subprocess.run(command, capture_output=True, text=True, cwd=work, env=QUIET, timeout=600)
        assert done.returncode == 0, f"{line}: {done.stderr}"
    for path in ("evaluation/report.html", "samples/futures/futures.gif", "export/1/saved_model.pb"):
        assert (work / "run" / path).exists()
    context = np.random.default_rng(0).integers(0, 256, [2, 5, 32, 32, 1], np.uint8)
    np.save(work / "context.npy", context)
    subprocess.run([python, "-c", FUTURES], check=True, cwd=work, env=QUIET, timeout=600)
    expected = svg_tf.SVG.from_preset("moving_digits").generate(context, n_future=4, n_samples=3, seed=1)
    np.testing.assert_array_equal(np.load(work / "futures.npy"), expected)
    model = keras.models.load_model(work / "preset.keras")
    np.testing.assert_array_equal(model.generate(context, n_future=4, n_samples=3, seed=1), expected)
