"""Training that is killed, stopped by a signal, or cannot write, at forty moments: none costs more than steps."""

import csv
import errno
import json
import os
import random
import re
from collections import Counter
from functools import partial

import numpy as np
import pytest
from conftest import SMALL
from crash_harness import KILLED, Fault, command, in_fork

from svg_tf.training import checkpoints

SIZES = {**SMALL, "n_future": 2, "n_samples": 1, "epochs": 12, "steps_per_epoch": 12, "checkpoint_every": 1}
_SAVE = ("create", "write", "written", "flush", "flushed", "replace", "replaced", "remove", "removed")


def _train(sizes, fault=None):
    return in_fork(partial(command, "bin/train.py", **sizes, jit_compile="false"), fault, "forkserver")


def _faults(rng):
    """Return forty faults in random order."""

    def killed_in_a_save():
        moment = rng.choice(_SAVE)
        return Fault("SIGKILL", moment, rng.randint(1, 60 if "writ" in moment else 4), rng.randint(1, 4))

    def failing(action, moments):
        moment = rng.choice(moments)
        # Every second flush is that of a folder, which may fail.
        count = {"write": rng.randint(1, 60), "flush": rng.choice([1, 3, 5])}.get(moment, rng.randint(1, 4))
        return Fault(action, moment, count, rng.randint(1, 4))

    def at_any_time(action):
        return Fault(action, "step", after_step=rng.randint(1, 6), delay=rng.random() / 5)

    faults = [killed_in_a_save() for _ in range(14)]
    faults += [at_any_time("SIGKILL") for _ in range(5)]
    faults += [Fault("SIGKILL", "start", delay=8 * rng.random()) for _ in range(3)]
    faults += [at_any_time(action) for action in ("SIGTERM", "SIGINT") for _ in range(4)]
    faults += [failing("ENOSPC", ["create", "write"]) for _ in range(5)]
    faults += [failing("EIO", ["create", "write", "flush", "replace", "remove"]) for _ in range(5)]
    rng.shuffle(faults)
    return faults


def _check_files(run_dir, reference):
    """Check that all files of a run are complete and equal to the undisturbed run's; return its latest step."""
    paths = [checkpoints.path_of(run_dir, step) for step in checkpoints.steps(run_dir)]
    best = os.path.join(checkpoints.folder(run_dir), checkpoints.BEST)
    for path in [*paths, *([best] if os.path.exists(best) else [])]:
        arrays = checkpoints.read(path)
        step = int(arrays["model/svg/step"])
        assert path in (best, checkpoints.path_of(run_dir, step))
        expected = checkpoints.read(checkpoints.path_of(reference, step))
        assert set(arrays) == set(expected)
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, expected[name], err_msg=f"{path} {name}")
    if os.path.exists(os.path.join(run_dir, "config.json")):
        with open(os.path.join(run_dir, "config.json"), encoding="utf-8") as file:
            json.load(file)
    rows = _losses(run_dir)
    assert rows == _losses(reference)[: len(rows)]
    return (checkpoints.steps(run_dir) or [0])[-1]


def _losses(run_dir):
    """Return the rows of logs/epochs.csv, without what the clock decides."""
    path = os.path.join(run_dir, "logs", "epochs.csv")
    if not os.path.exists(path):
        return []
    with open(path, newline="") as file:
        return [{**row, "clips_per_second": 0} for row in csv.DictReader(file)]


def _leftovers(folder):
    return [name for _, _, names in os.walk(folder) for name in names if name.startswith(".temporary-")]


def _check_end(fault, outcome, before, latest):
    """Check that a trial ended as it should; return how."""
    assert "Traceback" not in outcome.text, outcome.text
    if fault.action == "SIGKILL" and outcome.status == KILLED:
        return "killed"
    if fault.action in ("SIGTERM", "SIGINT") and (stopped := re.search("stopped at step ([0-9]+);", outcome.text)):
        assert outcome.status == 0 and int(stopped[1]) == latest > before
        return "saved and stopped"
    if outcome.status == 0:
        return "complete before the fault"
    assert outcome.status == 1 and fault.action in errno.errorcode.values(), outcome
    assert os.strerror(getattr(errno, fault.action)) in outcome.text, outcome.text
    return "error message"


@pytest.mark.slow
def test_a_run_ends_as_an_undisturbed_one_whatever_forty_faults_do(tmp_path):
    counts, reference = Counter(), str(tmp_path / "whole")
    assert _train({**SIZES, "run_dir": reference, "keep_checkpoints": 10_000}).status == 0
    total = checkpoints.steps(reference)[-1]
    victims, latest = [], total
    for fault in _faults(random.Random(0)):
        if latest == total:
            victims.append({**SIZES, "run_dir": str(tmp_path / f"cut_{len(victims)}")})
            latest = 0
        run_dir = victims[-1]["run_dir"]
        outcome = _train(victims[-1], fault)
        before, latest = latest, _check_files(run_dir, reference)
        assert latest >= before
        end = _check_end(fault, outcome, before, latest)
        assert end == "killed" or not _leftovers(run_dir)
        counts[f"{fault.action} {fault.moment}: {end}"] += 1
        print(counts.total(), fault, end, f"from step {before} to {latest}", flush=True)
    for victim in victims:
        assert _train(victim).status == 0
        assert _check_files(victim["run_dir"], reference) == total and not _leftovers(victim["run_dir"])
        assert len(_losses(victim["run_dir"])) == SIZES["epochs"]
        names = [sorted(os.listdir(os.path.join(folder, "samples"))) for folder in (reference, victim["run_dir"])]
        assert names[0] == names[1]
    print("\n".join(f"{counts[name]:4} {name}" for name in sorted(counts)))
