"""Measures speed: python bin/benchmark.py data --flagfile=kth.flags --data_dir=/data/kth [--json=rates.json]"""

import json
import sys

import config_flags
from absl import flags

from svg_tf import files
from svg_tf.config import Config

config_flags.define_config_flags()
flags.adopt_module_key_flags(config_flags)  # --help shows them
_SECONDS = flags.DEFINE_float("seconds", 10.0, "time for each measurement", lower_bound=0.1)
_JSON = flags.DEFINE_string("json", "", "file to write the numbers to")


def data(config: Config) -> dict:
    """Clips a second of the training data, beside what a training step consumes."""
    from svg_tf.benchmarks import data as benchmark

    rates = benchmark.measure(config, _SECONDS.value)
    results = {"headroom": rates.headroom, "cores": rates.cores}
    print(f"{config.dataset}, {config.batch_size} clips of {config.n_frames} frames a batch, clips a second:")
    for name, rate in rates._asdict().items():
        results[name] = {
            **rate._asdict(),
            "clips_per_wall_second": rate.per_wall_second,
            "clips_per_cpu_second": rate.per_cpu_second,
        }
        print(f"  {name:<9}{rate.per_wall_second:>12,.1f} on the clock {rate.per_cpu_second:>12,.1f} of one core")
    print(f"the data is {rates.headroom:,.1f} times faster; {rates.cores:.4f} cores keep training fed")
    return results


_BENCHMARKS = {"data": data}


def main() -> None:
    """Runs the benchmark that was named and writes its numbers."""
    config = config_flags.config_from_flags()
    results = _BENCHMARKS[_name](config)
    if _JSON.value:
        files.write_text(_JSON.value, json.dumps({"benchmark": _name, **results}, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in _BENCHMARKS:
        sys.exit(f"error: name a benchmark: python bin/benchmark.py {'|'.join(_BENCHMARKS)} [flags]")
    _name = sys.argv.pop(1)
    config_flags.run(main)
