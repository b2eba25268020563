"""Evaluations that end while they publish: no table is half there, and none beside those of another evaluation."""

import json
import os

import pytest
from evaluated_run import kept_models, make_run, run_evaluation, tables

from svg_tf import report


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with kept_models():
        config = make_run(tmp_path_factory.mktemp("evaluated"))
        run_evaluation(config, "whole")
        yield config


class _Crash(BaseException):
    pass


def _crash_at(monkeypatch, name):
    """Ends the program, as it were, where a file of a name is published."""
    replace = os.replace

    def crash(source, target):
        if os.path.basename(target) == name:
            raise _Crash
        replace(source, target)

    monkeypatch.setattr(os, "replace", crash)


@pytest.mark.parametrize(
    "name",
    [
        "per_clip.csv",
        pytest.param("per_frame.csv", marks=pytest.mark.slow),
        pytest.param("examples.npz", marks=pytest.mark.slow),
        pytest.param("metrics.json", marks=pytest.mark.slow),
    ],
)
def test_what_ends_while_it_publishes_is_not_taken_for_whole_and_goes_on_to_the_same(run, monkeypatch, name):
    folder = os.path.join(run.run_dir, name)
    run_evaluation(run, name, n_clips=2, seed=5)  # another one, in the same folder
    report.write_report(folder)
    with monkeypatch.context() as patch:
        _crash_at(patch, name)
        with pytest.raises(_Crash):
            run_evaluation(run, name)
    assert not os.path.exists(os.path.join(folder, "metrics.json"))
    assert not os.path.exists(os.path.join(folder, "report.html"))
    run_evaluation(run, name)
    assert tables(run, name) == tables(run, "whole")


def test_a_report_that_ends_while_it_is_published_is_not_there(run, monkeypatch):
    folder = os.path.join(run.run_dir, "whole")
    with monkeypatch.context() as patch:
        _crash_at(patch, "report.html")
        with pytest.raises(_Crash):
            report.write_report(folder)
    assert not os.path.exists(os.path.join(folder, "report.html"))
    report.write_report(folder)
    assert os.path.exists(os.path.join(folder, "report.html"))


def test_a_full_disk_before_anything_is_published_leaves_the_evaluation_that_was_there(run, monkeypatch):
    run_evaluation(run, "kept", n_clips=2)
    before = tables(run, "kept")

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("svg_tf.evaluation.results.csv.writer", full)
    with pytest.raises(OSError, match=r"No space left on device: .*kept/per_clip\.csv"):
        run_evaluation(run, "kept")
    assert tables(run, "kept") == before
    with open(os.path.join(run.run_dir, "kept", "metrics.json"), encoding="utf-8") as file:
        assert json.load(file)["n_clips"] == 2
