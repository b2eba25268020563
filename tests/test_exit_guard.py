"""Tests of svg_tf/data/exit_guard.py."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from svg_tf.data.exit_guard import ExitGuard

LEFT_OPEN = """
import time
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
config = Config(dataset="videos", data_dir={!r}, image_width=64, batch_size=100)
batches = iter(make_dataset(config, "train"))  # a global: it lives until the interpreter ends
end = time.time() + {}  # time for tf.data to make its buffers large
while time.time() < end:
    next(batches)
"""


def test_it_waits_for_the_call_under_way_and_for_those_that_follow():
    guard, ended = ExitGuard(), []
    inside = threading.Event()

    def calls():
        for _ in range(3):
            with guard:
                inside.set()
                time.sleep(0.1)
                ended.append(guard.closing)

    thread = threading.Thread(target=calls)
    thread.start()
    inside.wait()
    guard.close()
    assert ended == [True] * 3
    thread.join()


def test_it_does_not_wait_where_nothing_was_called(monkeypatch):
    guard = ExitGuard()
    monkeypatch.setattr(time, "sleep", None)
    guard.close()
    assert guard.closing


@pytest.mark.parametrize("seconds", [0, 3])
def test_a_process_ends_that_leaves_an_iterator_open(seconds, tmp_path):
    for number in range(12):
        np.save(tmp_path / f"{number}.npy", np.zeros((60, 64, 64), np.uint8))
    code = LEFT_OPEN.format(str(tmp_path), seconds)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
