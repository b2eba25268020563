"""Makes checkpoint files such as the original training code writes, of small networks."""

import functools

import numpy as np
from torch_files import NAMESPACE, New, TorchFile, ordered

from svg_tf.config import Config
from svg_tf.models.svg import SVG
from svg_tf.torch_import.mapping import torch_weights

OPTIONS = {
    "dataset": "smmnist", "model": "dcgan", "image_width": 32, "channels": 1, "g_dim": 8, "z_dim": 3, "rnn_size": 8,
    "predictor_rnn_layers": 2, "posterior_rnn_layers": 1, "prior_rnn_layers": 1, "n_past": 3, "n_future": 4,
    "n_eval": 9, "batch_size": 2, "lr": 0.001, "beta": 1e-5, "niter": 7, "epoch_size": 11, "seed": 5,
    "last_frame_skip": False, "data_root": "/home/authors/data", "log_dir": "logs/x", "beta1": 0.9,
}  # fmt: skip
# What these options leave to be said: the default digits of 32 px do not fit in frames of 32 px.
FLAGS = {"digits": "embedded", "num_digits": 1, "digit_size": 16}


def tensors_of(model):
    """A model's weights as the original's state dictionaries."""
    networks = {}
    for name, array in torch_weights(model).items():
        network, key = name.split(".", 1)
        networks.setdefault(network, {})[key] = np.ascontiguousarray(array)
    return networks


@functools.cache
def _drawn():
    sizes = {name: OPTIONS[name] for name in ("image_width", "g_dim", "z_dim", "rnn_size")}
    model = SVG(Config(**sizes, **FLAGS, base_width=4))
    rng = np.random.default_rng(1)
    return {
        network: {key: (0.5 + rng.random(array.shape)).astype(np.float32) for key, array in tensors.items()}
        for network, tensors in tensors_of(model).items()
    }


def small_networks():
    """State dictionaries of the model that OPTIONS describe, every number of them drawn at random."""
    return {network: dict(tensors) for network, tensors in _drawn().items()}


def write_file(path, networks=None, options=OPTIONS):
    """Writes state dictionaries, by default small_networks(), and an argparse Namespace of the options, or none."""
    file = TorchFile()
    root = {
        network: ordered({key: file.tensor(array) for key, array in tensors.items()})
        for network, tensors in (networks or small_networks()).items()
    }
    return str(file.write(path, root if options is None else {**root, "opt": New(NAMESPACE, options)}, "zip"))


def put(network, key, array):
    """A change of networks, {name: {key: array}}: a tensor is another."""
    return lambda networks: networks[network].update({key: array})


def drop(network, key):
    """A change of networks: a tensor is missing."""
    return lambda networks: networks[network].pop(key)
