"""Trains a model, or resumes its training: python bin/train.py --flagfile=smmnist.flags --data_dir=..."""

import time

BEGAN = time.monotonic()

from absl import flags  # noqa: E402

from svg_tf.cli import flags as config_flags  # noqa: E402 - its imports count

config_flags.define_config_flags()
flags.adopt_module_key_flags(config_flags)  # --help shows them
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "build the model and one batch, print the configuration, the sizes and the memory, and stop"
)


def run() -> None:
    """Parses, then trains or describes."""
    config = config_flags.config_from_flags()
    if _DRY_RUN.value:
        from svg_tf.training import dry_run

        print(dry_run.describe(config), end="")
        return
    from svg_tf.training import train as training

    training.train(config, BEGAN)


def main(argv: list[str] | None = None) -> None:
    """Run the command; argv defaults to sys.argv."""
    config_flags.run(run, argv)
