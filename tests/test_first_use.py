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


class Place:
    """A read-only checkout, and a folder in which the user may write."""

    def __init__(self, folder):
        self.folder = folder
        self.checkout = folder / "a checkout é"
        shutil.copytree(ROOT / "svg_tf", self.checkout / "svg_tf", ignore=shutil.ignore_patterns("__pycache__"))
        set_mode(self.checkout, 0o555, 0o444)
        for name in ("home", "elsewhere", "no programs"):
            (folder / name).mkdir()
            (folder / name).chmod(0o555)

    def run(self, command, *arguments, **changes):
        environment = {
            "HOME": str(self.folder / "home"),
            "PATH": str(self.folder / "no programs"),
            "PYTHONPATH": str(self.checkout),
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
            **changes,
        }
        line = [sys.executable, "-m", "svg_tf", command, *arguments]
        for wrapper in filter(None, (ORDINARY, OFFLINE)):
            line = [shutil.which(wrapper[0]), *wrapper[1:], *line]
        environment = {name: value for name, value in environment.items() if value is not None}
        return subprocess.run(
            line, capture_output=True, encoding="utf-8", cwd=self.folder / "elsewhere", env=environment, timeout=600
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("first"))
    yield made
    set_mode(made.folder, 0o755, 0o644)


@pytest.fixture(scope="module")
def trained(place):
    run_dir = str(place.folder / "runs" / "a run ü")
    done = place.run("train", *TINY, f"--run_dir={run_dir}")
    assert done.returncode == 0, done.stderr
    return run_dir


def assert_one_line(done, *words):
    assert done.returncode == 1, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "Traceback" not in done.stderr, done.stderr
    for word in words:
        assert word in last, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_needs_only_python_and_a_writable_run_dir(place, trained, command):
    done = place.run(command, *COMMANDS[command], f"--run_dir={trained}")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize("changes", [{"HOME": None}, {"HOME": "/nowhere"}, {"LC_ALL": "C"}], ids=str)
def test_evaluation_works_in_unusual_environments(place, trained, changes):
    done = place.run("evaluate", *COMMANDS["evaluate"], f"--run_dir={trained}", **changes)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_read_only_run_is_one_line(place, trained, command):
    copy = place.folder / "read only"
    shutil.copytree(trained, copy, ignore=shutil.ignore_patterns("export", "evaluation", "futures"))
    set_mode(copy, 0o555, 0o444)
    try:
        assert_one_line(place.run(command, *COMMANDS[command], f"--run_dir={copy}"), str(copy), "ermission denied")
    finally:
        set_mode(copy, 0o755, 0o644)
        shutil.rmtree(copy)


def test_a_run_dir_that_cannot_be_created_or_is_a_file_is_one_line(place):
    assert_one_line(place.run("train", *TINY, f"--run_dir={place.folder / 'home' / 'run'}"), "ermission denied")
    file = place.checkout / "svg_tf" / "recipes" / "demo.flags"
    for command in COMMANDS:
        assert_one_line(place.run(command, *COMMANDS[command], f"--run_dir={file}"), "demo.flags")


def test_missing_digits_are_one_line(place):
    done = place.run("train", "--flagfile=smmnist.flags", f"--run_dir={place.folder}/x")
    assert_one_line(done, "--data_dir", "--digits=embedded")
