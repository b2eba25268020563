"""Training by a program, with one made of NumPy in the place of the compiled one."""

import os
import re
import signal
import sys

import numpy as np
import pytest

from svg_tf.program.runner import command, measuring
from svg_tf.program.runner import description as description_lib
from svg_tf.program.runner.description import Description
from svg_tf.program.runner.parts import ProgramError
from svg_tf.program.runner.session import Limits, Session

UNLIMITED = Limits(seconds=float("inf"), save_seconds=0.0, report_seconds=0.0, part_bytes=1000)


class Adding:
    """A program whose step adds the digits' sum to its only weight and loses what the weight then is."""

    class device:  # noqa: N801
        platform = "cpu"

    def __init__(self, total_steps=10, steps_per_call=4, sha256="abc", **changes):
        values = {
            "kind": "train",
            "steps_per_call": steps_per_call,
            "total_steps": total_steps,
            "arguments": ("digits", "model/weight", "model/svg/updates"),
            "results": ("losses", "model/weight", "model/svg/updates"),
            "frames_per_step": 30,
            "flops_per_step": 1e6,
            "expected": (),
            "config": {"mixed_precision": "off"},
            "sha256": sha256,
            "versions": {},
        }
        self.description = Description(**{**values, **changes})
        self.calls = 0
        self.on_call = lambda: None

    def put(self, arrays):
        return {name: arrays[name] for name in arrays if name in self.description.arguments}

    def call(self, state, inputs):
        self.calls += 1
        self.on_call()
        losses = np.zeros([self.description.steps_per_call, 3], np.float32)
        weight, step = float(state["model/weight"]), int(state["model/svg/updates"])
        for row in losses[: self.description.total_steps - step]:
            weight, step = weight + inputs["digits"].sum(), step + 1
            row[:] = weight, weight / 2, 1.0
        return losses, {"model/weight": np.float32(weight), "model/svg/updates": np.int64(step)}

    def memory(self):
        return {}

    def costs(self):
        return {}


class Clock:
    """Seconds that pass with every call of a program."""

    def __init__(self, executable, seconds):
        self.now = 0.0

        def tick():
            self.now += seconds

        executable.on_call = tick

    def __call__(self):
        return self.now


INITIAL = {"model/weight": np.float32(0), "model/svg/updates": np.int64(0), "optimizer/unused": np.ones(3, np.float32)}
DIGITS = {"digits": np.ones([2, 1, 1], np.uint8)}


def train(executable, folder, limits=UNLIMITED, **options):
    lines = []
    step = Session(executable, str(folder), limits, lines.append, **options).run(INITIAL, DIGITS)
    return step, lines


def stored(folder, executable):
    return description_lib.read_state(str(folder), executable.description)[0]


def test_it_trains_to_the_end_of_the_run_and_stores_the_state_and_the_mean_losses(tmp_path):
    executable = Adding()
    step, lines = train(executable, tmp_path)
    assert step == 10
    assert executable.calls == 3
    arrays = stored(tmp_path, executable)
    assert arrays["model/weight"] == 20
    np.testing.assert_array_equal(arrays["optimizer/unused"], INITIAL["optimizer/unused"])  # no argument, yet kept
    rows = (tmp_path / "losses.csv").read_text().splitlines()
    assert rows[0] == "step,loss,reconstruction_loss,kl,seconds"
    assert [row.rsplit(",", 1)[0] for row in rows[1:]] == ["4,5,2.5,1", "8,13,6.5,1", "10,19,9.5,1"]
    assert any(re.match(r"step 8 of 10, .* steps/s, .* frames/s, loss 13, .*; all done in 0:00:0\d", x) for x in lines)


def test_it_goes_on_from_the_state_that_was_stored_and_forgets_later_losses(tmp_path):
    executable = Adding()
    clock = Clock(executable, 60.0)
    step, lines = train(executable, tmp_path, UNLIMITED._replace(seconds=130.0), clock=clock)
    assert step == 8
    assert "stopped at step 8 (the time is over)" in lines[-1]
    with open(tmp_path / "losses.csv", "a") as file:
        file.write("10,99,99,99,1.0\n")  # of a call after the last save
    step, _ = train(executable, tmp_path)
    assert step == 10
    assert stored(tmp_path, executable)["model/weight"] == 20
    rows = (tmp_path / "losses.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "4", "8", "10"]
    assert rows[-1].startswith("10,19,")
    calls = executable.calls
    assert train(executable, tmp_path)[0] == 10
    assert executable.calls == calls


def test_it_ends_before_a_call_that_would_not_fit_into_the_time(tmp_path):
    executable = Adding(total_steps=100)
    clock = Clock(executable, 60.0)
    step, _ = train(executable, tmp_path, UNLIMITED._replace(seconds=179.0, save_seconds=1e9), clock=clock)
    assert step == 8  # two calls of a minute; a third would end after 180 s
    assert clock.now == 120
    assert stored(tmp_path, executable)["model/weight"] == 16


def test_it_saves_as_often_as_it_is_told(tmp_path):
    executable = Adding(total_steps=24)
    clock = Clock(executable, 60.0)
    _, lines = train(executable, tmp_path, UNLIMITED._replace(save_seconds=100.0), clock=clock)
    saves = [int(re.search(r"state of step (\d+)", line)[1]) for line in lines if line.startswith("stored")]
    assert saves == [8, 16, 24]


def test_a_signal_ends_it_after_the_call_at_hand(tmp_path):
    executable = Adding(total_steps=100)
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    lines = []
    session = Session(executable, str(tmp_path), UNLIMITED._replace(save_seconds=1e9), lines.append)
    executable.on_call = lambda: executable.calls == 2 and os.kill(os.getpid(), signal.SIGTERM)
    try:
        session.stop_on_signals()
        assert session.run(INITIAL, DIGITS) == 8
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    assert "SIGTERM: storing the state after this call" in lines
    assert stored(tmp_path, executable)["model/weight"] == 16


def test_a_loss_that_is_no_number_ends_it_and_keeps_the_last_state(tmp_path):
    executable = Adding()
    call = executable.call

    def broken(state, inputs):
        losses, state = call(state, inputs)
        if executable.calls == 2:
            losses[1] = np.nan
        return losses, state

    executable.call = broken
    with pytest.raises(ProgramError, match="a loss before step 8 is not finite; the last state"):
        train(executable, tmp_path)
    assert stored(tmp_path, executable)["model/svg/updates"] == 4


def test_a_weight_that_is_no_number_is_not_stored(tmp_path):
    executable = Adding()
    call = executable.call

    def broken(state, inputs):
        losses, state = call(state, inputs)
        return losses, {**state, "model/weight": np.float32(np.inf)}

    executable.call = broken
    with pytest.raises(ProgramError, match="model/weight is not finite"):
        train(executable, tmp_path)
    assert os.listdir(tmp_path) == []


def test_the_state_of_another_program_is_refused(tmp_path):
    train(Adding(), tmp_path)
    with pytest.raises(ProgramError, match="state.json is the state of another program; name another folder"):
        train(Adding(sha256="def"), tmp_path)


def test_the_check_compares_the_first_steps_across_calls():
    wanted = [(2.0 * k, float(k), 1.0) for k in range(1, 7)]
    result = measuring.check(Adding(expected=tuple(wanted)), INITIAL, DIGITS)
    assert (result["steps"], result["difference"], result["equal"]) == (6, 0.0, True)
    wanted[4] = (10.0, 5.0, 1.01)
    result = measuring.check(Adding(expected=tuple(wanted)), INITIAL, DIGITS)
    assert not result["equal"]
    assert result["difference"] == pytest.approx(0.01, rel=0.02)
    assert measuring.worst_loss(result) == "kl of step 5 is 1, not 1.01"
    assert measuring.check(Adding(expected=tuple(wanted)), INITIAL, DIGITS, tolerance=0.02)["equal"]


def test_a_kl_that_is_next_to_nothing_is_compared_with_a_thousandth_of_the_loss():
    apart = measuring._apart(np.array([[2000.0, 1999.0, 0.01]]), np.array([[2000.0, 2000.0, 0.03]]))
    np.testing.assert_allclose(apart, [[0, 0.0005, 0.01]])


def test_a_check_does_not_pass_for_losses_that_are_no_numbers():
    result = measuring.check(Adding(expected=((2.0, 1.0, 1.0),)), {**INITIAL, "model/weight": np.nan}, DIGITS)
    assert not result["equal"]


def test_a_check_without_losses_to_compare_with_says_so():
    with pytest.raises(ProgramError, match="has no expected losses"):
        measuring.check(Adding(), INITIAL, DIGITS)


def test_reduced_precision_and_gpus_are_allowed_more():
    reduced = Adding(config={"mixed_precision": "bfloat16"}).description
    allowed = [
        measuring.default_tolerance(description, platform)
        for description, platform in ((Adding().description, "cpu"), (reduced, "cpu"), (reduced, "cuda"))
    ]
    assert allowed[0] < allowed[1] < allowed[2]


def test_time_is_taken_over_whole_calls_and_begins_anew_at_the_end_of_the_run():
    executable = Adding(total_steps=8)
    result = measuring.time_steps(executable, INITIAL, DIGITS, seconds=1e-9)
    assert result["calls"] >= 3
    assert result["frames_per_second"] == pytest.approx(30 / result["step_seconds"])
    assert result["flops_per_second"] == pytest.approx(1e6 / result["step_seconds"])


def test_a_program_of_kind_step_takes_its_batches_in_turn():
    executable = Adding(kind="step", arguments=("frames", "model/weight", "model/svg/updates"))
    batches = measuring.batches(executable, {"frames": np.arange(3), "digits": np.zeros(1)})
    assert batches == [{"frames": 0}, {"frames": 1}, {"frames": 2}]


def test_a_machine_without_jax_is_told_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ProgramError, match="JAX is not installed here .*; pip install jax"):
        command._compile("", b"", Adding().description, "out", {})
