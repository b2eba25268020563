"""Trains a model or resumes its training: svg-tf train --flagfile=smmnist.flags --data_dir=/data/mnist"""

import time

STARTED = time.monotonic()

from absl import flags  # noqa: E402

from svg_tf.cli import flags as config_flags  # noqa: E402 - the time of the imports counts

config_flags.define_config_flags()
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "train one step, print the configuration, sizes, time and peak memory, and write nothing"
)


def run() -> None:
    """Train, or describe the run."""
    config = config_flags.config_from_flags()
    from svg_tf.training import train

    if _DRY_RUN.value:
        print(train.dry_run(config), end="")
    else:
        train.train(config, STARTED)
