"""A run's weights as PyTorch state dictionaries under the original code's names."""

from svg_tf.config import Config, ConfigError
from svg_tf.models.svg import SVG
from svg_tf.torch_import.mapping import torch_weights
from svg_tf.torch_import.options import options_of
from svg_tf.torch_import.writer import write_state_dicts
from svg_tf.training import checkpoints


def export_run(run_dir: str, path: str, which: str = "best") -> str:
    """Writes {network: state dictionary, 'opt': options} and returns the checkpoint used.

    Args:
        run_dir: the run.
        path: the file to write.
        which: best, latest or a step number.

    Raises:
        CheckpointError: the run has no such checkpoint.
        ConfigError: run_dir is no run, or the file cannot be written.
    """
    config = Config.load(run_dir)
    model = SVG(config)
    used = checkpoints.load_weights(model, run_dir, which)
    networks: dict = {}
    for name, tensor in torch_weights(model).items():
        network, key = name.split(".", 1)
        networks.setdefault(network, {})[key] = tensor
    try:
        write_state_dicts(path, networks, options_of(config))
    except OSError as error:
        raise ConfigError(f"out {path} cannot be written: {error.strerror}; name another --out") from None
    return used
