"""The machine in a line, which decides the last bits of numbers and how long they took."""

import os
import platform

import tensorflow as tf


def describe() -> str:
    """Processor, its cores, GPUs and the version of TensorFlow."""
    parts = [f"{_processor()}, {os.cpu_count()} cores"]
    for device in tf.config.list_physical_devices("GPU"):
        parts.append(tf.config.experimental.get_device_details(device).get("device_name", "a GPU"))
    return ", ".join([*parts, f"TensorFlow {tf.__version__}"])


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        lines = []
    return lines[0] if lines else platform.processor() or platform.machine()
