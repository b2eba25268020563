"""Runs a TFLite file with the LiteRT interpreter."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np


class Interpreter:
    """The functions of a TFLite file, `names`, on one thread.

    Args:
        path: the file.
        runtime: the file in another class with LiteRT's methods, such as the quantizer's calibration.

    Raises:
        ValueError: it is not a TFLite file, or has operations that the interpreter lacks.
    """

    def __init__(self, path: str, runtime: Any = None):
        if runtime is None:
            from ai_edge_litert import interpreter as litert

            runtime = litert.Interpreter(path, num_threads=1)
        self.names = sorted(runtime.get_signature_list())
        self._runners = {name: runtime.get_signature_runner(name) for name in self.names}

    def call(self, name: str, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Call a function with those of the values that are inputs of it."""
        runner = self._runners[name]
        return runner(**{key: values[key] for key in runner.get_input_details()})

    def futures(self, context: np.ndarray, eps: np.ndarray) -> np.ndarray:
        """Draw the futures of one context with `rollout`, or with `observe` and `step`.

        Args:
            context: float32 [P, H, W, C] in [0, 1].
            eps: float32 [S, P-1+T, Z]; a deterministic model takes only T from it.

        Returns:
            Frames, float32 [S, T, H, W, C].
        """
        context, past = context[np.newaxis], len(context) - 1
        if "rollout" in self._runners:
            return self.call("rollout", {"context": context, "eps": eps})["frames"]
        state, frames = self.call("observe", {"context": context, "eps": eps[:, :past]}), []
        for t in range(past, eps.shape[1]):
            outputs = self.call("step", {**state, "eps": eps[:, t]})
            frames.append(outputs["frame"])
            state |= outputs
        return np.stack(frames, axis=1)


def milliseconds_per_frame(interpreter: Interpreter, context: np.ndarray, eps: np.ndarray) -> float:
    """Return the least time of a predicted frame in five futures after a first one, the context included."""
    times = []
    for _ in range(6):
        start = time.perf_counter()
        frames = interpreter.futures(context, eps)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times[1:]) / frames.shape[1]
