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
def clock(monkeypatch):
    """Let some seconds pass at every look at the clock."""

    def tick(seconds):
        times = itertools.count(step=seconds)
        monkeypatch.setattr("tqdm.std.time", lambda: float(next(times)))

    return tick


def test_a_log_file_gets_a_line_every_ten_seconds_and_a_last_one(clock, capsys):
    clock(1)
    assert list(progress(range(35), desc="read", unit="file")) == list(range(35))
    log = capsys.readouterr().err
    lines = log.splitlines()
    assert 3 <= len(lines) <= 5
    assert all(line.startswith("read: ") for line in lines) and "\r" not in log
    assert lines[0].startswith("read: 10/35 [00:1") and lines[-1].startswith("read: 35/35 [")


def test_a_terminal_gets_one_bar_that_is_redrawn(clock, monkeypatch):
    clock(1)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    list(progress(range(35), desc="read"))
    assert terminal.getvalue().count("\r") > 5 and terminal.getvalue().count("\n") == 1
