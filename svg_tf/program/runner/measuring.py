"""Checks and measurements of a program on the device at hand."""

from __future__ import annotations

import itertools
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from .description import LOSS_NAMES, UPDATES, Description
from .parts import Arrays, ProgramError
from .torch_timing import median_seconds

if TYPE_CHECKING:
    import jax

    from .executable import Executable, State

# Of the losses of the first steps. A CPU computes float32 products in full, a GPU rounds their factors to TF32. Sums
# over a batch are rounded otherwise too, and Adam's first updates enlarge it: with 100 clips of the SM-MNIST recipe
# the losses of TensorFlow and JAX on a CPU were 1e-5 apart in the first step and 2e-4 in the second, the KL 2e-3.
# In bfloat16 the second KL was 0.011 apart for SM-MNIST and 0.012 for BAIR, TensorFlow's own 0.027 from its float32.
_TOLERANCES = {
    ("cpu", "float32"): 5e-3,
    ("cpu", "bfloat16"): 3e-2,
    ("gpu", "float32"): 2e-2,
    ("gpu", "bfloat16"): 5e-2,
}


def batches(executable: Executable, inputs: Arrays) -> list[State]:
    """What the calls take in turn, on the device: the batches stored, or the digits every time."""
    if executable.description.kind == "train":
        return [executable.put(inputs)]
    return [executable.put({"frames": frames}) for frames in inputs["frames"]]


def check(executable: Executable, state: Arrays, inputs: Arrays, tolerance: float = 0.0) -> dict:
    """Makes the first steps and compares their losses with the stored ones.

    Args:
        executable: the program.
        state: what it begins with.
        inputs: its inputs.
        tolerance: largest relative difference of a loss; 0 takes one that fits device and number format.

    Returns:
        Fit for JSON: steps, losses, expected, difference (the largest relative one), tolerance, equal.

    Raises:
        ProgramError: the program was written without expected losses.
    """
    expected = np.asarray(executable.description.expected, np.float64)
    if not len(expected):
        raise ProgramError("the program has no expected losses; write it with some, or do not check it")
    on_device, batch = executable.put(state), batches(executable, inputs)
    made: list[np.ndarray] = []
    while len(made) < len(expected):
        losses, on_device = executable.call(on_device, batch[len(made) % len(batch)])
        made.extend(losses)
    losses = np.asarray(made[: len(expected)], np.float64)
    difference = float(np.max(_apart(losses, expected)))
    tolerance = tolerance or default_tolerance(executable.description, executable.device.platform)
    return {
        "steps": len(expected),
        "losses": losses.tolist(),
        "expected": expected.tolist(),
        "difference": difference,
        "tolerance": tolerance,
        "equal": bool(difference <= tolerance),  # which not-a-number is not
    }


def default_tolerance(description: Description, platform: str) -> float:
    """The relative difference that a device of this platform may have."""
    reduced = description.config["mixed_precision"] != "off"
    return _TOLERANCES["cpu" if platform == "cpu" else "gpu", "bfloat16" if reduced else "float32"]


def time_steps(executable: Executable, state: Arrays, inputs: Arrays, seconds: float) -> dict:
    """Runs the program for about `seconds` after two calls that are not counted.

    Returns:
        Fit for JSON: calls, steps, step_seconds (the median of a call over its steps), frames_per_second, flops (by
        the description) and flops_per_second; memory and costs as the compiler says them.
    """
    description = executable.description
    on_device, batch = executable.put(state), batches(executable, inputs)
    taken: list[float] = []
    for number in itertools.count():
        start = time.perf_counter()
        before = int(on_device[UPDATES])
        _, on_device = executable.call(on_device, batch[number % len(batch)])
        if number >= 2:
            taken.append((time.perf_counter() - start) / (int(on_device[UPDATES]) - before))
        if number >= 4 and sum(taken) * description.steps_per_call > seconds:
            break
        if int(on_device[UPDATES]) == description.total_steps:  # where a call would have nothing to do
            on_device = executable.put(state)
    step = statistics.median(taken)
    return {
        "calls": len(taken),
        "steps_per_call": description.steps_per_call,
        "step_seconds": step,
        "slowest_step_seconds": max(taken),
        "frames_per_second": description.frames_per_step / step,
        "flops_per_step": description.flops_per_step,
        "flops_per_second": description.flops_per_step / step,
        "memory": executable.memory(),
        "compiler_costs": executable.costs(),
    }


def product_rates(device: jax.Device, seconds: float, size: int = 0) -> dict[str, float]:
    """Floating point operations a second in products of two matrices of random numbers, by number format.

    float32 is as the device does it by default: TF32 on a GPU that has it.

    Args:
        device: where.
        seconds: about how long for each.
        size: rows and columns; 0 takes 8,192, or 1,024 on a CPU.
    """
    import jax
    import jax.numpy as jnp

    size = size or (1024 if device.platform == "cpu" else 8192)
    product, rates = jax.jit(jnp.matmul), {}
    for dtype in ("float32", "bfloat16"):
        values = np.random.default_rng(0).standard_normal([2, size, size], np.float32)
        left, right = (jax.device_put(jnp.asarray(value, dtype), device) for value in values)

        def multiply(left: jax.Array = left, right: jax.Array = right) -> None:
            product(left, right).block_until_ready()

        taken = median_seconds(multiply, seconds)
        rates[dtype] = 2 * size**3 / taken
    return rates


def worst_loss(check_result: dict) -> str:
    """Which loss of which step is furthest off, in words."""
    got, want = np.asarray(check_result["losses"]), np.asarray(check_result["expected"])
    apart = _apart(got, want)
    step, loss = np.unravel_index(np.argmax(apart), apart.shape)
    return f"{LOSS_NAMES[loss]} of step {step + 1} is {got[step, loss]:.7g}, not {want[step, loss]:.7g}"


def _apart(losses: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Relative differences [steps, 3]; a KL under a thousandth of the loss is compared with that thousandth.

    In the first steps posterior and prior are all but equal, and what tells them apart is mostly rounding.
    """
    return np.abs(losses - expected) / np.maximum(np.abs(expected), 1e-3 * np.abs(expected[:, :1]))
