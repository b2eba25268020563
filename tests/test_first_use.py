"""The commands as a user meets them first: no compiler, no network, nothing writable but what the user names."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_commands import TINY

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("bin", "svg_tf", "export", "demo.flags", "smmnist.flags")


def _works(*command):
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True).returncode == 0
    return False


# What makes of root a user to whom permissions apply, and of a machine one without a network.
ORDINARY = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
OFFLINE = ["unshare", "--net"] if _works("unshare", "--net", "true") else []
ordinary_user = pytest.mark.skipif(
    bool(ORDINARY) and not _works(*ORDINARY, "true"), reason="not run: root cannot give up its rights here"
)


class Place:
    """A checkout that cannot be written, and a program's surroundings in which nothing is there.

    Attributes:
        checkout: the copy, whose path holds a space and a letter beyond ASCII.
        folder: where the user may write.
    """

    def __init__(self, folder):
        self.folder = folder
        self.checkout = folder / "a checkout é"
        self.checkout.mkdir()
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, self.checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, self.checkout)
        self.set_mode(self.checkout, 0o555, 0o444)
        for name in ("home", "elsewhere", "no programs"):
            (folder / name).mkdir()
            (folder / name).chmod(0o555)

    def set_mode(self, top, of_folders, of_files):
        for where, _, names in os.walk(top, topdown=False):
            for name in names:
                os.chmod(os.path.join(where, name), of_files)
            os.chmod(where, of_folders)

    def run(self, script, *arguments, **changes):
        environment = {
            "HOME": str(self.folder / "home"),
            "PATH": str(self.folder / "no programs"),
            "PYTHONPATH": str(self.checkout),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "https_proxy": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
            **changes,
        }
        path = os.path.join(self.checkout, script)
        command = [sys.executable, path, *arguments]
        for wrapper in (ORDINARY, OFFLINE):
            command = [*map(_program, wrapper[:1]), *wrapper[1:], *command]
        return subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            cwd=self.folder / "elsewhere",
            env={name: value for name, value in environment.items() if value is not None},
            timeout=600,
        )


def _program(name):
    return shutil.which(name) or name


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("first"))
    yield made
    made.set_mode(made.folder, 0o755, 0o644)


@pytest.fixture(scope="module")
def trained(place):
    """A tiny run that was trained in the place."""
    run_dir = str(place.folder / "runs" / "a run ü")
    done = place.run("bin/train.py", *TINY, f"--run_dir={run_dir}")
    assert done.returncode == 0, done.stderr
    return run_dir


def sentence(done, *words):
    """Checks that a command ended in one sentence."""
    assert done.returncode == 1, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "Traceback" not in done.stderr, done.stderr
    for word in words:
        assert word in last, done.stderr


@ordinary_user
@pytest.mark.parametrize("changes", [{}, {"LC_ALL": "C"}], ids=str)
def test_a_run_that_is_not_there_is_told_in_any_surroundings(place, changes):
    missing = place.folder / "kein Lauf ü"
    for script in ("bin/generate.py", "bin/uncertainty.py", "export/saved_model.py"):
        sentence(place.run(script, f"--run_dir={missing}", **changes), "is not a run: it has no config.json")


@ordinary_user
def test_flag_files_are_found_by_their_path_from_any_folder(place):
    done = place.run("bin/train.py", f"--flagfile={place.checkout}/demo.flags", "--n_past=90")
    sentence(done, "but must be more than n_past, which is 90")


@ordinary_user
def test_paths_in_an_encoding_that_python_was_told_not_to_use_are_one_sentence(place):
    done = place.run("bin/train.py", *TINY, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    sentence(done, "is not text in ascii; set PYTHONUTF8=1")


@ordinary_user
def test_a_path_that_is_not_text_is_one_sentence(place):
    done = place.run("bin/generate.py", os.fsdecode(b"--run_dir=runs/caf\xe9"))
    sentence(done, "is not text in utf-8")


COMMANDS = {
    "bin/train.py": [*TINY, "--epochs=2"],
    "bin/generate.py": ["--n_clips=2", "--n_samples=2"],
    "bin/evaluate.py": ["--n_clips=2", "--n_samples=2"],
    "bin/uncertainty.py": ["--n_sequences=4", "--n_digit_sets=4", "--n_samples=2", "--n_frames=12"],
    "export/saved_model.py": ["--horizon=2"],
}


@pytest.mark.slow
@ordinary_user
@pytest.mark.parametrize("script", COMMANDS)
def test_a_command_needs_nothing_but_python_and_a_folder_to_write_to(place, trained, script):
    done = place.run(script, *COMMANDS[script], f"--run_dir={trained}")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


@pytest.mark.slow
@ordinary_user
def test_data_is_prepared_and_described_with_as_little(place):
    out = place.folder / "sheets ü"
    done = place.run("bin/prepare_data.py", *TINY, f"--out={out}")
    assert done.returncode == 0, done.stderr
    assert len(list(out.iterdir())) == 3


@pytest.mark.slow
@ordinary_user
@pytest.mark.parametrize(
    "changes",
    [
        {"HOME": None},
        {"HOME": "/nowhere"},
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX"},
    ],
    ids=str,
)
@pytest.mark.parametrize("script", ["bin/evaluate.py", "bin/generate.py"])
def test_a_command_works_in_strange_surroundings(place, trained, script, changes):
    done = place.run(script, *COMMANDS[script], f"--run_dir={trained}", **changes)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


@pytest.mark.slow
@ordinary_user
@pytest.mark.parametrize("script", COMMANDS)
def test_a_run_that_cannot_be_written_is_one_sentence(place, trained, script):
    copy = place.folder / "read only"
    shutil.copytree(trained, copy, ignore=shutil.ignore_patterns("export", "evaluation", "futures"))
    place.set_mode(copy, 0o555, 0o444)
    try:
        sentence(place.run(script, *COMMANDS[script], "--run_dir=" + str(copy)), str(copy), "ermission denied")
    finally:
        place.set_mode(copy, 0o755, 0o644)
        shutil.rmtree(copy)


@pytest.mark.slow
@ordinary_user
def test_a_run_dir_in_a_folder_that_cannot_be_written_is_one_sentence(place):
    done = place.run("bin/train.py", *TINY, f"--run_dir={place.folder / 'home' / 'run'}")
    sentence(done, "home/run cannot be written: Permission denied; name another --run_dir")


@pytest.mark.slow
def test_a_run_dir_that_is_a_file_is_one_sentence(place):
    file = place.checkout / "demo.flags"
    for script in COMMANDS:
        sentence(place.run(script, *COMMANDS[script], f"--run_dir={file}"), "demo.flags")


@pytest.mark.slow
def test_digits_that_are_not_there_are_asked_for_in_one_sentence(place):
    done = place.run("bin/train.py", "--flagfile=" + str(place.checkout / "smmnist.flags"), "--run_dir=x")
    sentence(done, "set --data_dir to a folder that holds train-images-idx3-ubyte.gz", "--digits=embedded")
