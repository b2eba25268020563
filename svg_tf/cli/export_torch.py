"""Write the weights of a run for PyTorch: svg-tf export-torch --run_dir=runs/bair --out=bair.pth"""

import os

from absl import flags

from svg_tf.config import Config, ConfigError

_RUN_DIR = flags.DEFINE_string("run_dir", None, "folder of the run", required=True)
_OUT = flags.DEFINE_string("out", None, "file to write, for torch.load(weights_only=True)", required=True)
_CHECKPOINT = flags.DEFINE_string("checkpoint", "best", "best (lowest validation loss), latest, or a step")


def run() -> None:
    """Export the weights."""
    Config.load(_RUN_DIR.value)
    if os.path.isdir(_OUT.value):
        raise ConfigError(f"--out={_OUT.value} is a folder; set it to a file")
    from svg_tf.torch_import import runs  # imports TensorFlow, late so that a bad flag fails fast

    used = runs.export_run(_RUN_DIR.value, _OUT.value, _CHECKPOINT.value)
    print(f"wrote {_OUT.value} from {used}: one state dictionary per network, and the options as 'opt'")
