"""Training that is killed, told to stop, or cannot write, at forty moments: none costs more than steps."""

import csv
import errno
import json
import os
import random
import re
from collections import Counter

import numpy as np
import pytest
from conftest import SMALL
from crash_harness import KILLED, Fault, Harness

from svg_tf.training import checkpoints

STEPS_PER_EPOCH = 12
SIZES = {
    **SMALL,
    "n_future": 2,
    "n_samples": 1,
    "epochs": 12,
    "steps_per_epoch": STEPS_PER_EPOCH,
    "checkpoint_every": 1,
    "jit_compile": "false",
}
_SAVE = ("create", "write", "written", "flush", "flushed", "replace", "replaced", "remove", "removed")


def _faults(rng):
    """Return forty faults in random order."""

    def killed_in_a_save():
        moment = rng.choice(_SAVE)
        return Fault("SIGKILL", moment, rng.randint(1, 60 if "writ" in moment else 4), rng.randint(1, 4))

    def failing(action, moments):
        moment = rng.choice(moments)
        # Of every two flushes one is the folder's, which may fail.
        count = {"write": rng.randint(1, 60), "flush": rng.choice([1, 3, 5])}.get(moment, rng.randint(1, 4))
        return Fault(action, moment, count, rng.randint(1, 4))

    def at_any_time(action):
        return Fault(action, "step", after_step=rng.randint(1, 6), delay=rng.random() / 5)

    faults = [killed_in_a_save() for _ in range(14)]
    faults += [at_any_time("SIGKILL") for _ in range(4)]
    faults += [Fault("SIGKILL", "start", delay=8 * rng.random()) for _ in range(2)]
    faults += [at_any_time(action) for action in ("SIGTERM", "SIGINT") for _ in range(4)]
    faults += [failing("ENOSPC", ["create", "write"]) for _ in range(4)]
    faults += [failing("EIO", ["create", "write", "flush", "replace", "remove"]) for _ in range(4)]
    faults += [Fault("EFBIG", "step", 1, rng.randint(1, 4), limit=rng.randint(0, 150_000)) for _ in range(2)]
    rng.shuffle(faults)
    return faults


class _Reference:
    """An undisturbed run, of which every step's state was kept."""

    def __init__(self, run_dir):
        self.run_dir = str(run_dir)

    def check(self, run_dir):
        """That all that a run holds is whole and the same; returns its latest step."""
        folder = checkpoints.folder(run_dir)
        found = [checkpoints.path_of(run_dir, step) for step in checkpoints.steps(run_dir)]
        found += [path for path in [os.path.join(folder, checkpoints.BEST)] if os.path.exists(path)]
        for path in found:
            arrays = checkpoints.read(path)
            step = int(arrays["model/svg/step"])
            assert path.endswith((checkpoints.path_of("", step), checkpoints.BEST))
            expected = checkpoints.read(checkpoints.path_of(self.run_dir, step))
            assert set(arrays) == set(expected)
            for name, array in arrays.items():
                np.testing.assert_array_equal(array, expected[name], err_msg=f"{path} {name}")
        if os.path.exists(os.path.join(run_dir, "config.json")):
            with open(os.path.join(run_dir, "config.json"), encoding="utf-8") as file:
                json.load(file)
        rows = losses(run_dir)
        for row, expected in zip(rows, losses(self.run_dir), strict=False):
            assert row == expected
        return (checkpoints.steps(run_dir) or [0])[-1]


def losses(run_dir):
    """logs/epochs.csv, without what the clock decides."""
    path = os.path.join(run_dir, "logs", "epochs.csv")
    if not os.path.exists(path):
        return []
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: float(row[name]) for name in row if name != "clips_per_second"} for row in rows]


def leftovers(folder):
    """Temporary files under a folder."""
    return [name for _, _, names in os.walk(folder) for name in names if name.startswith(".temporary-")]


def _check_end(fault, outcome, before, latest):
    """That a trial ended as it ought to; returns how, in words."""
    assert "Traceback" not in outcome.text, outcome.text
    if fault.action == "SIGKILL" and outcome.status == KILLED:
        return "killed"
    if fault.action in ("SIGTERM", "SIGINT") and (stopped := re.search("stopped at step ([0-9]+);", outcome.text)):
        assert outcome.status == 0 and int(stopped[1]) == latest > before
        return "saved and left"
    if outcome.status == 0:
        return "came too late"  # the run was done
    assert outcome.status == 1 and fault.action in errno.errorcode.values(), outcome
    assert os.strerror(getattr(errno, fault.action)) in outcome.text, outcome.text
    return "told and left"


@pytest.mark.slow
def test_a_run_ends_as_an_undisturbed_one_whatever_forty_faults_do(tmp_path):
    counts = Counter()
    with Harness() as harness:
        whole = {**SIZES, "run_dir": str(tmp_path / "whole"), "keep_checkpoints": 10_000}
        assert harness.run("bin/train.py", **whole).status == 0
        reference = _Reference(whole["run_dir"])
        total = checkpoints.steps(reference.run_dir)[-1]
        victims, latest = [], total
        for fault in _faults(random.Random(0)):
            if latest == total:
                victims.append({**SIZES, "run_dir": str(tmp_path / f"cut_{len(victims)}")})
                latest = 0
            run_dir = victims[-1]["run_dir"]
            outcome = harness.run("bin/train.py", fault, **victims[-1])
            before, latest = latest, reference.check(run_dir)
            assert latest >= before
            end = _check_end(fault, outcome, before, latest)
            if end != "killed":
                assert not leftovers(run_dir)
            counts[f"{fault.action} {fault.moment}: {end}"] += 1
            print(counts.total(), fault, end, f"from step {before} to {latest}", flush=True)
        for victim in victims:
            assert harness.run("bin/train.py", **victim).status == 0
            assert reference.check(victim["run_dir"]) == total
            assert len(losses(victim["run_dir"])) == len(losses(reference.run_dir))
            assert not leftovers(victim["run_dir"])
            names = os.listdir(os.path.join(reference.run_dir, "samples"))
            assert sorted(names) == sorted(os.listdir(os.path.join(victim["run_dir"], "samples")))
    print("\n".join(f"{counts[name]:4} {name}" for name in sorted(counts)))
