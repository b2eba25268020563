"""Tests of svg_tf/progress.py."""

import io
import itertools
import sys

import pytest

from svg_tf.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def seconds(monkeypatch):
    """Let one second pass at every look at the clock."""
    clock = itertools.count()
    monkeypatch.setattr("tqdm.std.time", lambda: float(next(clock)))


def test_a_log_file_gets_a_line_every_ten_seconds_and_a_last_one(seconds, capsys):
    assert list(progress(range(35), desc="read", unit="file")) == list(range(35))
    log = capsys.readouterr().err
    lines = log.splitlines()
    assert 3 <= len(lines) <= 5
    assert all(line.startswith("read: ") for line in lines) and "\r" not in log
    assert lines[0].startswith("read: 10/35 [00:1") and lines[-1].startswith("read: 35/35 [")


def test_updates_by_hand_of_a_resumed_loop(seconds, capsys):
    with progress(total=40, desc="train", unit="step", initial=20) as bar:
        for _ in range(20):
            bar.update()
    assert capsys.readouterr().err.splitlines()[-1].startswith("train: 40/40 [")


def test_the_last_line_is_not_repeated(monkeypatch, capsys):
    clock = itertools.count(step=20)
    monkeypatch.setattr("tqdm.std.time", lambda: float(next(clock)))
    with progress(total=3, desc="train", unit="step") as bar:
        for _ in range(3):
            bar.update()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" [")[0] for line in lines] == ["train: 1/3", "train: 2/3", "train: 3/3"]


def test_a_short_loop_prints_nothing(capsys):
    assert list(progress(iter("abc"), 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_one_bar_that_is_redrawn(seconds, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    list(progress(range(35), desc="read"))
    assert terminal.getvalue().count("\r") > 5 and terminal.getvalue().count("\n") == 1
