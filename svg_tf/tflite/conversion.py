"""Conversions, each in a process of its own: the converter can end its process without a word."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

VARIANTS = ("float32", "float16", "dynamic_int8", "int8")
CONVERTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tflite_converter.py")


class ConversionError(ValueError):
    """A conversion that gave no file; the message says what became of it."""


def convert(saved_model: str, names: Sequence[str], variant: str, calibration: str, out: str) -> None:
    """Converts the named signatures of a SavedModel and writes the file `out`.

    Args:
        saved_model: folder of the SavedModel.
        names: the signatures that the file will have.
        variant: one of VARIANTS: all float32; float16 weights; int8 weights, and activations as they come
            (dynamic_int8); int8 weights and activations, their ranges calibrated beforehand (int8). Inputs and outputs
            are float32 always.
        calibration: an npz for int8, see `tflite_calibration.examples`.
        out: the file to write.

    Raises:
        ConversionError: the converter failed, crashed or wrote nothing.
    """
    command = [sys.executable, CONVERTER, saved_model, variant, calibration, out, *names]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode < 0:
        raise ConversionError(f"the converter crashed: its process was ended by {_signal_name(-done.returncode)}")
    if done.returncode > 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1][:300] if lines else f"exit status {done.returncode}"
        raise ConversionError(f"the converter failed: {reason}")
    if not os.path.exists(out):
        raise ConversionError("the converter ended without an error and without a file")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
