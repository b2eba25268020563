"""Data sets and backbones by name.

Their modules are imported when they are needed, because decoders and TensorFlow Datasets take seconds to import. Names
added before a `Config` is created are choices of its fields; CONTRIBUTING.md shows what the code of an entry provides.
"""

import importlib
from typing import Any

DATASETS = {
    "smmnist": "svg_tf.data.moving_mnist:MovingMNIST",
    "kth": "svg_tf.data.kth:KTH",
    "bair": "svg_tf.data.bair:BAIR",
    "videos": "svg_tf.data.videos:Videos",
}
"""module:class; the class takes (config, split), and frames(indices int64 [B]) returns clips, uint8 [B, T, H, W, C]."""

BACKBONES = {"dcgan": "svg_tf.models.dcgan", "vgg": "svg_tf.models.vgg"}
"""Modules with the classes Encoder and Decoder."""


def load(place: str) -> Any:
    """Import and return the module "module", or the attribute of "module:attribute"."""
    module, _, name = place.partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, name) if name else loaded
