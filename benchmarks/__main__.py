"""Measures speed on this machine: python bin/benchmark.py train --flagfile=smmnist.flags --digits=embedded

train      training steps, beside the plain forms of the same computation and beside PyTorch where it is installed
generate   futures of one context, beside a loop over samples and frames
data       clips of the training data, beside what a training step takes
evaluate   clips scored, beside a loop over scikit-image's functions
serve      an exported model's futures, beside the same rollout called directly
scale      training steps of two devices and of two processes on this machine, and what they exchange
gpu_program  nothing here: writes the training step to --out, to be measured where JAX and a GPU are
"""

import importlib
import json
import logging
import sys
import tempfile
from pathlib import Path

from absl import flags

from svg_tf import files
from svg_tf.cli import flags as config_flags
from svg_tf.config import Config, ConfigError

config_flags.define_config_flags()
flags.adopt_module_key_flags(config_flags)  # --help shows them
_SECONDS = flags.DEFINE_float(
    "seconds", 10.0, "seconds for each measurement, more for what takes longer", lower_bound=0.1
)
_OUT = flags.DEFINE_string("out", "", "gpu_program: folder to write, new or empty")
_KIND = flags.DEFINE_enum(
    "kind", "", ("", "step", "train"), "gpu_program: step takes frames, train draws digits itself; empty: what can be"
)
_STEPS_PER_CALL = flags.DEFINE_integer("steps_per_call", 100, "gpu_program: steps of a call of train", lower_bound=1)
_EXPECTED_STEPS = flags.DEFINE_integer(
    "expected_steps", 3, "gpu_program: steps made here, for the numbers to be compared there; 0: none", lower_bound=0
)
_JSON = flags.DEFINE_string("json", "", "file to write the numbers to; empty: none is written")


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a table: the first column to the left, the others to the right, as wide as they must be."""
    widths = [max(len(row[column]) for row in [columns, *rows]) for column in range(len(columns))]
    lines = []
    for first, *others in [columns, *rows]:
        cells = [first.ljust(widths[0]), *(text.rjust(width) for text, width in zip(others, widths[1:], strict=True))]
        lines.append("  " + "  ".join(cells))
    return lines


def train(results: dict, config: Config) -> list[str]:
    """Lines about training steps."""
    rows = []
    for name, form in results["forms"].items():
        share = f"{form['share_of_product_rate']:.0%}" if "share_of_product_rate" in form else ""
        first = f"{form['first_step_seconds']:.1f} s" if "first_step_seconds" in form else ""
        rates = [f"{form['clips_per_second']:.1f}", f"{form['frames_per_second']:.0f}"]
        speedup = f"{form['speedup_of_as_it_is']:.2f} x"
        rows.append([name, f"{form['step_seconds']:.3f}", *rates, share, speedup, first])
    return [
        f"{config.batch_size} clips of {config.n_frames} frames, {results['flops'] / 1e9:,.0f} GFLOP a step; "
        f"a product of two matrices runs at {results['product_rate'] / 1e9:,.0f} GFLOP/s",
        *_table(["", "s a step", "clips/s", "frames/s", "of product", "as it is", "first step"], rows),
        f"a process that trains grows by {results['peak_bytes'] / 2**20:,.0f} MiB at its highest",
    ]


def generate(results: dict, config: Config) -> list[str]:
    """Lines about futures."""
    rows = [
        [name, f"{form['seconds']:.2f}", f"{form['frames_per_second']:.0f}", f"{form['speedup_of_as_it_is']:.2f} x"]
        for name, form in results["forms"].items()
    ]
    return [
        f"{results['samples']} futures of {results['frames']} frames after {config.n_past} frames of one context",
        *_table(["", "seconds", "frames/s", "as it is"], rows),
    ]


def data(results: dict, config: Config) -> list[str]:
    """Lines about the data."""
    lines = [f"{config.dataset}, {config.batch_size} clips of {config.n_frames} frames a batch, clips a second:"]
    for name in ("data", "training"):
        wall, cpu = (results[name][f"clips_per_{clock}_second"] for clock in ("wall", "cpu"))
        lines += [f"  {name:<9}{wall:>12,.1f} on the clock {cpu:>12,.1f} of one core"]
    faster, cores = results["headroom"], results["cores"]
    return [*lines, f"the data is {faster:,.1f} times faster; {cores:.4f} cores keep training fed"]


def evaluate(results: dict, config: Config) -> list[str]:
    """Lines about scoring."""
    rows = []
    for metric, forms in results["metrics"].items():
        for name, form in forms.items():
            rows.append([f"{metric}, {name}", f"{form['clips_per_second']:,.1f}", f"{form['speedup']:,.1f} x"])
    records = results["records"]
    return [
        f"{results['predictions']} predictions of {results['frames']} frames",
        *_table(["", "predictions/s", "of the loop's rate"], rows),
        f"{records['clips_per_second']:.3f} clips a second with {records['samples']} futures drawn and scored of each",
    ]


def serve(results: dict, config: Config) -> list[str]:
    """Lines about the exported model."""
    rows = [
        [name, *(f"{results[key][clock]:.2f}" for clock in ("wall", "cpu"))]
        for name, key in (("the SavedModel", "saved_model"), ("called directly", "direct"))
    ]
    return [
        f"{results['n_samples']} futures of {results['horizon']} frames of one context, milliseconds a frame",
        *_table(["", "on the clock", "of the cores"], rows),
        f"the SavedModel takes {results['wall_ratio']:.3f} times as long and {results['cpu_ratio']:.3f} times the "
        f"processor time; its frames differ by {results['largest_difference']:.1e} at most",
    ]


def scale(results: dict, config: Config) -> list[str]:
    """Lines about several devices."""
    exchange, processes = results["exchange"], results["two_processes"]
    rows = [
        [name, f"{results[key]['step_seconds']:.3f}"]
        for name, key in (
            ("one device", "one_device"),
            ("two devices of one process", "two_devices"),
            ("two processes", "two_processes"),
        )
    ]
    return [
        f"{config.batch_size} clips of {config.n_frames} frames, on the same processors",
        *_table(["", "s a step"], rows),
        f"a step exchanges {exchange['gradients'] / 1e6:,.1f} MB of gradients and statistics of {exchange['norms']} "
        f"batch normalisations with {exchange['channels']:,} channels; between two processes the gradients take "
        f"{processes['gradients_seconds']:.3f} s, one number {1e3 * processes['latency_seconds']:.1f} ms",
    ]


def _measure_serve(config: Config) -> dict:
    """Exports a model with the weights that it starts with, and measures it."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "export"))
    from benchmarks import serve as benchmark
    from svg_tf.models.svg import SVG
    from svg_tf.serving import exporting
    from svg_tf.serving.request_checks import Limits
    from svg_tf.training import checkpoints

    model = SVG(config)
    variables = checkpoints.named_variables(model, training_state=False)
    with tempfile.TemporaryDirectory() as run_dir:
        arrays = {name: variable.numpy() for name, variable in variables.items()}
        checkpoints.save(str(Path(checkpoints.folder(run_dir)) / checkpoints.BEST), arrays)
        exported = exporting.export_run(
            config.replace(run_dir=run_dir), checkpoint="best", version=None, limits=Limits(10, 100, 100)
        )
        found = benchmark.measure(model, exported.folder)
    times = {name: getattr(found, name)._asdict() for name in ("saved_model", "direct")}
    return {**found._asdict(), **times, "wall_ratio": found.wall_ratio, "cpu_ratio": found.cpu_ratio}


def gpu_program(results: dict, config: Config) -> list[str]:
    """Lines about the program that was written."""
    from benchmarks import gpu_program as benchmark

    return benchmark.lines(results)


def _write_program(config: Config) -> dict:
    if not _OUT.value:
        raise ConfigError("out is empty; name the folder of the program")
    from benchmarks import gpu_program as benchmark

    return benchmark.write(
        config,
        _OUT.value,
        kind=_KIND.value,
        steps_per_call=_STEPS_PER_CALL.value,
        expected_steps=_EXPECTED_STEPS.value,
    )


_BENCHMARKS = {"train": train, "generate": generate, "data": data, "evaluate": evaluate, "serve": serve}
_BENCHMARKS |= {"scale": scale, "gpu_program": gpu_program}
_SPECIAL = {"serve": _measure_serve, "gpu_program": _write_program}


def main() -> None:
    """Runs the benchmark that was named, prints its numbers and writes them."""
    config = config_flags.config_from_flags()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of the many forms of one function
    if _name in _SPECIAL:
        results = _SPECIAL[_name](config)
    else:
        results = importlib.import_module(f"benchmarks.{_name}").measure(config, _SECONDS.value)
    print("\n".join(_BENCHMARKS[_name](results, config)))
    if _JSON.value:
        files.write_text(_JSON.value, json.dumps({"benchmark": _name, **results}, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in _BENCHMARKS:
        sys.exit(f"error: name a benchmark: python bin/benchmark.py {'|'.join(_BENCHMARKS)} [flags]")
    _name = sys.argv.pop(1)
    config_flags.run(main)
