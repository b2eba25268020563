"""The training step as a program to be measured on a machine that has a GPU and JAX, and no TensorFlow."""

from typing import Any

from svg_tf.config import Config
from svg_tf.program import writer


def write(config: Config, folder: str, *, kind: str = "", steps_per_call: int = 100, expected_steps: int = 3) -> dict:
    """Writes the program's folder; docs/gpu_program.md says how to run it there.

    Args:
        config: the run's; its batch size and number format are the program's.
        folder: a new or empty one.
        kind: step, train, or empty for train where the data can be drawn inside and step elsewhere.
        steps_per_call: as writer.write.
        expected_steps: as writer.write.

    Returns:
        What writer.write returns, with the folder.

    Raises:
        ConfigError, DataError, CheckpointError: as writer.write.
    """
    kind = kind or ("train" if config.dataset == "smmnist" else "step")
    found = writer.write(config, folder, kind, steps_per_call=steps_per_call, expected_steps=expected_steps)
    return {"folder": folder, **found}


def lines(results: dict[str, Any]) -> list[str]:
    """What to tell about a program that was written."""
    expected = results["expected"]
    checked = f"the losses of {len(expected)} steps to compare with" if expected else "no losses to compare with"
    return [
        f"{results['folder']}: a program of kind {results['kind']}, {results['flops_per_step'] / 1e9:,.0f} GFLOP a "
        f"step, {results['code_bytes'] / 1e3:,.0f} kB, lowered in {results['lowering_seconds']:.1f} s; it begins at "
        f"step {results['first_step']} and has {checked}",
        "copy the folder to a machine with JAX and run it there:",
        "  python run_program.py check time torch",
        *(["  python run_program.py train --minutes=30"] if results["kind"] == "train" else []),
    ]
