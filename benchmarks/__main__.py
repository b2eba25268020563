"""Measure speed on this machine: python -m benchmarks SUITE --flagfile=smmnist.flags --digits=embedded

SUITE is one of
train      training steps, compared with plain forms of the same computation
generate   futures of one context, compared with a loop over samples and frames
data       clips of the data pipeline, compared with what training consumes
evaluate   scoring of predictions, compared with a loop over scikit-image's functions

Variants run in turn, so that other work on the machine affects all alike. Compare only ratios within one run.
"""

import importlib
import json
import logging
import sys

from absl import flags

from svg_tf import files
from svg_tf.cli import flags as config_flags

SUITES = ("train", "generate", "data", "evaluate")

config_flags.define_config_flags()
_SECONDS = flags.DEFINE_float("seconds", 10.0, "seconds to measure each variant", lower_bound=0.1)
_JSON = flags.DEFINE_string("json", "", "file to write the numbers to; empty: only print them")


def run() -> None:
    """Measure the suite, print the table and write the JSON file."""
    config = config_flags.config_from_flags()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns about retracing
    suite = importlib.import_module(f"benchmarks.{_suite}")
    results = {"suite": _suite, **suite.measure(config, _SECONDS.value)}
    rows = results["rows"]
    width = max(map(len, rows))
    print(results["title"])
    print(" " * width, *(f"{column:>16}" for column in next(iter(rows.values()))))
    for name, row in rows.items():
        print(f"{name:<{width}}", *(f"{number:>16,.4g}" for number in row.values()))
    if _JSON.value:
        files.write_text(_JSON.value, json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in SUITES:
        _suite = sys.argv.pop(1)
    elif not any(argument.startswith(("--help", "-h")) for argument in sys.argv[1:]):
        sys.exit(f"error: name a suite: python -m benchmarks {'|'.join(SUITES)} [--flag=value ...]")
    config_flags.run(run)
