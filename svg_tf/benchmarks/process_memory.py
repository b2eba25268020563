"""The memory that training takes, measured in a process of its own."""

import os
import subprocess
import sys

from svg_tf.config import Config

_STEPS = 3
_PROGRAM = """
import sys
from svg_tf.benchmarks import process_memory
from svg_tf.config import Config
print("bytes", process_memory.peak_growth(Config.load(sys.argv[1])))
"""


def of_training(config: Config) -> int:
    """Bytes that a few training steps add to a process at their highest, above TensorFlow, model and data: the
    activations, the gradients, the optimizer's slots and the kernels' scratch.

    Raises:
        RuntimeError: the process failed, for example for want of memory.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        config.save(folder)
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-c", _PROGRAM, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("bytes ")]
    if not lines:
        raise RuntimeError(f"the process that trains ended with status {done.returncode}: {done.stderr[-500:]}")
    return int(lines[-1].split()[1])


def peak_growth(config: Config) -> int:
    """As of_training, in this process, which must not have trained before."""
    from svg_tf import memory, training
    from svg_tf.data.dataset import make_dataset

    batch = next(iter(make_dataset(config, "train")))
    model = training.compiled_model(config)
    model.make_train_function()
    before = memory.resident_peak()
    for _ in range(_STEPS):
        model.train_function(iter([batch]))
    return memory.resident_peak() - before
