"""The commands and the Python of the documentation run as they stand, on small data and with small networks."""

import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import documented_data
import documents
import pytest
from documents import PAGES, ROOT, name_of

pytestmark = pytest.mark.slow

# Flags that are put behind those of the documentation: the later one wins.
TINY = (
    "--base_width=2 --g_dim=4 --z_dim=2 --rnn_size=4 --batch_size=2 --epochs=1 --steps_per_epoch=2 "
    "--validation_steps=1 --n_samples=1 --accumulation=1 --jit_compile=false"
)
SHORTER = {
    "bin/train.py": TINY,
    "bin/prepare_data.py": TINY,
    "bin/benchmark.py": f"{TINY} --seconds=0.1 --steps_per_call=2 --expected_steps=1",
    "bin/generate.py": "--n_clips=2 --n_samples=2",
    "bin/evaluate.py": "--n_clips=2 --n_samples=2",
    "bin/uncertainty.py": "--n_sequences=4 --n_digit_sets=2 --n_samples=2 --n_frames=20",
    "export/tflite.py": "--variants=dynamic_int8 --n_clips=2 --calibration_clips=2 --tolerance_db=100",
    "export/load_test.py": "--clients=1,2 --requests=4",
    "program/run_program.py": "--seconds=0.1 --product_size=64",
}
# Programs that are not run, and why.
NOT_RUN = {
    "pip": "installs",
    "make": "its commands are those beside it, and the tests themselves",
    "docker": "needs the image of TensorFlow Serving",
    "tensorflow_model_server": "needs TensorFlow Serving's binary",
    "curl": "asks TensorFlow Serving",
    "export": "sets a variable for several processes, which tests/test_distribution.py starts",
    "srun": "needs a cluster",
    "sed": "a part of what starts a cluster",
    "paste": "a part of what starts a cluster",
}


def reason_not_to_run(command):
    """Why a command is not run, or nothing."""
    if command.words[0] in NOT_RUN:
        return NOT_RUN[command.words[0]]
    if command.words[:2] == ("python", "-m"):
        return "runs tests"
    if command.words[:2] == ("python", "-c"):
        return "makes what curl sends"
    if "--strategy=multi_worker" in command.words:
        return "waits for other processes, which tests/test_distribution.py starts"
    return ""


def runnable(page):
    """The commands of a page that are run, to the first for which JAX would be missing."""
    found = [command for command in documents.commands(page) if not reason_not_to_run(command)]
    if importlib.util.find_spec("jax") is None:
        found = list(itertools.takewhile(lambda command: "run_program.py" not in command.script, found))
    return found


PAGES_WITH_COMMANDS = [page for page in PAGES if runnable(page)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as that of the project, with data and without runs."""
    made = tmp_path_factory.mktemp("project")
    for name in ("bin", "export", "svg_tf", "docs", *(path.name for path in ROOT.glob("*.flags"))):
        (made / name).symlink_to(ROOT / name)
    documented_data.write(made)
    return made


@pytest.fixture(scope="module")
def demo(folder):
    """The run that the other pages go on from, with its export, in a folder of its own."""
    made = folder / "trained"
    for line in ("bin/train.py --flagfile=demo.flags", "export/saved_model.py", "export/tflite.py"):
        script, *flags = line.split()
        _run(folder, documents.Command((), ("python", script, *flags, f"--run_dir={made}")))
    return made


@pytest.fixture
def runs(folder):
    """The folder for runs, empty."""
    yield folder / "runs"
    for name in ("runs", "program"):
        shutil.rmtree(folder / name, ignore_errors=True)


@pytest.fixture
def servers(demo):
    """host:port of gRPC and of REST of a server of the demo's export."""
    pytest.importorskip("tensorflow_serving", reason="not run: needs the package tensorflow-serving-api")
    import cpp_runtime
    import loopback

    with loopback.serve(cpp_runtime.SavedModel(str(demo / "export" / "1"))) as addresses:
        yield addresses


def _here(folder, text):
    """The text with the documentation's places replaced by those below folder."""
    return re.sub(r"(?<![\w/])/data/", f"{folder}/data/", text).replace("$PWD", str(folder))


def _run(folder, command, *more):
    words = [_here(folder, word) for word in command.words[1:]]
    line = [sys.executable, *words, *SHORTER.get(command.script, "").split(), *more]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    told = subprocess.run(line, capture_output=True, text=True, cwd=folder, env=environment, timeout=600)
    assert told.returncode == 0, f"{' '.join(line)}\n{told.stdout}{told.stderr}"
    assert "Traceback" not in told.stderr, told.stderr


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=name_of)
def test_the_commands_of_a_page_run_one_after_the_other(page, folder, runs, request):
    commands = runnable(page)
    if not any("--run_dir=runs/demo" in command.words and "train.py" in command.script for command in commands):
        shutil.copytree(request.getfixturevalue("demo"), runs / "demo")
    if any(command.script == "export/saved_model.py" for command in commands):
        shutil.rmtree(runs / "demo" / "export", ignore_errors=True)
    for command in commands:
        more = []
        if command.script == "export/client.py":
            rest = "--protocol=rest" in command.words
            more = [f"--server={request.getfixturevalue('servers')[rest]}"]
        _run(folder, command, *more)


def _python(page):
    return [text for language, text in documents.blocks(page) if language == "python"]


def test_the_python_of_the_readme_runs_on_the_demo(folder, runs, demo, monkeypatch):
    shutil.copytree(demo, runs / "demo")
    monkeypatch.chdir(folder)
    (code,) = _python(ROOT / "README.md")
    names = {}
    exec(code, names)
    config = names["config"]
    assert names["samples"].shape == (8, config.batch_size, 10, 32, 32, 1)


def test_the_python_for_a_device_makes_frames(demo, monkeypatch):
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert, the interpreter, is not installed")
    import numpy as np

    from svg_tf.config import Config

    config, shown = Config.load(str(demo)), []
    monkeypatch.chdir(demo / "export" / "tflite")
    (code,) = _python(ROOT / "export" / "TFLITE.md")
    context = np.zeros([1, config.n_past, 32, 32, 1], np.float32)
    exec(code, {"P": config.n_past, "Z": config.z_dim, "context": context, "show": shown.append})
    assert len(shown) == 10 and shown[0].shape == (1, 32, 32, 1)


def test_the_python_for_the_server_gets_frames(servers, demo):
    from svg_tf.config import Config

    future = Config.load(str(demo)).n_eval - 5
    grpc, rest = servers
    by_grpc, by_rest = {}, {}
    codes = _python(ROOT / "export" / "serving" / "README.md")
    exec(codes[0].replace("localhost:8500", grpc), by_grpc)
    assert by_grpc["frames"].shape == (1, 8, future, 32, 32, 1)
    exec(codes[1].replace("localhost:8501", rest), by_rest)
    assert len(by_rest["frames"][0]) == 2 and len(by_rest["frames"][0][0]) == future


def test_what_is_run_and_what_is_not_is_known():
    for page in PAGES:
        for command in documents.commands(page):
            assert command.script or reason_not_to_run(command), f"{name_of(page)}: {' '.join(command.words)}"
    assert {Path(command.script).name for page in PAGES for command in runnable(page)} >= {
        "train.py", "generate.py", "evaluate.py", "uncertainty.py", "prepare_data.py", "benchmark.py",
        "import_torch.py", "saved_model.py", "tflite.py", "client.py", "load_test.py",
    }  # fmt: skip
