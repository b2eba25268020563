"""Prepare, verify and describe a data set: svg-tf prepare-data --flagfile=kth.flags --data_dir=/data/kth"""

import os
import sys

from absl import flags

from svg_tf.cli import flags as config_flags

config_flags.define_config_flags()
_OUT = flags.DEFINE_string("out", "runs/data", "folder to write the contact sheets to")
_DOWNLOAD = flags.DEFINE_bool("download", False, "download smmnist's MNIST, kth or bair into data_dir first")


def run() -> None:
    """Prepare the data and print its description; exit with status 1 if a split is missing."""
    config = config_flags.config_from_flags()
    from svg_tf.data import description, download, videos  # import TensorFlow late, so that a bad flag fails fast

    if _DOWNLOAD.value:
        download.download(config)
    if config.dataset == "videos":
        videos.prepare(config, retry=True)
    text, complete = description.describe(config, os.path.expanduser(_OUT.value))
    print(text, end="")
    if not complete:
        sys.exit(1)
