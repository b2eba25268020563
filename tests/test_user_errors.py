"""Errors that a user can fix become one line; output streams may be closed or full."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.cli.flags import message_for
from svg_tf.config import Config, ConfigError
from svg_tf.data.dataset import make_dataset
from svg_tf.data.errors import DataError


def test_errors_of_the_package_are_messages_and_bugs_are_not():
    assert message_for(ConfigError("seed is -1")) == "seed is -1"
    assert message_for(DataError("a.mp4 is empty")) == "a.mp4 is empty"
    assert "not enough memory" in message_for(MemoryError())
    for bug in (ValueError("x"), KeyError("x"), OSError("x"), tf.errors.InvalidArgumentError(None, None, "x")):
        assert message_for(bug) == ""


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "run/a.npz: No space left on device; make room on the disk"),
        (errno.EACCES, "run/a.npz: Permission denied; choose a folder that you may write to"),
        (errno.EROFS, "run/a.npz: Read-only file system; choose a folder that you may write to"),
        (errno.EIO, "run/a.npz: Input/output error"),
    ],
)
def test_an_error_of_the_system_names_the_path_and_a_remedy(number, message):
    assert message_for(OSError(number, os.strerror(number), "run/a.npz")).startswith(message)


def test_data_that_breaks_while_it_is_read_is_one_line(tmp_path):
    for number in range(4):
        np.save(tmp_path / f"{number}.npy", np.zeros((40, 32, 32), np.uint8))
    config = Config(dataset="videos", data_dir=str(tmp_path), image_width=32, n_past=2, n_future=3, n_eval=5)
    batches = iter(make_dataset(config.replace(batch_size=2), "train"))
    for cached in (tmp_path / "svg_tf_cache").glob("*/*.frames"):
        os.truncate(cached, 500)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        tf.function(lambda: next(batches))()
    message = message_for(error.value)
    assert message.startswith(str(tmp_path)) and "\n" not in message


def framed(work, **options):
    """Run `work` as a command in a process."""
    code = f"from svg_tf.cli import flags\ndef run(): {work}\nflags.run(run)"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, **options)


def test_a_closed_pipe_ends_a_command_quietly():
    reader, writer = os.pipe()
    os.close(reader)
    done = framed("print('x' * 100_000)", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_one_line():
    with open("/dev/full", "w") as full:
        done = framed("print('x')", stdout=full)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ") and "No space left on device" in done.stderr


def test_an_interruption_is_one_word():
    assert framed("(_ for _ in ()).throw(KeyboardInterrupt)").stderr == "interrupted\n"


def test_another_keras_backend_and_windows_are_one_line():
    done = framed("print('x')", env={**os.environ, "KERAS_BACKEND": "jax"})
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "KERAS_BACKEND=tensorflow" in done.stderr
    code = "import sys; sys.platform = 'win32'; from svg_tf.cli import flags; flags.run(lambda: None)"
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "WSL2" in done.stderr
