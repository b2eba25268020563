"""Converts a SavedModel to a TFLite file and tries the file, in a process of its own.

The converter and the interpreter can end their process without an exception, for instance with SIGSEGV. TensorFlow's
converter makes the float32 file; LiteRT's quantizer makes the others from it.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence

import numpy as np

from svg_tf import files
from svg_tf.tflite.interpreter import Interpreter, milliseconds_per_frame

VARIANTS = ("float32", "float16", "dynamic_int8", "int8")
Inputs = tuple[np.ndarray, np.ndarray]  # contexts, float32 [N, P, H, W, C] in [0, 1]; eps, float32 [N, S, P-1+T, Z]


class ConversionError(ValueError):
    """A conversion without a usable file. The message says why."""


def convert(
    saved_model: str, names: Sequence[str], variant: str, inputs: Inputs, out: str, calibration: Inputs | None = None
) -> tuple[np.ndarray, float]:
    """Convert signatures of a SavedModel to the file `out` and draw futures with it.

    Args:
        saved_model: folder of the SavedModel. The float32 file is kept in it for the other variants.
        names: signatures that the file will have.
        variant: one of VARIANTS: float32; float16 weights; dynamic_int8, int8 weights with activations quantized while
            the file runs; int8, the same with ranges of the activations measured beforehand.
        inputs: of the futures to draw.
        out: path of the file.
        calibration: inputs of the futures from which int8 measures its ranges.

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
    np.savez(trial, frames=frames, milliseconds=milliseconds_per_frame(interpreter, contexts[0], eps[0]))


def _convert(saved_model: str, names: Sequence[str]) -> bytes:
    """Return a float32 file with these signatures of a SavedModel."""
    import tensorflow as tf

    # `from_concrete_functions` would name each function serving_default.
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=list(names))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter.convert()


def _quantize(path: str, variant: str, calibration: Sequence[np.ndarray]) -> bytes:
    """Return a float32 file in another variant."""
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
