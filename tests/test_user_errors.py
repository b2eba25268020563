"""Tests of bin/user_errors.py and of the frame of the commands in bin/config_flags.py."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.cli import errors as user_errors
from svg_tf.config import Config, ConfigError
from svg_tf.data import kth_actions, records, stored_video
from svg_tf.data.dataset import make_dataset
from svg_tf.data.errors import DataError, told_by_tensorflow

BIN = Path(__file__).resolve().parents[1] / "bin"


def test_a_named_error_is_its_own_sentence_and_a_fault_of_the_program_has_none():
    assert user_errors.sentence_of(ConfigError("seed is -1")) == "seed is -1"
    assert user_errors.sentence_of(DataError("a.mp4 is empty")) == "a.mp4 is empty"
    assert "not enough memory" in user_errors.sentence_of(MemoryError())
    for fault in (
        ValueError("x"),
        KeyError("x"),
        OSError("no number"),
        tf.errors.InvalidArgumentError(None, None, "x"),
    ):
        assert user_errors.sentence_of(fault) == ""


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "run/a.npz: No space left on device; make room on the disk"),
        (errno.EACCES, "run/a.npz: Permission denied; name a folder that can be written"),
        (errno.EROFS, "run/a.npz: Read-only file system; name a folder that can be written"),
        (errno.EIO, "run/a.npz: Input/output error"),
    ],
)
def test_an_error_of_the_system_names_the_path_and_a_remedy(number, words):
    assert user_errors.sentence_of(OSError(number, os.strerror(number), "run/a.npz")).startswith(words)


def test_data_that_breaks_while_it_is_read_is_one_sentence(tmp_path):
    for number in range(4):
        np.save(tmp_path / f"{number}.npy", np.zeros((40, 32, 32), np.uint8))
    config = Config(dataset="videos", data_dir=str(tmp_path), image_width=32, n_past=2, n_future=3, n_eval=5)
    batches = iter(make_dataset(config.replace(batch_size=2), "train"))
    for cached in (tmp_path / "svg_tf_cache").glob("*/*.npy"):
        os.truncate(cached, 500)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        tf.function(lambda: next(batches))()
    sentence = user_errors.sentence_of(error.value)
    assert sentence.startswith(str(tmp_path)) and sentence.endswith("; prepare the data again")
    assert "\n" not in sentence and told_by_tensorflow(error.value) == sentence


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40), b"\xff\xd8\xff\xe0" + bytes(99)])
def test_a_broken_image_among_the_records_is_named(data, tmp_path):
    (tmp_path / "records").write_bytes(data)
    video = stored_video.StoredVideo("test:7", str(tmp_path / "records"), np.array([[0, len(data)]]), (8, 8, 3), True)
    with pytest.raises(DataError, match="records holds a broken image in test:7"):
        video.read(0, 1)


@pytest.mark.parametrize("kept", ["[]", "{}", "3", '{"state": 1}', "null", "[[1, 2]]"])
def test_a_list_of_places_that_is_something_else_is_made_anew(kept, tmp_path):
    (tmp_path / "a.tfrecords").touch()
    records.index([str(tmp_path / "a.tfrecords")], ["a"], str(tmp_path / "cache"))
    (place,) = (tmp_path / "cache").iterdir()
    place.write_text(kept)
    (found,) = records.index([str(tmp_path / "a.tfrecords")], ["a"], str(tmp_path / "cache"))
    assert found.records == []


@pytest.mark.parametrize("pair", [(0, 9), (9, 3), (-3, 2)])
def test_sub_sequences_that_no_video_has_are_told(pair):
    with pytest.raises(DataError, match=f"has the frames {pair[0]}-{pair[1]} in 00sequences.txt"):
        kth_actions._pieces("person01_boxing_d1", np.zeros((20, 4, 4, 1), np.uint8), {"person01_boxing_d1": [pair]})


def framed(work, **options):
    """A process that runs a command of one line, and what it ended with."""
    code = f"import config_flags\nconfig_flags.run(lambda: {work})"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, cwd=BIN, **options)


def test_a_reader_who_leaves_ends_a_command_without_a_word():
    reader, writer = os.pipe()
    os.close(reader)
    done = framed("print('x' * 100_000)", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_closed_or_full_output_is_no_traceback():
    closed = framed("print('x')", preexec_fn=lambda: os.close(1))
    assert (closed.returncode, closed.stderr) == (0, "")
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            done = framed("print('x')", stdout=full)
        assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
        assert "No space left on device" in done.stderr


def test_a_path_that_the_output_has_no_letters_for_is_printed():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = framed("print('ü \\udcff')", stdout=subprocess.PIPE, env=environment)
    assert (done.returncode, done.stdout) == (0, "\\xfc \\udcff\n")


def test_an_interruption_is_one_word():
    assert framed("(_ for _ in ()).throw(KeyboardInterrupt)").stderr == "interrupted\n"
