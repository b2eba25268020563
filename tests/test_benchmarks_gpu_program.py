"""What the benchmark says of a program."""

import pytest

from svg_tf.benchmarks import gpu_program
from svg_tf.program import writer

FOUND = {
    "arguments": 4,
    "code_bytes": 200_000,
    "lowering_seconds": 12.0,
    "flops_per_step": 2.1e12,
    "first_step": 7,
    "expected": ((1.0, 1.0, 0.1),) * 3,
}


@pytest.fixture
def written(monkeypatch):
    """The arguments that programs were written with; none is."""
    calls = []

    def write(config, folder, kind, **options):
        calls.append((folder, kind, options))
        return {"kind": kind, **FOUND}

    monkeypatch.setattr(writer, "write", write)
    return calls


def test_clips_are_drawn_inside_where_they_can_be(small, written):
    bair = {"dataset": "bair", "channels": 3, "image_width": 64}
    gpu_program.write(small(), "a")
    gpu_program.write(small(), "b", kind="step", expected_steps=0)
    gpu_program.write(small(**bair), "c", steps_per_call=5)
    assert [(folder, kind) for folder, kind, _ in written] == [("a", "train"), ("b", "step"), ("c", "step")]
    assert [options["expected_steps"] for *_, options in written] == [3, 0, 3]
    assert [options["steps_per_call"] for *_, options in written] == [100, 100, 5]


def test_it_says_how_to_run_the_program(small, written):
    lines = gpu_program.lines(gpu_program.write(small(), "folder"))
    assert lines[0] == (
        "folder: a program of kind train, 2,100 GFLOP a step, 200 kB, lowered in 12.0 s; it begins at step 7 and has "
        "the losses of 3 steps to compare with"
    )
    assert lines[-1] == "  python run_program.py train --minutes=30"
    lines = gpu_program.lines({**gpu_program.write(small(), "folder", kind="step"), "expected": ()})
    assert lines[0].endswith("no losses to compare with")
    assert not any("train" in line for line in lines)
