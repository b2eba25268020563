"""Test whether the learned prior predicts collisions: svg-tf uncertainty --run_dir=runs/demo"""

import os

from absl import flags

from svg_tf import uncertainty
from svg_tf.cli import run_flags

_N_SEQUENCES = flags.DEFINE_integer(
    "n_sequences", 200, "test clips to score, each with its own digits and motion", lower_bound=2, upper_bound=2**20
)
_N_DIGIT_SETS = flags.DEFINE_integer(
    "n_digit_sets", 100, "sets of test digits that share one motion", lower_bound=2, upper_bound=2**20
)
_N_SAMPLES = flags.DEFINE_integer("n_samples", 20, "futures of each set of digits", lower_bound=2, upper_bound=4096)
_N_FRAMES = flags.DEFINE_integer("n_frames", 100, "frames that the prior reads, more than n_past", lower_bound=2)
_SEED = flags.DEFINE_integer(
    "seed", 0, "seed of digits, futures, untrained priors and bootstrap", lower_bound=0, upper_bound=2**31 - 1
)
_OUT = flags.DEFINE_string("out", "", "folder to write to; empty: RUN_DIR/evaluation")


def run() -> None:
    """Analyse the run and print the scores."""
    config = run_flags.config()
    folder = run_flags.folder_to_write(_OUT.value, "evaluation")
    uncertainty.check(config, _N_FRAMES.value)
    from svg_tf.uncertainty import analysis  # imports TensorFlow, late so that a bad flag fails fast

    config, model = run_flags.load()
    sizes = (_N_SEQUENCES.value, _N_DIGIT_SETS.value, _N_SAMPLES.value, _N_FRAMES.value)
    result = analysis.analyse(model, config, folder, analysis.Settings(*sizes, _SEED.value))
    print("\n".join(result["summary"]))
    print(f"wrote {', '.join(analysis.NAMES)} to {folder}")
    if os.path.exists(os.path.join(folder, "metrics.json")):
        from svg_tf.report import write_report

        print(f"refreshed {write_report(folder)}")
