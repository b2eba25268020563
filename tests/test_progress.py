import io
import re
import sys

import pytest

from svg_tf.training import progress
from svg_tf.training.progress import ProgressBar, StartUp


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when a test says so."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def after(seconds):
        now[0] += seconds

    return after


def test_the_parts_of_the_start_add_up(clock):
    start_up = StartUp(began=94.9)
    for part, seconds in (("data", 0.4), ("model", 1.2)):
        clock(seconds)
        start_up.done(part)
    assert str(start_up) == "first step after 6.7 s: imports 5.1, data 0.4, model 1.2"


def test_imports_are_left_out_where_the_beginning_is_not_known(clock):
    start_up = StartUp()
    clock(0.5)
    start_up.done("data")
    assert str(start_up) == "first step after 0.5 s: data 0.5"


def test_the_start_is_told_once_and_the_bar_goes_on_from_the_runs_step(small, monkeypatch):
    said, drawn = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", said)
    monkeypatch.setattr(sys, "stderr", drawn)
    bar = ProgressBar(small(), 5, StartUp())
    for step in range(3):
        bar.on_train_batch_end(step, {"loss": 0.25, "kl": 12345.6})
    bar.close()
    assert (
        len(re.findall(r"first step after [\d.]+ s: tracing, compiling and the step [\d.]+\n", said.getvalue())) == 1
    )
    assert said.getvalue().count("\n") == 1
    assert "8/8" in drawn.getvalue() and "loss 0.25, kl 1.235e+04" in drawn.getvalue()
