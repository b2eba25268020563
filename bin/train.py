"""Trains a model, or resumes its training: python bin/train.py --flagfile=smmnist.flags --data_dir=..."""

import time

BEGAN = time.monotonic()

import config_flags  # noqa: E402 - its imports count
from absl import flags  # noqa: E402

config_flags.define_config_flags()
flags.adopt_module_key_flags(config_flags)  # --help shows them
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "build the model and one batch, print the configuration, the sizes and the memory, and stop"
)


def main() -> None:
    """Parses, then trains or describes."""
    config = config_flags.config_from_flags()
    if _DRY_RUN.value:
        from svg_tf import dry_run

        print(dry_run.describe(config), end="")
        return
    from svg_tf import training  # TensorFlow takes seconds to load: a wrong flag is told before

    training.train(config, BEGAN)


if __name__ == "__main__":
    config_flags.run(main)
