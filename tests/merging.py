"""Merges the requests of several clients into one, as a server with batching does."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]
_SIZES = (1, 2, 4, 8)  # of a merged batch; others are filled up with copies of its first row


class _Request(NamedTuple):
    signature: str
    inputs: Mapping[str, np.ndarray]
    answer: Future

    @property
    def kind(self) -> tuple:
        """Requests that can be merged have the same."""
        return self.signature, *((name, value.shape[1:], value.dtype) for name, value in sorted(self.inputs.items()))

    @property
    def rows(self) -> int:
        return len(next(iter(self.inputs.values())))


class Merger:
    """Runs requests that come within a short time as one batch, and gives each client its own rows.

    As in a server, a request that is refused takes those with it that it was merged with.
    """

    def __init__(self, run: Callable[[str, Arrays], Arrays], wait: float = 0.005):
        """Starts the thread that runs the batches.

        Args:
            run: runs a signature with inputs, and gives its outputs.
            wait: seconds to wait for company.
        """
        self._run, self._wait = run, wait
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        self.merged = 0  # batches of more than one request

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Runs a request, perhaps with others.

        Raises:
            ValueError: an input has no first axis, or another number of rows than the first.
        """
        request = _Request(signature, inputs, Future())
        for name, value in inputs.items():
            if value.ndim < 1 or len(value) != request.rows or not len(value):
                raise ValueError(f"input {name} has shape {value.shape}, but batches need the same first axis in all")
        self._waiting.put(request)
        return request.answer.result()

    def close(self) -> None:
        """Ends the thread, after what is waiting."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        left: list[_Request] = []  # of other kinds than the batch that was collected
        while True:
            first = left.pop(0) if left else self._waiting.get()
            if first is None:
                return
            batch, rows, end = [first], first.rows, time.monotonic() + self._wait
            for request in [request for request in left if request.kind == first.kind]:
                if rows + request.rows <= _SIZES[-1]:
                    left.remove(request)
                    batch.append(request)
                    rows += request.rows
            while rows < _SIZES[-1]:
                try:
                    found = self._waiting.get(timeout=max(0.0, end - time.monotonic()))
                except queue.Empty:
                    break
                if found is None:
                    self._waiting.put(None)
                    break
                if found.kind == first.kind and rows + found.rows <= _SIZES[-1]:
                    batch.append(found)
                    rows += found.rows
                else:
                    left.append(found)
            self.merged += len(batch) > 1
            self._answer(batch, rows)

    def _answer(self, batch: list[_Request], rows: int) -> None:
        fill = next((size for size in _SIZES if size >= rows), rows) - rows
        try:
            merged = {}
            for name in batch[0].inputs:
                parts = [request.inputs[name] for request in batch]
                merged[name] = np.concatenate([*parts, np.repeat(parts[0][:1], fill, axis=0)])
            outputs = self._run(batch[0].signature, merged)
            start = 0
            for request in batch:
                own = slice(start, start + request.rows)
                request.answer.set_result({name: value[own] for name, value in outputs.items()})
                start += request.rows
        except Exception as error:  # whatever it is, it belongs to the clients
            for request in batch:
                if not request.answer.done():
                    request.answer.set_exception(error)
