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


def _system_error(number):
    return OSError(number, os.strerror(number), "run/a.npz")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConfigError("seed is -1"), "seed is -1"),
        (MemoryError(), "there is not enough memory; lower --batch_size"),
        (_system_error(errno.ENOSPC), "run/a.npz: No space left on device; make room on the disk"),
        (_system_error(errno.EACCES), "run/a.npz: Permission denied; choose a folder that you may write to"),
    ],
)
def test_an_error_that_a_user_can_fix_is_one_line(error, message):
    assert message_for(error).startswith(message)


def test_bugs_keep_their_traceback():
    for bug in (ValueError("x"), KeyError("x"), OSError("x"), tf.errors.InvalidArgumentError(None, None, "x")):
        assert message_for(bug) == ""


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
