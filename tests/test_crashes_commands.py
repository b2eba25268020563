"""Commands that prepare, evaluate and export, killed at random moments and told again: as if nothing had been."""

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
import video_files
from crash_harness import KILLED, Fault, Harness
from evaluated_run import make_run, tables

from svg_tf.serving import exporting

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def harness():
    with Harness() as made:
        yield made


def _leftovers(folder):
    return [name for _, folders, names in os.walk(folder) for name in folders + names if name.startswith(".temporary-")]


def _contents(folder):
    """The bytes of all files, by their paths in the folder."""
    paths = [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return {os.path.relpath(path, folder): Path(path).read_bytes() for path in paths}


def test_a_preparation_that_was_killed_ends_with_the_same_cache_and_pictures(harness, tmp_path):
    data, rng = tmp_path / "data", random.Random(0)
    data.mkdir()
    for number in range(6):
        np.save(data / f"{number}.npy", video_files.frames(60 + number, seed=number))
    video_files.write_video(data / "film.mp4", video_files.frames(60))
    (data / "broken.mp4").write_bytes(b"text")
    flags = {"dataset": "videos", "image_width": 32, "n_past": 2, "n_future": 3, "n_eval": 8, "data_dir": data}

    def prepare(name, fault=None):
        folders = {"cache_dir": tmp_path / name / "cache", "out": tmp_path / name / "sheets"}
        return harness.run("bin/prepare_data.py", fault, **flags, **folders)

    whole = prepare("whole", Fault(moment="any"))
    assert whole.status == 0 and whole.moments > 50, whole.text
    expected = _contents(tmp_path / "whole")
    assert len([name for name in expected if name.endswith(".npy")]) == 7
    for count in sorted(rng.sample(range(1, whole.moments), 8)):
        outcome = prepare("cut", Fault("SIGKILL", "any", count))
        if outcome.status == 0:  # less is to be done each time
            break
        assert outcome.status == KILLED
        there = {name: data for name, data in _contents(tmp_path / "cut").items() if ".temporary-" not in name}
        assert there.items() <= expected.items()
    (tmp_path / "full").mkdir()
    full = prepare("full", Fault("ENOSPC", "write", 3))
    assert full.status == 1 and "No space left on device" in full.text and "Traceback" not in full.text, full.text
    for name in ("cut", "full"):
        assert prepare(name).status == 0
        assert _contents(tmp_path / name) == expected


def test_an_evaluation_that_was_killed_ends_with_the_same_tables(harness, tmp_path):
    config, rng = make_run(tmp_path / "run"), random.Random(0)
    flags = {"run_dir": config.run_dir, "n_clips": 3, "n_samples": 4, "n_examples": 2}

    def evaluate(name, fault=None):
        return harness.run("bin/evaluate.py", fault, **flags, out=os.path.join(config.run_dir, name))

    def found(name):
        metrics, *others = tables(config, name)
        return {key: value for key, value in metrics.items() if key != "command"}, others

    whole = evaluate("whole", Fault(moment="any"))
    assert whole.status == 0, whole.text
    folder = os.path.join(config.run_dir, "cut")
    for count in sorted(rng.sample(range(1, whole.moments), 5)):
        outcome = evaluate("cut", Fault("SIGKILL", "any", count))
        if outcome.status == 0:  # less is to be done each time
            break
        assert outcome.status == KILLED
        if os.path.exists(os.path.join(folder, "metrics.json")):
            assert found("cut") == found("whole")
    full = evaluate("cut", Fault("ENOSPC", "write"))
    assert full.status == 1 and "No space left on device" in full.text and "Traceback" not in full.text
    assert evaluate("cut").status == 0
    assert found("cut") == found("whole")
    assert not _leftovers(folder)
    assert sorted(os.listdir(folder)) == sorted(os.listdir(os.path.join(config.run_dir, "whole")))


def _check_versions(base):
    """That every version is whole: all of its files are as they were listed; returns the versions."""
    names = [name for name in os.listdir(base) if name.isdigit()] if os.path.isdir(base) else []
    for name in names:
        folder = os.path.join(base, name)
        with open(os.path.join(folder, exporting.MANIFEST), encoding="utf-8") as file:
            listed = json.load(file)["sha256"]
        assert "saved_model.pb" in listed
        assert {path: exporting.sha256(os.path.join(folder, path)) for path in listed} == listed
    return names


def test_an_export_that_was_killed_is_not_there_and_the_next_one_is_whole(harness, tmp_path):
    config = make_run(tmp_path / "run")
    base, rng = os.path.join(config.run_dir, "export"), random.Random(0)

    def export(fault=None):
        return harness.run("export/saved_model.py", fault, run_dir=config.run_dir, checkpoint="latest")

    whole = export(Fault(moment="flush"))
    assert whole.status == 0 and _check_versions(base) == ["1"], whole.text
    faults = [Fault("SIGKILL", "create", delay=6 * rng.random()) for _ in range(3)]
    faults += [Fault("SIGKILL", "flush", rng.randint(1, whole.moments)), Fault("SIGKILL", "replace", 2)]
    for fault in faults:
        outcome = export(fault)
        assert outcome.status in (KILLED, 0), outcome.text
        assert len(_check_versions(base)) >= 1
    full = export(Fault("EFBIG", "create", limit=20_000))
    assert full.status == 1 and f"error: {base} cannot be written" in full.text and "Traceback" not in full.text
    before = len(_check_versions(base))
    assert export().status == 0
    assert len(_check_versions(base)) == before + 1
