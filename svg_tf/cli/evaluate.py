"""Score sampled futures of test clips: svg-tf evaluate --run_dir=runs/demo [--protocol=svg]."""

import os
import sys
from typing import Any

from absl import flags

from svg_tf import presets
from svg_tf.cli import flags as config_flags
from svg_tf.cli import run_flags
from svg_tf.evaluation import protocols

_PROTOCOL = flags.DEFINE_enum(
    "protocol",
    "run",
    protocols.NAMES,
    "run (the run's n_past, n_eval and test split), svg (Denton and Fergus, 2018) or srvp (Franceschi et al., 2020); "
    "the last two add the published scores",
)
_COMPARE = flags.DEFINE_string(
    "compare", "", "run folder or preset to score on the same clips, for the same tables and report; empty: none"
)
_N_CLIPS = flags.DEFINE_integer(
    "n_clips", 0, "test clips to score, the first ones; 0: all of the protocol (run: 1,000 at most)", lower_bound=0
)
_N_SAMPLES = flags.DEFINE_integer("n_samples", 100, "futures per clip, N", lower_bound=1, upper_bound=4096)
_SELECT = flags.DEFINE_enum(
    "select",
    "own",
    ("own", "ssim", "psnr"),
    "metric that chooses the best future of a clip for all metrics; own: each metric chooses its own",
)
_SEED = flags.DEFINE_integer("seed", 0, "seed of the futures", lower_bound=0, upper_bound=2**31 - 1)
_LPIPS = flags.DEFINE_string("lpips_weights", "", "folder with the published weights of LPIPS; empty: no LPIPS")
_FVD = flags.DEFINE_string("fvd_weights", "", "folder of FVD's network, I3D; empty: no FVD")
_RECALIBRATE = flags.DEFINE_integer(
    "recalibrate_bn", 0, "training batches to re-estimate the batch statistics from; 0: keep them", lower_bound=0
)
_OUT = flags.DEFINE_string("out", "", "folder to write to; empty: RUN_DIR/evaluation")


def run() -> None:
    """Check the flags, score, print the table and write the report."""
    config = run_flags.config()
    folder = run_flags.folder_to_write(_OUT.value, "evaluation")
    protocols.resolve(_PROTOCOL.value, config)
    other = presets.load_config(_COMPARE.value) if _COMPARE.value else None
    from svg_tf import report  # TensorFlow takes seconds to import: a bad flag fails before
    from svg_tf.evaluation.evaluate import Options, evaluate

    options = Options(
        checkpoint=run_flags.CHECKPOINT.value,
        protocol=_PROTOCOL.value,
        n_clips=_N_CLIPS.value,
        n_samples=_N_SAMPLES.value,
        select=_SELECT.value,
        seed=_SEED.value,
        lpips_weights=_LPIPS.value,
        fvd_weights=_FVD.value,
        recalibrate_bn=_RECALIBRATE.value,
        command=config_flags.command_line(),
    )
    compared = None
    try:
        if other:
            shown = other.replace(run_dir=_COMPARE.value, data_dir=config.data_dir, cache_dir=config.cache_dir)
            model = presets.load(_COMPARE.value)
            compared = evaluate(shown, options._replace(checkpoint="best"), os.path.join(folder, "compared"), model)
        config, model = run_flags.load()
        found = evaluate(config, options, folder, model, compared)
    except KeyboardInterrupt as stop:
        saved = [f"{done} and saved in {folder}; the same command resumes there" for done in stop.args]
        sys.exit("; ".join(["interrupted", *saved]))
    _print(found)
    print(f"wrote {report.write_report(folder)}, metrics.json, per_clip.csv and per_frame.csv")


def _print(found: dict[str, Any]) -> None:
    metrics, published = found["metrics"], found["protocol"]["published"]
    print(f"{found['protocol']['description']}")
    print(f"{found['n_clips']:,} test clips. {found['chosen_by']}")
    width = max(len(row["name"]) for row in [*found["table"], *published])
    print(" " * (width + 2) + "".join(f"{metric['title']:>20}" for metric in metrics))
    for row in found["table"]:
        cells = (_cell(row["metrics"].get(metric["name"])) for metric in metrics)
        print(f"  {row['name']:<{width}}" + "".join(f"{cell:>20}" for cell in cells))
    for row in published:
        cells = (f"{row[metric['name']]:g}" if metric["name"] in row else "" for metric in metrics)
        print(f"  {row['name']:<{width}}" + "".join(f"{cell:>20}" for cell in cells) + "  (published)")
    if found["n_clips"] > 1:
        print("+- is half the 95 % confidence interval of the mean over clips.")
    for metric in found["not_computed"]:
        print(f"{metric['title']} is not computed: {metric['reason']}")
    for sentence in (*found["notes"], *found["protocol"]["deviations"]):
        print(f"- {sentence}")


def _cell(score: dict[str, float] | None) -> str:
    if score is None:
        return ""
    return f"{score['mean']:.4f}" + (f" +-{score['high'] - score['mean']:.4f}" if "high" in score else "")
