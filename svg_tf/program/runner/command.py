"""The runner's command line."""

import argparse
import json
import math
import os
import sys
import time

# Memory as it is needed: PyTorch may want some of the same device. Set it yourself to have it otherwise.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

from . import description as description_lib  # noqa: E402
from . import parts  # noqa: E402
from .description import Description  # noqa: E402
from .parts import ProgramError  # noqa: E402

_ACTIONS = ("check", "time", "torch", "train")


def main(folder: str = "") -> None:
    """Does what the command line says; a user's error becomes one sentence and exit status 1.

    Args:
        folder: the program's, where the command line does not name it.
    """
    began = time.monotonic()
    arguments = _parser(folder).parse_args()
    try:
        results = _run(arguments, began)
        if arguments.json:
            parts.write_bytes(arguments.json, (json.dumps(results, indent=2) + "\n").encode())
    except (ProgramError, OSError) as error:
        sys.exit(f"error: {error}")
    if not results.get("check", {}).get("equal", True):
        sys.exit(1)


def _parser(folder: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Runs a compiled training program by JAX: checks its first steps, times it, trains with it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "actions",
        nargs="+",
        choices=_ACTIONS,
        help="check: compare the losses of the first steps with those of TensorFlow; time: measure steps and the "
        "device's matrix products; torch: measure the same step in PyTorch, where that is installed; train: go on "
        "with the run from where it stands in --out",
    )
    add("--program", default=folder, required=not folder, help="folder of the program")
    add("--out", default="", help="folder for states, losses.csv and the compiled program; empty: PROGRAM/out")
    add("--json", default="", help="file for the numbers of check, time and torch; empty: none")
    add("--platform", default="", help="JAX's platform: cuda or cpu; empty: the best there is")
    add("--tolerance", type=float, default=0.0, help="largest relative difference of a loss in check; 0 or "
        "more, 0: 0.005 to 0.05 by device and number format")  # fmt: skip
    add("--seconds", type=float, default=10.0, help="seconds for each measurement of time and torch, above 0")
    add(
        "--product_size",
        type=int,
        default=0,
        help="rows of the matrices measured; 0 or more, 0: 8192, or 1024 on a CPU",
    )
    add("--minutes", type=float, default=0.0, help="minutes that the whole command may take, after which train "
        "has stored its state and ended; 0 or more, 0: no limit")  # fmt: skip
    add("--save_minutes", type=float, default=5.0, help="minutes of training between two stored states, 0 or more")
    add("--report_seconds", type=float, default=10.0, help="seconds between two lines of progress, 0 or more")
    add("--part_mb", type=float, default=15.0, help="largest file of a stored state, in megabytes, above 0")
    return parser


def _run(arguments: argparse.Namespace, began: float) -> dict:
    _check_numbers(arguments)
    folder, actions = arguments.program, arguments.actions
    out = arguments.out or os.path.join(folder, "out")
    description = description_lib.read(folder)
    code = description_lib.read_code(folder, description)
    if "train" in actions and description.kind != "train":
        raise ProgramError(f"{folder} holds a program of kind {description.kind}; write one of kind train to train")
    inputs, _ = parts.load(folder, description_lib.INPUTS)
    initial, _ = description_lib.read_state(folder, description)
    results: dict = {"program": os.path.abspath(folder), "kind": description.kind}
    if "torch" in actions:  # before JAX takes the device's memory
        results["torch"] = _time_torch(folder, description, inputs, arguments.seconds)
        if set(actions) == {"torch"}:
            return results
    from . import measuring, session  # JAX takes seconds to load: a wrong flag is told before

    executable = _compile(arguments.platform, code, description, out, results)
    if "check" in actions:
        results["check"] = result = measuring.check(executable, initial, inputs, arguments.tolerance)
        verdict = "equal" if result["equal"] else f"NOT EQUAL, {measuring.worst_loss(result)}"
        _say(
            f"check: the losses of {result['steps']} steps are off by {result['difference']:.2g} at most, relatively, "
            f"and {result['tolerance']:.2g} is allowed: {verdict}"
        )
    if "time" in actions:
        rates = measuring.product_rates(executable.device, arguments.seconds, arguments.product_size)
        results["product_rates"] = rates
        results["time"] = measuring.time_steps(executable, initial, inputs, arguments.seconds)
        _say_times(description, results)
    if "train" in actions and results.get("check", {}).get("equal", True):
        limits = session.Limits(
            seconds=arguments.minutes * 60 - (time.monotonic() - began) if arguments.minutes else math.inf,
            save_seconds=arguments.save_minutes * 60,
            report_seconds=arguments.report_seconds,
            part_bytes=max(1, int(arguments.part_mb * 1e6)),
        )
        run = session.Session(executable, out, limits, _say)
        run.stop_on_signals()
        results["step"] = run.run(initial, inputs)
    return results


def _check_numbers(arguments: argparse.Namespace) -> None:
    for name in ("seconds", "part_mb"):
        if getattr(arguments, name) <= 0:
            raise ProgramError(f"{name} is {getattr(arguments, name)}, but must be above 0")
    for name in ("minutes", "save_minutes", "report_seconds", "tolerance", "product_size"):
        if getattr(arguments, name) < 0:
            raise ProgramError(f"{name} is {getattr(arguments, name)}, but must be 0 or more")


def _compile(platform: str, code: bytes, description: Description, out: str, results: dict):
    """The program for the first device of the platform."""
    try:
        import jax

        from .executable import Executable
    except ImportError as error:
        raise ProgramError(f"JAX is not installed here ({error}); pip install jax, with CUDA for a GPU") from None
    try:
        device = jax.devices(platform or None)[0]
    except RuntimeError as error:
        raise ProgramError(f"JAX has no platform {platform!r} here ({str(error).splitlines()[0]})") from None
    begun = time.monotonic()
    executable = Executable(code, description, device, cache=out)
    taken = time.monotonic() - begun
    results |= {"jax": jax.__version__, "device": device.device_kind, "compile_seconds": taken}
    _say(f"{description.kind} program on {device.device_kind} (JAX {jax.__version__}), ready after {taken:.1f} s")
    return executable


def _time_torch(folder: str, description: Description, inputs: parts.Arrays, seconds: float) -> dict:
    from . import torch_timing

    result = torch_timing.measure(folder, description, inputs["frames"][0], seconds)
    said = result.get("skipped") or f"{result['step_seconds'] * 1e3:,.2f} ms a step on {result['device']}"
    _say(f"PyTorch, frame by frame: {said}")
    return result


def _say_times(description: Description, results: dict) -> None:
    timed, rates = results["time"], results["product_rates"]
    form = "float32" if description.config["mixed_precision"] == "off" else "bfloat16"
    timed["share_of_product_rate"] = timed["flops_per_second"] / rates[form]
    _say(
        f"{timed['step_seconds'] * 1e3:,.2f} ms a step, {timed['frames_per_second']:,.0f} frames/s, "
        f"{timed['flops_per_second'] / 1e12:,.3f} TFLOP/s: {timed['share_of_product_rate']:.1%} of a {form} matrix "
        "product's (" + ", ".join(f"{name} {rate / 1e12:,.3f}" for name, rate in rates.items()) + " TFLOP/s)"
    )
    sizes = ", ".join(f"{name} {size / 2**30:,.2f}" for name, size in timed["memory"].items())
    _say(f"memory in GiB, as compiled: {sizes}")
    if "step_seconds" in results.get("torch", {}):
        timed["speedup_over_torch"] = results["torch"]["step_seconds"] / timed["step_seconds"]
        _say(f"{timed['speedup_over_torch']:.2f} times PyTorch's frames a second")


def _say(line: str) -> None:
    print(line, flush=True)
