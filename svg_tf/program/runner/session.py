"""Training with a program: the host keeps the time, shows progress and stores the state."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import description as description_lib
from . import parts
from .description import LOSS_NAMES, UPDATES
from .parts import Arrays, ProgramError

if TYPE_CHECKING:
    from .executable import Executable, State

_LOG = "losses.csv"


class Limits(NamedTuple):
    """When a session ends and what it writes on the way; times in seconds."""

    seconds: float  # of the session, its last save included; infinity for none
    save_seconds: float  # between two saves
    report_seconds: float  # between two lines of progress
    part_bytes: int  # the most of a file


class Session:
    """A run's training on one device, from a state to the end of the run or of the time.

    Args:
        executable: a program of kind train.
        folder: where states and losses.csv go; the state that lies there is gone on from.
        limits: times and sizes.
        report: takes the lines of progress.
        clock: seconds that pass.
    """

    def __init__(
        self,
        executable: Executable,
        folder: str,
        limits: Limits,
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._executable, self._folder, self._limits = executable, folder, limits
        self._report, self._clock = report, clock
        self._began = clock()
        self._asked = False
        self._rows: list[str] = []
        self._longest_call = self._longest_save = 0.0

    def run(self, initial: Arrays, inputs: Arrays) -> int:
        """Trains, and returns the number of updates made since the run's beginning.

        Args:
            initial: the run's first state, for a folder that holds none.
            inputs: the digits.

        Raises:
            ProgramError: the folder's state is damaged or of another program, or a loss is not finite; the last
                state stored is kept.
        """
        description = self._executable.description
        arrays = self._resumed() or initial
        step = first = int(arrays[UPDATES])
        state, digits = self._executable.put(arrays), self._executable.put(inputs)
        self._report(f"step {step} of {description.total_steps}")
        saved, reported, started = step, self._clock(), self._clock()
        last_save = started
        while step < description.total_steps:
            begun = self._clock()
            losses, state = self._executable.call(state, digits)
            now = self._clock()
            made, step = step, int(state[UPDATES])
            self._log(step, losses[: step - made], now - begun)
            self._longest_call = max(self._longest_call, now - begun)
            if now - reported >= self._limits.report_seconds or step >= description.total_steps:
                reported = now
                self._report(self._progress(step, step - first, now - started, losses[: step - made]))
            if self._asked or self._is_over(now):
                break
            if now - last_save >= self._limits.save_seconds:
                self._save(arrays, state)
                saved, last_save = step, self._clock()
        if saved < step:
            self._save(arrays, state)
        if step < description.total_steps:
            why = "asked to" if self._asked else "the time is over"
            self._report(f"stopped at step {step} ({why}); the same command goes on from there")
        return step

    def stop_on_signals(self) -> None:
        """SIGINT and SIGTERM ask for a stop after the call at hand; a second one ends the program at once."""

        def ask(number, _frame):
            self._asked = True
            self._report(f"{signal.Signals(number).name}: storing the state after this call")
            signal.signal(number, signal.SIG_DFL)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, ask)

    def _resumed(self) -> Arrays | None:
        if not os.path.exists(os.path.join(self._folder, f"{description_lib.STATE}.json")):
            return None
        arrays, step = description_lib.read_state(self._folder, self._executable.description)
        log = os.path.join(self._folder, _LOG)
        if os.path.exists(log):
            with open(log, encoding="utf-8") as file:
                rows = file.read().splitlines()[1:]
            self._rows = [row for row in rows if int(row.split(",")[0]) <= step]
        return arrays

    def _is_over(self, now: float) -> bool:
        """Whether another call and a save would not fit into the time."""
        ahead = self._longest_call + 1.5 * self._longest_save
        return now - self._began + ahead > self._limits.seconds

    def _log(self, step: int, losses: np.ndarray, seconds: float) -> None:
        if not np.all(np.isfinite(losses)):
            raise ProgramError(
                f"a loss before step {step} is not finite; the last state stored in {self._folder} is kept; "
                "write the program of a run with a lower --learning_rate or a --clip_norm"
            )
        means = ",".join(f"{value:.9g}" for value in losses.mean(axis=0, dtype=np.float64))
        self._rows.append(f"{step},{means},{seconds:.3f}")

    def _save(self, before: Arrays, state: State) -> None:
        begun = self._clock()
        arrays = before | {name: np.asarray(array) for name, array in state.items()}
        broken = [name for name, array in arrays.items() if not np.all(np.isfinite(array))]
        if broken:
            raise ProgramError(f"{broken[0]} is not finite; the last state stored in {self._folder} is kept")
        description_lib.write_state(self._folder, self._executable.description, arrays, self._limits.part_bytes)
        header = ",".join(("step", *LOSS_NAMES, "seconds"))
        parts.write_bytes(os.path.join(self._folder, _LOG), "\n".join([header, *self._rows, ""]).encode())
        taken = self._clock() - begun
        self._longest_save = max(self._longest_save, taken)
        self._report(f"stored the state of step {int(arrays[UPDATES])} in {self._folder} ({taken:.1f} s)")

    def _progress(self, step: int, made: int, seconds: float, losses: np.ndarray) -> str:
        description = self._executable.description
        rate = made / seconds
        means = dict(zip(LOSS_NAMES, losses.mean(axis=0), strict=True))
        left = self._limits.seconds - (self._clock() - self._began)
        limit = f", {_duration(left)} left" if math.isfinite(left) else ""
        return (
            f"step {step} of {description.total_steps}, {rate:.3g} steps/s, "
            f"{rate * description.frames_per_step:,.0f} frames/s, "
            + ", ".join(f"{name} {value:.5g}" for name, value in means.items())
            + f"; all done in {_duration((description.total_steps - step) / rate)}{limit}"
        )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
