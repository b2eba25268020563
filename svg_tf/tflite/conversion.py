"""Converts a SavedModel to a TFLite file and tries the file, in a process of its own.

The converter and the interpreter can end their process without an exception, for instance with SIGSEGV.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import numpy as np

VARIANTS = ("float32", "float16", "dynamic_int8")


class ConversionError(ValueError):
    """A conversion without a usable file. The message says why."""


def convert(
    saved_model: str, names: Sequence[str], variant: str, contexts: np.ndarray, eps: np.ndarray, out: str
) -> tuple[np.ndarray, float]:
    """Convert signatures of a SavedModel to the file `out` and draw futures with it.

    Args:
        saved_model: folder of the SavedModel.
        names: signatures that the file will have.
        variant: one of VARIANTS: float32; float16 weights; int8 weights with activations quantized while it runs.
        contexts: float32 [N, P, H, W, C] in [0, 1].
        eps: float32 [N, S, P-1+T, Z].
        out: path of the file.

    Returns:
        The futures drawn by the interpreter, float32 [N, S, T, H, W, C], and the milliseconds per frame on one thread.

    Raises:
        ConversionError: the converter or the interpreter failed or crashed.
    """
    trial = f"{out}.npz"
    np.savez(trial, contexts=contexts, eps=eps)
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
    import tensorflow as tf

    from svg_tf.tflite.interpreter import Interpreter, milliseconds_per_frame

    # `from_concrete_functions` would name each function serving_default.
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=list(names))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    content = converter.convert()
    with open(out, "wb") as file:
        file.write(content)
    with np.load(trial) as arrays:
        contexts, eps = arrays["contexts"], arrays["eps"]
    interpreter = Interpreter(out)
    frames = np.stack([interpreter.futures(*clip) for clip in zip(contexts, eps, strict=True)])
    np.savez(trial, frames=frames, milliseconds=milliseconds_per_frame(interpreter, contexts[0], eps[0]))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    _main(*sys.argv[1:])
