"""Export a model for TensorFlow Serving: svg-tf export-saved-model --run_dir=runs/demo."""

import os

from absl import flags

from svg_tf.cli import run_flags

_OUT = flags.DEFINE_string("out", "", "folder of the versions; empty: RUN_DIR/export")
_VERSION = flags.DEFINE_integer("version", 0, "version to write; 0: the latest plus one", lower_bound=0)
_HORIZON = flags.DEFINE_integer(
    "horizon", 0, "frames predicted by the signatures without an input horizon; 0: n_eval - n_past", lower_bound=0
)
_N_SAMPLES = flags.DEFINE_integer("n_samples", 4, "futures of each context in serving_default", lower_bound=1)
_MAX_SAMPLES = flags.DEFINE_integer("max_samples", 100, "most futures in one request", lower_bound=1)
_MAX_FRAMES = flags.DEFINE_integer(
    "max_frames", 0, "most predicted frames in one request; 0: as many as fit into 2 GB of memory", lower_bound=0
)
_RECALIBRATE_BN = flags.DEFINE_integer(
    "recalibrate_bn", 0, "training batches to re-estimate the batch statistics from; 0: keep them", lower_bound=0
)


def run() -> None:
    """Export the model and print what was written."""
    base = run_flags.folder_to_write(_OUT.value, "export")
    from svg_tf.serving import versions

    version = _VERSION.value or None
    versions.check(base, version)
    config, model = run_flags.load()
    from svg_tf.serving import exporting, signatures
    from svg_tf.training.recalibration import recalibrate

    if _RECALIBRATE_BN.value:
        recalibrate(model, config, _RECALIBRATE_BN.value)
    limits = signatures.Limits(
        horizon=_HORIZON.value or config.n_eval - config.n_past,
        n_samples=_N_SAMPLES.value,
        max_samples=_MAX_SAMPLES.value,
        max_frames=_MAX_FRAMES.value or signatures.default_max_frames(model),
    )
    origin = f"{os.path.basename(os.path.normpath(config.run_dir))}, {run_flags.CHECKPOINT.value}"
    folder = exporting.export(model, base, limits, version=version, origin=origin)
    print(f"wrote {folder}: {limits.n_samples} futures of {limits.horizon} frames by default,")
    print(f"  at most {limits.max_samples} futures and {limits.max_frames} frames a request")
