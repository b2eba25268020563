"""Many clients at once: requests answered a second, how long each client waits, and whether it gets its own."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]
Ask = Callable[[str, Arrays], Arrays]
Errors = type[Exception] | tuple[type[Exception], ...]
SIGNATURE = "serving_default"
_SAME = 1e-6


class Case(NamedTuple):
    """A client's request and the answer that it got when it was alone."""

    inputs: Arrays
    frames: np.ndarray


class Result(NamedTuple):
    """What clients saw; times in seconds."""

    clients: int
    answered: int
    frames: int  # of all answers together
    seconds: float
    p50: float
    p99: float
    lost: int  # errors for right requests
    mixed_up: int  # answers that are not the client's own
    accepted: int  # answers to wrong requests

    @property
    def clean(self) -> bool:
        """Whether every right request got its own answer, and every wrong one an error."""
        return not (self.lost or self.mixed_up or self.accepted)


def make_cases(ask: Ask, context_shape: tuple[int, ...], clients: int, samples: int) -> list[Case]:
    """A case for each client, all different; contexts float32 [1, P, H, W, C] and seeds int64 [1, samples]."""
    cases = []
    for client in range(clients):
        context = np.random.default_rng(client).random([1, *context_shape], np.float32)
        seeds = client * samples + np.arange(samples, dtype=np.int64)[np.newaxis]
        inputs: Arrays = {"context": context, "seeds": seeds}
        cases.append(Case(inputs, ask(SIGNATURE, inputs)["frames"]))
    return cases


def run(ask: Ask, cases: list[Case], requests: int, wrong_every: int, error: Errors) -> Result:
    """Lets one client for each case send requests, one after the other, all clients at once.

    Args:
        ask: sends a request; called from as many threads as there are cases.
        cases: one for each client.
        requests: how many each of them sends.
        wrong_every: every n-th request of a client is not finite and must be refused; 0 sends none.
        error: what ask raises when a request is refused or fails.
    """
    waits: list[float] = []
    counts = {"lost": 0, "mixed_up": 0, "accepted": 0}
    lock, begin = threading.Lock(), threading.Barrier(len(cases) + 1)

    def client(case: Case) -> None:
        wrong = {**case.inputs, "context": np.full_like(case.inputs["context"], np.nan)}
        begin.wait()
        for number in range(1, requests + 1):
            is_wrong = wrong_every > 0 and number % wrong_every == 0
            start, fault = time.perf_counter(), None
            try:
                frames = ask(SIGNATURE, wrong if is_wrong else case.inputs)["frames"]
                own = frames.shape == case.frames.shape and np.abs(frames - case.frames).max() <= _SAME
                fault = "accepted" if is_wrong else None if own else "mixed_up"
            except error:
                fault = None if is_wrong else "lost"
            with lock:
                if fault:
                    counts[fault] += 1
                elif not is_wrong:
                    waits.append(time.perf_counter() - start)

    threads = [threading.Thread(target=client, args=(case,)) for case in cases]
    for thread in threads:
        thread.start()
    begin.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    p50, p99 = np.percentile(waits, [50, 99]) if waits else (np.nan, np.nan)
    frames = len(waits) * int(np.prod(cases[0].frames.shape[:3]))
    return Result(len(cases), len(waits), frames, seconds, p50, p99, **counts)
