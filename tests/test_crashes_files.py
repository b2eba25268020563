"""Files of processes that are killed, or whose system calls fail: the old or the new content is there, complete.

The children are forks of the tests' process, so they do nothing with TensorFlow.
"""

import os
import sys

import numpy as np
import pytest
from crash_harness import KILLED, Fault, in_fork

from svg_tf import files
from svg_tf.config import Config
from svg_tf.data import videos
from svg_tf.serving import ExportError, versions
from svg_tf.training import checkpoints

_FAILURES = [("create", "ENOSPC"), ("write", "ENOSPC"), ("flush", "EIO"), ("replace", "EIO"), ("remove", "EIO")]


def _every(work, action="SIGKILL", moment="any"):
    """Yield the outcomes of a fault at the first, second and so on moment of a kind, until there is none."""
    count = 0
    while (outcome := in_fork(work, Fault(action, moment, count + 1))).moments > count:
        count += 1
        yield outcome
    assert outcome.status == 0 and count, outcome


def _leftovers(folder):
    return [name for name in os.listdir(folder) if name.startswith((".temporary-", ".tmp-"))]


def _arrays(step):
    rng = np.random.default_rng(step)
    return {"step": np.int64(step), **{f"weight_{i}": rng.random([40, 30], np.float32) for i in range(2)}}


def _complete_steps(run_dir):
    """Return the steps that have a checkpoint, each of which must be as it was saved."""
    for step in checkpoints.steps(run_dir):
        found = checkpoints.read(checkpoints.path_of(run_dir, step))
        for name, array in _arrays(step).items():
            np.testing.assert_array_equal(found[name], array)
    return checkpoints.steps(run_dir)


def _save(run_dir):
    """Save the next step."""
    step = (checkpoints.steps(run_dir) or [0])[-1] + 1
    checkpoints.save(checkpoints.path_of(run_dir, step), _arrays(step))
    checkpoints.prune(run_dir, 2, step)


def test_a_checkpoint_killed_anywhere_in_its_save_is_complete_or_not_there(tmp_path):
    run_dir, step, left = str(tmp_path), 1, 0
    _save(run_dir)
    for outcome in _every(lambda: _save(run_dir)):
        assert outcome.status == KILLED
        assert _complete_steps(run_dir)[-1] in (step, step + 1)
        step = _complete_steps(run_dir)[-1]
        folder = checkpoints.folder(run_dir)
        assert len(_leftovers(folder)) <= 1
        left += len(_leftovers(folder))
        files.remove_temporary_files(folder)
        assert not _leftovers(folder)
    assert step > 1 and left > 5
    assert _complete_steps(run_dir) == [step, step + 1]


@pytest.mark.parametrize(("moment", "action"), _FAILURES)
def test_a_checkpoint_that_cannot_be_written_is_an_error_and_the_old_ones_stay(tmp_path, moment, action):
    run_dir = str(tmp_path)
    _save(run_dir)
    _save(run_dir)
    for outcome in _every(lambda: _save(run_dir), action, moment):
        if outcome.status == 0:  # the flush of the folder: not every file system has it
            assert moment == "flush"
        else:
            assert outcome.status == 1 and os.strerror(5 if action == "EIO" else 28) in outcome.text
            assert f"{checkpoints.folder(run_dir)}/step_0000000" in outcome.text
        assert not _leftovers(checkpoints.folder(run_dir))
        assert len(_complete_steps(run_dir)) >= 2


def test_a_file_that_is_being_written_is_left_alone(tmp_path):
    def writer(temporary):
        files.remove_temporary_files(str(tmp_path))
        with open(temporary, "w") as file:
            file.write("whole")

    files.write_with(str(tmp_path / "file"), writer)
    assert (tmp_path / "file").read_text() == "whole" and os.listdir(tmp_path) == ["file"]


def _complete(folder):
    """Return whether a version is complete: its list of files is written last."""
    sizes = [os.path.join(folder, name) for name in ("0", "100", "list")]
    return not os.path.exists(sizes[-1]) or [os.path.getsize(path) for path in sizes[:2]] == [0, 100]


def _publish(base):
    def write(folder):
        for size in (0, 100):
            files.write_bytes(os.path.join(folder, str(size)), bytes(size))
        files.write_text(os.path.join(folder, "list"), "0 100")

    try:
        versions.publish(base, None, write)
    except ExportError as error:
        sys.exit(f"error: {error}")


def test_a_version_killed_anywhere_in_its_export_is_complete_or_not_there(tmp_path):
    base = str(tmp_path)
    for outcome in _every(lambda: _publish(base)):
        assert outcome.status == KILLED
        assert all(_complete(os.path.join(base, name)) for name in os.listdir(base) if name.isdigit())
    assert versions.latest(base)  # what killed exports leave is removed after a day


@pytest.mark.parametrize(("moment", "action"), _FAILURES[:-1])
def test_a_version_that_cannot_be_written_leaves_nothing(tmp_path, moment, action):
    base = str(tmp_path)
    for outcome in _every(lambda: _publish(base), action, moment):
        assert outcome.status in (0, 1), outcome.text
        if outcome.status:
            assert "cannot be written" in outcome.text and "Traceback" not in outcome.text
        assert not _leftovers(base)
        assert all(_complete(os.path.join(base, name)) for name in os.listdir(base))


def test_a_preparation_killed_anywhere_goes_on_to_the_same_cache(tmp_path):
    (tmp_path / "clips").mkdir()
    for number in range(2):
        clip = np.random.default_rng(number).integers(0, 256, [20, 32, 32], np.uint8)
        np.save(tmp_path / "clips" / f"{number}.npy", clip)
    (tmp_path / "clips" / "broken.mp4").write_bytes(b"text")

    def prepare(name):
        settings = {"dataset": "videos", "image_width": 32, "n_past": 2, "n_future": 3, "n_eval": 8}
        config = Config(data_dir=str(tmp_path / "clips"), cache_dir=str(tmp_path / name), **settings)
        videos.prepare(config, retry=True)

    def cache(name):
        return {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}

    assert in_fork(lambda: prepare("whole")).status == 0
    expected = cache("whole")
    next((tmp_path / "whole").rglob("skipped.json")).with_name(".temporary-killed").touch()
    assert in_fork(lambda: prepare("whole")).status == 0 and cache("whole") == expected
    for outcome in _every(lambda: prepare("cut")):
        assert outcome.status == KILLED
        found = {name: data for name, data in cache("cut").items() if not name.startswith(".temporary-")}
        assert found.items() <= cache("whole").items()
    assert cache("cut") == cache("whole")
