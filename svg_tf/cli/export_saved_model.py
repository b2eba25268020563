"""Exports a run for TensorFlow Serving: python export/saved_model.py --run_dir=runs/demo"""

from absl import flags

from svg_tf.cli import flags as command
from svg_tf.cli import run_flags

flags.adopt_module_key_flags(run_flags)  # --help shows them
_VERSION = flags.DEFINE_integer(
    "version", 0, "version to write, RUN_DIR/export/VERSION; 0 is the latest there plus one", lower_bound=0
)
_HORIZON = flags.DEFINE_integer(
    "horizon",
    0,
    "frames that serving_default, rollout_png and rollout_uncertainty predict; 0 is n_eval less n_past",
    lower_bound=0,
)
_MAX_SAMPLES = flags.DEFINE_integer(
    "max_samples", 100, "most samples of a context that a request may ask for", lower_bound=1
)
_MAX_HORIZON = flags.DEFINE_integer(
    "max_horizon", 100, "most frames that a request to rollout or rollout_eps may ask for", lower_bound=1
)
_RECALIBRATE_BN = flags.DEFINE_integer(
    "recalibrate_bn",
    0,
    "training batches to estimate batch normalisation's statistics from anew; 0 keeps the run's",
    lower_bound=0,
)
_RECALIBRATE_OVER = flags.DEFINE_enum(
    "recalibrate_over", "clips", ("clips", "rollouts", "both"), "what --recalibrate_bn averages over"
)


def run() -> None:
    """Parses and exports."""
    config = run_flags.config()
    from svg_tf.serving import exporting  # TensorFlow takes seconds to load: a wrong flag is told before
    from svg_tf.serving.request_checks import Limits

    horizon = _HORIZON.value or config.n_eval - config.n_past
    result = exporting.export_run(
        config,
        checkpoint=run_flags.checkpoint(),
        version=_VERSION.value or None,
        limits=Limits(horizon, _MAX_SAMPLES.value, max(horizon, _MAX_HORIZON.value)),
        recalibrate_bn=_RECALIBRATE_BN.value,
        recalibrate_over=_RECALIBRATE_OVER.value,
    )
    print(f"wrote {result.folder} from {result.checkpoint}: {result.weight_bytes / 1e6:.1f} MB of weights")
    print(f"  signatures: {', '.join(result.signatures)}")
    print(f"  each {horizon} frames ahead by default; at most {_MAX_SAMPLES.value} samples of a context")


def main(argv: list[str] | None = None) -> None:
    """Run the command; argv defaults to sys.argv."""
    command.run(run, argv)
