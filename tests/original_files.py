"""Make checkpoint files of small networks as the authors' training code writes them."""

import functools

import numpy as np
from torch_files import NAMESPACE, New, TorchFile, ordered

from svg_tf.models.svg import SVG
from svg_tf.torch_import.mapping import torch_weights

OPTIONS = {
    "dataset": "smmnist", "model": "dcgan", "image_width": 32, "channels": 1, "g_dim": 8, "z_dim": 3, "rnn_size": 8,
    "predictor_rnn_layers": 2, "posterior_rnn_layers": 1, "prior_rnn_layers": 1, "n_past": 3, "n_future": 4,
    "n_eval": 9, "batch_size": 2, "lr": 0.001, "beta": 1e-5, "niter": 7, "epoch_size": 11, "seed": 5,
    "last_frame_skip": False, "data_root": "/home/authors/data", "log_dir": "logs/x", "beta1": 0.9,
}  # fmt: skip
# Not in the options. The default digits of 32 px do not fit in frames of 32 px.
FLAGS = {"digits": "embedded", "num_digits": 1, "digit_size": 16}


def tensors_of(model):
    """Return the weights of a model as the authors' state dictionaries."""
    networks = {}
    for name, array in torch_weights(model).items():
        network, key = name.split(".", 1)
        networks.setdefault(network, {})[key] = np.ascontiguousarray(array)
    return networks


@functools.cache
def _drawn():
    model = SVG(image_size=32, g_dim=8, z_dim=3, rnn_size=8, base_width=4)
    rng = np.random.default_rng(1)
    return {
        network: {key: (0.5 + rng.random(array.shape)).astype(np.float32) for key, array in tensors.items()}
        for network, tensors in tensors_of(model).items()
    }


def small_networks():
    """Return random state dictionaries of the model that OPTIONS describe."""
    return {network: dict(tensors) for network, tensors in _drawn().items()}


def write_file(path, networks=None, options=OPTIONS):
    """Write state dictionaries, by default small_networks(), and an argparse Namespace of the options, if any."""
    file = TorchFile()
    root = {
        network: ordered({key: file.tensor(array) for key, array in tensors.items()})
        for network, tensors in (networks or small_networks()).items()
    }
    return str(file.write(path, root if options is None else {**root, "opt": New(NAMESPACE, options)}, "zip"))
