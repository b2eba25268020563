"""Sample futures of test clips and draw them: svg-tf generate --run_dir=runs/demo."""

from absl import flags

from svg_tf.cli import run_flags

_N_CLIPS = flags.DEFINE_integer("n_clips", 20, "test clips to score, the first of the test set", lower_bound=1)
_N_SHOWN = flags.DEFINE_integer("n_shown", 4, "clips to draw, the first of those scored", lower_bound=1)
_N_SAMPLES = flags.DEFINE_integer("n_samples", 20, "futures per clip", lower_bound=1, upper_bound=4096)
_HORIZON = flags.DEFINE_integer("horizon", 0, "predicted frames; 0: n_eval minus n_past", lower_bound=0)
_SEED = flags.DEFINE_integer("seed", 0, "seed of the futures", lower_bound=0, upper_bound=2**31 - 1)
_OUT = flags.DEFINE_string("out", "", "folder to write to; empty: RUN_DIR/samples/futures")


def run() -> None:
    """Check the flags, sample, draw and print the scores."""
    config = run_flags.config()
    folder = run_flags.folder_to_write(_OUT.value, "samples", "futures")
    from svg_tf.evaluation import futures

    config, model = run_flags.load()
    n_clips, table = futures.draw(
        model,
        config,
        folder,
        n_clips=_N_CLIPS.value,
        n_shown=_N_SHOWN.value,
        n_samples=_N_SAMPLES.value,
        horizon=_HORIZON.value or config.n_eval - config.n_past,
        seed=_SEED.value,
    )
    print(f"{n_clips} test clips, predicted frames only:")
    for name, values in table.items():
        print(f"  {name:<16}" + "  ".join(f"{metric} {value:6.3f}" for metric, value in values.items()))
    print(f"wrote {folder}/futures.gif and a strip of each clip")
