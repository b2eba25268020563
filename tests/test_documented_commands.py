"""The commands and the Python of the pages run, with small networks on small data."""

import os
import struct
import subprocess
import sys

import documents
import numpy as np
import original_files
import pytest
import video_files
from documents import PAGES, ROOT, name_of
from sklearn import datasets

from svg_tf.models.svg import SVG

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


# The documented paths; tests replace each by the same path below a temporary folder.
PLACES = ("/data/mnist", "/data/kth", "/data/bair", "/data/softmotion30_44k")


def _write_data(folder):
    """Write the folders of PLACES below `folder`, and the authors' two checkpoints into `folder`."""
    _write_mnist(folder / "data" / "mnist")
    for person in (1, 19, 21):
        video_files.write_kth(folder / "data" / "kth", f"person{person:02}_walking_d1", 50, [(1, 50)], seed=person)
    for name in ("bair", "softmotion30_44k"):
        for part, file, count in (("train", "traj_0_to_11.tfrecords", 12), ("test", "traj_0_to_255.tfrecords", 3)):
            videos = [video_files.frames(30, width=64, height=64, seed=number) for number in range(count)]
            examples = [video_files.bair_example(video) for video in videos]
            video_files.write_records(folder / "data" / name / part / file, examples)
    _write_checkpoints(folder)


def _write_mnist(folder):
    """Write as many images as MNIST has, of scikit-learn's digits."""
    folder.mkdir(parents=True)
    digits = np.kron(datasets.load_digits().images, np.ones((3, 3))) * 255 / 16  # [1797, 24, 24]
    digits = np.pad(digits, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    for name, count in (("train-images-idx3-ubyte", 60_000), ("t10k-images-idx3-ubyte", 10_000)):
        images = np.resize(digits, (count, 28, 28))
        (folder / name).write_bytes(struct.pack(">4i", 2051, *images.shape) + images.tobytes())


def _write_checkpoints(folder):
    """Write the two published files, with narrow networks."""
    sizes = {"image_size": 64, "g_dim": 8, "z_dim": 3, "rnn_size": 8, "base_width": 2, "n_past": 2}
    moving = {"dataset": "smmnist", "model": "dcgan", "channels": 1, "n_eval": 15}
    robot = {"dataset": "bair", "model": "vgg", "channels": 3, "n_eval": 12}
    for name, options in (("svglp_smmnist2.pth", moving), ("svglp_bair.pth", robot)):
        model = SVG(**sizes, backbone=options["model"], channels=options["channels"])
        written = {**original_files.OPTIONS, **options, "image_width": 64, "n_past": 2, "n_future": 4}
        original_files.write_file(folder / name, original_files.tensors_of(model), written)


def _runnable(command):
    """Return whether the command needs no server, network or other process."""
    blocked = {"--strategy=multi_worker", "--download", "--help"}
    others = ("svg_tf.cli.serve_client", "svg_tf.cli.export_playground")
    return command.module not in others and not blocked & set(command.arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a folder with data and with the runs that the pages mention."""
    made = tmp_path_factory.mktemp("project")
    _write_data(made)
    for recipe in ("demo", "smmnist"):
        flags = (f"--flagfile={recipe}.flags", "--data_dir=/data/mnist")
        run(made, documents.Command("svg_tf.cli.train", flags))
    return made


def run(folder, command):
    words = [*command.arguments, *SHORTER.get(command.module, "").split()]
    for place in PLACES:
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
