"""First use: a read-only checkout, no home directory, no network, no other programs, odd characters in paths."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_commands import TINY

ROOT = Path(__file__).resolve().parents[1]


def _works(*command):
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True).returncode == 0
    return False


# Drop root's rights, so that permissions apply, and the network.
ORDINARY = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
OFFLINE = ["unshare", "--net"] if _works("unshare", "--net", "true") else []
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(ORDINARY) and not _works(*ORDINARY, "true"), reason="root cannot drop its rights here"),
]
COMMANDS = {
    "train": [*TINY, "--epochs=2"],
    "generate": ["--n_clips=2", "--n_samples=2"],
    "evaluate": ["--n_clips=2", "--n_samples=2"],
    "uncertainty": ["--n_sequences=4", "--n_digit_sets=4", "--n_samples=2", "--n_frames=12"],
    "export-saved-model": [],
}


def set_mode(top, of_folders, of_files):
    for where, _, names in os.walk(top, topdown=False):
        for name in names:
            os.chmod(os.path.join(where, name), of_files)
        os.chmod(where, of_folders)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the user may write, with a read-only checkout and two read-only folders."""
    made = tmp_path_factory.mktemp("first")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "svg_tf", made / "a checkout é" / "svg_tf", ignore=ignored)
    set_mode(made / "a checkout é", 0o555, 0o444)
    for name in ("home", "elsewhere"):
        (made / name).mkdir(mode=0o555)
    yield made
    set_mode(made, 0o755, 0o644)


def _run(folder, command, *arguments, **changes):
    environment = {"HOME": str(folder / "home"), "PATH": "", "PYTHONPATH": str(folder / "a checkout é"), **changes}
    line = [sys.executable, "-m", "svg_tf", command, *arguments]
    for wrapper in filter(None, (ORDINARY, OFFLINE)):
        line = [shutil.which(wrapper[0]), *wrapper[1:], *line]
    environment = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run(
        line, capture_output=True, encoding="utf-8", cwd=folder / "elsewhere", env=environment, timeout=600
    )


@pytest.fixture(scope="module")
def trained(folder):
    run_dir = str(folder / "runs" / "a run ü")
    done = _run(folder, "train", *TINY, f"--run_dir={run_dir}")
    assert done.returncode == 0, done.stderr
    return run_dir


@pytest.mark.parametrize(
    ("command", "changes"),
    [*((command, {}) for command in COMMANDS), ("evaluate", {"HOME": None}), ("evaluate", {"LC_ALL": "C"})],
)
def test_a_command_needs_only_python_and_a_writable_run_dir(folder, trained, command, changes):
    done = _run(folder, command, *COMMANDS[command], f"--run_dir={trained}", **changes)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


def _assert_one_line(done, *words):
    assert done.returncode == 1, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "Traceback" not in done.stderr, done.stderr
    assert all(word in last for word in words), done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_read_only_run_or_a_file_in_its_place_is_one_line(folder, trained, command):
    copy = folder / "read only"
    shutil.copytree(trained, copy, ignore=shutil.ignore_patterns("export", "evaluation", "futures"))
    set_mode(copy, 0o555, 0o444)
    try:
        _assert_one_line(_run(folder, command, *COMMANDS[command], f"--run_dir={copy}"), str(copy), "ermission denied")
    finally:
        set_mode(copy, 0o755, 0o644)
        shutil.rmtree(copy)
    file = folder / "a checkout é" / "svg_tf" / "recipes" / "demo.flags"
    _assert_one_line(_run(folder, command, *COMMANDS[command], f"--run_dir={file}"), "demo.flags")


def test_a_run_dir_that_cannot_be_created_and_missing_digits_are_one_line(folder):
    _assert_one_line(_run(folder, "train", *TINY, f"--run_dir={folder / 'home' / 'run'}"), "ermission denied")
    done = _run(folder, "train", "--flagfile=smmnist.flags", f"--run_dir={folder}/x")
    _assert_one_line(done, "--data_dir", "--digits=embedded")
