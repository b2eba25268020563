"""Measures speed on this machine: python bin/benchmark.py train --flagfile=smmnist.flags --digits=embedded

train      training steps, beside the plain forms of the same computation and beside PyTorch where it is installed
generate   futures of one context, beside a loop over samples and frames
data       clips of the training data, beside what a training step takes
"""

import importlib
import json
import sys

import config_flags
from absl import flags

from svg_tf import files
from svg_tf.config import Config

config_flags.define_config_flags()
flags.adopt_module_key_flags(config_flags)  # --help shows them
_SECONDS = flags.DEFINE_float(
    "seconds", 10.0, "seconds for each measurement, more for what takes longer", lower_bound=0.1
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


_BENCHMARKS = {"train": train, "generate": generate, "data": data}


def main() -> None:
    """Runs the benchmark that was named, prints its numbers and writes them."""
    config = config_flags.config_from_flags()
    results = importlib.import_module(f"svg_tf.benchmarks.{_name}").measure(config, _SECONDS.value)
    print("\n".join(_BENCHMARKS[_name](results, config)))
    if _JSON.value:
        files.write_text(_JSON.value, json.dumps({"benchmark": _name, **results}, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in _BENCHMARKS:
        sys.exit(f"error: name a benchmark: python bin/benchmark.py {'|'.join(_BENCHMARKS)} [flags]")
    _name = sys.argv.pop(1)
    config_flags.run(main)
