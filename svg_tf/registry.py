"""The data sets and backbones by the names that a configuration gives them: where the code of each is.

They are loaded when wanted, since some need decoders or TensorFlow Datasets, which take seconds to load. An entry that
is added before a `Config` is made is a choice of its field; docs/extending.md has what such code has to offer.
"""

import importlib
from typing import Any

DATASETS = {
    "smmnist": "svg_tf.data.moving_mnist:MovingMNIST",
    "kth": "svg_tf.data.kth:KTH",
    "bair": "svg_tf.data.bair:BAIR",
    "videos": "svg_tf.data.videos:Videos",
}
"""module:class, a class of (config, split) whose frames(indices int64 [B]) are the clips, uint8 [B, T, H, W, C]."""

BACKBONES = {"dcgan": "svg_tf.models.dcgan", "vgg": "svg_tf.models.vgg"}
"""Modules with the classes Encoder and Decoder."""


def load(place: str) -> Any:
    """What an entry names: a module, or what a module has under a name."""
    module, _, name = place.partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, name) if name else loaded
