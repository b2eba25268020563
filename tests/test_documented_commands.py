"""The commands and the Python of the pages run, with small networks on small data."""

import os
import subprocess
import sys

import documented_data
import documents
import pytest
from documents import PAGES, ROOT, name_of

pytestmark = pytest.mark.slow

TINY = (
    "--base_width=2 --g_dim=4 --z_dim=2 --rnn_size=4 --batch_size=2 --epochs=1 --steps_per_epoch=2 "
    "--validation_steps=1 --n_samples=1 --gradient_accumulation_steps=1 --jit_compile=false"
)
# Flags appended to the documented ones; the last one wins.
SHORTER = {
    "svg_tf.cli.train": TINY,
    "svg_tf.cli.prepare_data": TINY,
    "benchmarks.__main__": f"{TINY} --seconds=0.1",
    "svg_tf.cli.generate": "--n_clips=2 --n_samples=2",
    "svg_tf.cli.evaluate": "--n_clips=2 --n_samples=2",
    "svg_tf.cli.uncertainty": "--n_sequences=4 --n_digit_sets=2 --n_samples=2 --n_frames=20",
    "svg_tf.cli.export_tflite": "--variant=dynamic_int8 --n_clips=2 --tolerance_db=100",
}


def _runnable(command):
    """Return whether the command needs no server, network or other process."""
    blocked = {"--strategy=multi_worker", "--download", "--help"}
    others = ("svg_tf.cli.serve_client", "svg_tf.cli.export_playground")
    return command.module not in others and not blocked & set(command.arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a folder with data and with the runs that the pages mention."""
    made = tmp_path_factory.mktemp("project")
    documented_data.write(made)
    for recipe in ("demo", "smmnist"):
        flags = (f"--flagfile={recipe}.flags", "--data_dir=/data/mnist")
        run(made, documents.Command("svg_tf.cli.train", flags))
    return made


def run(folder, command):
    words = [*command.arguments, *SHORTER.get(command.module, "").split()]
    for place in documented_data.PLACES:
        words = [word.replace(f"={place}", f"={folder}{place}") for word in words]
    name = command.module.rsplit(".", 1)[1].replace("_", "-")
    program = ["benchmarks"] if command.module == "benchmarks.__main__" else ["svg_tf", name]
    environment, line = {**os.environ, "PYTHONPATH": str(ROOT)}, [sys.executable, "-m", *program, *words]
    done = subprocess.run(line, capture_output=True, text=True, cwd=folder, env=environment, timeout=900)
    assert done.returncode == 0, f"{' '.join(line)}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", [page for page in PAGES if documents.commands(page)], ids=name_of)
def test_the_commands_of_a_page_run(page, folder):
    for command in documents.commands(page):
        if _runnable(command):
            run(folder, command)


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = [text for language, text in documents.blocks(ROOT / "README.md") if language == "python"]
    names = {}
    exec(code, names)
    batch = len(names["clips"])
    assert names["futures"].shape == (batch, 20, 10, 32, 32, 1)
    assert (tmp_path / "svg.keras").exists()
