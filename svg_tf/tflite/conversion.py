"""Converts a SavedModel to a TFLite file and tries the file, in a process of its own.

The converter and the interpreter can end their process without an exception, for instance with SIGSEGV. TensorFlow's
converter makes the float32 file; LiteRT's quantizer makes the others from it.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from svg_tf import files

VARIANTS = ("float32", "float16", "dynamic_int8", "int8")
Inputs = tuple[np.ndarray, np.ndarray]  # contexts, float32 [N, P, H, W, C] in [0, 1]; eps, float32 [N, S, P-1+T, Z]


class ConversionError(ValueError):
    """A conversion without a usable file. The message says why."""


def convert(
    saved_model: str, names: Sequence[str], variant: str, inputs: Inputs, out: str, calibration: Inputs | None = None
) -> tuple[np.ndarray, float]:
    """Convert signatures of a SavedModel to the file `out` and draw futures with it.

    The float32 file is kept in the folder of the SavedModel for the other variants. The variant int8 measures its
    ranges on futures with the inputs `calibration`.

    Returns:
        The futures drawn by the interpreter, float32 [N, S, T, H, W, C], and the milliseconds per frame on one thread.

    Raises:
        ConversionError: the converter or the interpreter failed or crashed.
    """
    trial = f"{out}.npz"
    np.savez(trial, *inputs, *(calibration or ()))
    command = [sys.executable, "-m", __name__, saved_model, variant, trial, out, *names]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode < 0:
        raise ConversionError(f"the converter crashed with {signal.Signals(-done.returncode).name}")
    if done.returncode > 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise ConversionError(f"the converter failed: {lines[-1][:300] if lines else f'exit status {done.returncode}'}")
    with np.load(trial) as results:
        return results["frames"], float(results["milliseconds"])


class Interpreter:
    """The functions of a TFLite file in the LiteRT interpreter, on one thread.

    `runtime` is the file in another class with LiteRT's methods, such as the quantizer's calibration.
    """

    def __init__(self, path: str, runtime: Any = None):
        if runtime is None:
            from ai_edge_litert import interpreter as litert

            runtime = litert.Interpreter(path, num_threads=1)
        self._runners = {name: runtime.get_signature_runner(name) for name in runtime.get_signature_list()}

    def call(self, name: str, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Call a function with those of the values that are inputs of it."""
        runner = self._runners[name]
        return runner(**{key: values[key] for key in runner.get_input_details()})

    def futures(self, context: np.ndarray, eps: np.ndarray) -> np.ndarray:
        """Draw futures of one context with `rollout`, or with `observe` and `step`, float32 [S, T, H, W, C].

        The context is float32 [P, H, W, C] in [0, 1], eps [S, P-1+T, Z]. A deterministic model takes only T from eps.
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


def _main(saved_model: str, variant: str, trial: str, out: str, *names: str) -> None:
    with np.load(trial) as file:
        contexts, eps, *calibration = (file[name] for name in file.files)
    float32 = os.path.join(saved_model, f"{names[-1]}.tflite")
    if not os.path.exists(float32):
        files.write_bytes(float32, _convert(saved_model, names))
    if variant == "float32":
        shutil.copyfile(float32, out)
    else:
        files.write_bytes(out, _quantize(float32, variant, calibration))
    interpreter = Interpreter(out)
    frames = np.stack([interpreter.futures(*clip) for clip in zip(contexts, eps, strict=True)])
    np.savez(trial, frames=frames, milliseconds=_milliseconds_per_frame(interpreter, contexts[0], eps[0]))


def _milliseconds_per_frame(interpreter: Interpreter, context: np.ndarray, eps: np.ndarray) -> float:
    """Return the least time of a predicted frame in five futures after a first one, the context included."""
    times = []
    for _ in range(6):
        start = time.perf_counter()
        frames = interpreter.futures(context, eps)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times[1:]) / frames.shape[1]


def _convert(saved_model: str, names: Sequence[str]) -> bytes:
    import tensorflow as tf

    # `from_concrete_functions` would name each function serving_default.
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=list(names))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter.convert()


def _quantize(path: str, variant: str, calibration: Sequence[np.ndarray]) -> bytes:
    from ai_edge_quantizer import calibrator, qtyping, quantizer
    from ai_edge_quantizer.utils import qsv_utils

    everything, operation = ".*", qtyping.TFLOperationName
    made, ranges = quantizer.Quantizer(path), None
    if variant == "float16":
        casting = quantizer.AlgorithmName.FLOAT_CASTING
        made.add_weight_only_config(everything, operation.ALL_SUPPORTED, num_bits=16, algorithm_key=casting)
    elif variant == "dynamic_int8":
        made.add_dynamic_config(everything, operation.ALL_SUPPORTED, num_bits=8)
    else:
        # The operations with weights. XNNPACK refuses an int8 SPLIT; the quantizer refuses the CONCATENATION of a loop
        # and does not know LEAKY_RELU and EXP.
        for name in (operation.CONV_2D, operation.CONV_2D_TRANSPOSE, operation.FULLY_CONNECTED):
            made.add_static_config(everything, name, activation_num_bits=8, weight_num_bits=8)
        # The other mode, which preserves all tensors, fails with "Tensor data is null". `Quantizer.calibrate` takes a
        # moving average of the ranges, which cuts off values that the first clip lacks.
        runtime = calibrator.CalibrationInterpreter(
            path, calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED, qsv_utils.min_max_update
        )
        interpreter = Interpreter(path, runtime)
        for clip in zip(*calibration, strict=True):
            interpreter.futures(*clip)
        ranges = runtime.get_calibration_results()
    return made.quantize(ranges).quantized_model


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    _main(*sys.argv[1:])
