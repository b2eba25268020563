"""Scores many futures of a run's test clips: python bin/evaluate.py --run_dir=runs/demo [--protocol=svg]"""

import shlex
import sys

from absl import flags

from svg_tf.cli import flags as config_flags
from svg_tf.cli import run_flags
from svg_tf.config import Config, ConfigError
from svg_tf.evaluation import definitions, protocols

flags.adopt_module_key_flags(run_flags)  # --help shows them
_PROTOCOL = flags.DEFINE_enum(
    "protocol",
    "run",
    protocols.NAMES,
    "run (the run's own n_past, n_eval and test data), svg (Denton and Fergus, 2018) or srvp (Franceschi et al., "
    "2020), beside whose published numbers the run's are set",
)
_N_CLIPS = flags.DEFINE_integer(
    "n_clips",
    0,
    "test clips to score, the first of the test set; 0: all of the protocol (run: 1,000 of smmnist, and of the others "
    "as many as there are, to 1,000)",
    lower_bound=0,
)
_N_SAMPLES = flags.DEFINE_integer("n_samples", 100, "futures of each clip, N", lower_bound=1, upper_bound=4096)
_SELECT = flags.DEFINE_enum(
    "select",
    "each",
    definitions.choosers(),
    "metric that chooses the best sample for all metrics, on the predicted frames; each: every metric its own",
)
_SEED = flags.DEFINE_integer("seed", 0, "seed of the futures", lower_bound=0, upper_bound=2**31 - 1)
_LPIPS = flags.DEFINE_string("lpips_weights", "", "folder of LPIPS' published weights; empty: LPIPS is not computed")
_FVD = flags.DEFINE_string("fvd_weights", "", "folder or handle of FVD's network, I3D; empty: FVD is not computed")
_RECALIBRATE = flags.DEFINE_integer(
    "recalibrate_bn",
    0,
    "training batches over which the statistics of batch normalisation are estimated anew; 0: as trained",
    lower_bound=0,
)
_RECALIBRATE_OVER = flags.DEFINE_enum(
    "recalibrate_over",
    "clips",
    ("clips", "rollouts", "both"),
    "frames of --recalibrate_bn: the true ones, the model's own futures, or both",
)
_N_EXAMPLES = flags.DEFINE_integer("n_examples", 4, "clips to show, the first of those scored", lower_bound=1)
_OUT = flags.DEFINE_string("out", "", "folder to write to; empty: RUN_DIR/evaluation")


def run() -> None:
    """Checks the flags, scores, prints the table and writes the report."""
    config = run_flags.config()
    folder = run_flags.folder_to_write(_OUT.value, "evaluation")
    _check(config)
    from svg_tf import report  # TensorFlow takes seconds to load: a wrong flag is told before
    from svg_tf.evaluation import evaluate

    options = evaluate.Options(
        checkpoint=run_flags.checkpoint(),
        protocol=_PROTOCOL.value,
        n_clips=_N_CLIPS.value,
        n_samples=_N_SAMPLES.value,
        select=_SELECT.value,
        seed=_SEED.value,
        lpips_weights=_LPIPS.value,
        fvd_weights=_FVD.value,
        recalibrate_bn=_RECALIBRATE.value,
        recalibrate_over=_RECALIBRATE_OVER.value,
        n_examples=_N_EXAMPLES.value,
        command=shlex.join(["python", "bin/evaluate.py", *sys.argv[1:]]),
    )
    try:
        found = evaluate.evaluate(config, options, folder)
    except KeyboardInterrupt:
        sys.exit(f"interrupted; what was scored is in {folder}, and the same command goes on from there")
    _print(found)
    print(f"wrote {report.write_report(folder)}, and metrics.json, per_frame.csv and per_clip.csv beside it")


def _check(config: Config) -> None:
    """Fails on what can be known before anything is loaded."""
    protocols.resolve(_PROTOCOL.value, config)
    if _SELECT.value == definitions.LPIPS.name and not _LPIPS.value:
        raise ConfigError("select is lpips, which needs --lpips_weights")
    if _RECALIBRATE_OVER.value != "clips" and not _RECALIBRATE.value:
        raise ConfigError(f"recalibrate_over={_RECALIBRATE_OVER.value} has no effect without --recalibrate_bn")


def _print(found: dict) -> None:
    metrics = found["metrics"]
    print(f"{found['protocol']['description']}")
    print(f"{found['n_clips']:,} test clips. {found['chosen_by']}")
    width = max(len(row["name"]) for row in [*found["table"], *found["protocol"]["published"]])
    print(" " * (width + 2) + "".join(f"{metric['title']:>20}" for metric in metrics))
    for row in found["table"]:
        cells = (_cell(row["metrics"].get(metric["name"])) for metric in metrics)
        print(f"  {row['name']:<{width}}" + "".join(f"{cell:>20}" for cell in cells))
    for row in found["protocol"]["published"]:
        cells = (f"{row[metric['name']]:g}" if metric["name"] in row else "" for metric in metrics)
        print(f"  {row['name']:<{width}}" + "".join(f"{cell:>20}" for cell in cells) + "  (published)")
    if found["n_clips"] > 1:
        print("+- is half the 95 % confidence interval of the mean over clips.")
    for metric in found["not_computed"]:
        print(f"{metric['title']}: not computed, {metric['reason']}")
    for sentence in (*found["notes"], *found["protocol"]["deviations"]):
        print(f"- {sentence}")


def _cell(score: dict | None) -> str:
    if score is None:
        return ""
    return f"{score['mean']:.4f}" + (f" +-{score['high'] - score['mean']:.4f}" if "high" in score else "")


def main(argv: list[str] | None = None) -> None:
    """Run the command; argv defaults to sys.argv."""
    config_flags.run(run, argv)
