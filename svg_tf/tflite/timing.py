"""Milliseconds a frame, of a device's file and of TensorFlow.

Each is the least of several repetitions: other processes only ever make it longer.

As a command, in a process of its own since TensorFlow's threads are set once:
python tflite_timing.py SAVED_MODEL THREADS CONTEXT_NPY  prints the milliseconds of TensorFlow as JSON
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from svg_tf.tflite.device import Device

THREADS = (1, 2)
_SECONDS = 1.5
_LEAST_REPETITIONS = 8


def milliseconds(call: Callable[[], object]) -> float:
    """The least time of a call, after one that is not counted."""
    call()
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < _LEAST_REPETITIONS or time.perf_counter() - started < _SECONDS:
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return 1e3 * min(times)


def of_device(path: str, context: np.ndarray, eps: np.ndarray, threads: int) -> dict[str, float]:
    """Milliseconds of a file's functions by name; those of `rollout` are divided by its frames."""
    device = Device(path, threads)
    return _by_function(device.names, device.call, context, eps)


def of_tensorflow(saved_model: str, context: np.ndarray, eps: np.ndarray, threads: int) -> dict[str, float]:
    """As of_device, of the SavedModel that the files are converted from, run in a process of its own."""
    arrays = os.path.join(saved_model, "timing.npz")
    np.savez(arrays, context=context, eps=eps)
    command = [sys.executable, os.path.abspath(__file__), saved_model, str(threads), arrays]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _by_function(
    names: list[str], call: Callable[[str, dict], Mapping], context: np.ndarray, eps: np.ndarray
) -> dict[str, float]:
    """context: float32 [P, H, W, C]; eps: float32 [P-1+T, Z]."""
    past = len(context) - 1
    values = {"context": context[np.newaxis], "eps": eps[np.newaxis]}
    times = {}
    if "rollout" in names:
        times["rollout"] = milliseconds(lambda: call("rollout", values)) / (len(eps) - past)
    if "observe" in names:
        values["eps"] = eps[np.newaxis, :past]
        states = call("observe", values)
        times["observe"] = milliseconds(lambda: call("observe", values))
        times["step"] = milliseconds(lambda: call("step", {**states, "eps": eps[np.newaxis, past]}))
    return times


def _print_tensorflow(saved_model: str, threads: str, arrays: str) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    tf.config.threading.set_inter_op_parallelism_threads(1)
    functions = tf.saved_model.load(saved_model).signatures
    inputs = {name: set(function.structured_input_signature[1]) for name, function in functions.items()}

    def call(name: str, values: Mapping) -> Mapping:
        made = functions[name](**{key: tf.convert_to_tensor(values[key]) for key in inputs[name]})
        return {key: value.numpy() for key, value in made.items()}

    with np.load(arrays) as loaded:
        print(json.dumps(_by_function(list(functions), call, loaded["context"], loaded["eps"])))


if __name__ == "__main__":
    _print_tensorflow(*sys.argv[1:])
