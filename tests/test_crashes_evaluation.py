"""Evaluations that end while they write: no file is incomplete, and none stands beside those of another evaluation."""

import os

import pytest
from evaluated_run import kept_parts, make_run, run_evaluation, tables


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with kept_parts():
        config = make_run(tmp_path_factory.mktemp("evaluated"))
        run_evaluation(config, "whole")
        yield config


class _Crash(BaseException):
    pass


def _crash_at(monkeypatch, name):
    """End the program when a file of this name is published."""
    replace = os.replace

    def crash(source, target):
        if os.path.basename(target) == name:
            raise _Crash
        replace(source, target)

    monkeypatch.setattr(os, "replace", crash)


@pytest.mark.parametrize("name", ["per_clip.csv", "per_frame.csv", "examples.npz", "metrics.json"])
def test_a_crash_leaves_no_result_and_the_same_command_completes_it(run, monkeypatch, name):
    folder = os.path.join(run.run_dir, name)
    run_evaluation(run, name, n_clips=2, seed=5)  # another evaluation in the same folder
    open(os.path.join(folder, "report.html"), "w").close()
    with monkeypatch.context() as patch:
        _crash_at(patch, name)
        with pytest.raises(_Crash):
            run_evaluation(run, name)
    assert not os.path.exists(os.path.join(folder, "metrics.json"))
    assert not os.path.exists(os.path.join(folder, "report.html"))
    run_evaluation(run, name)
    assert tables(run, name) == tables(run, "whole")
