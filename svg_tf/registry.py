"""Names of the data sets and backbones, and where their code is.

The code is imported on use, because decoders and TensorFlow Datasets take seconds to import. An entry added before a
`Config` is created becomes a choice of its field; CONTRIBUTING.md describes the interface of such code.
"""

import importlib
from typing import Any

DATASETS = {
    "smmnist": "svg_tf.data.moving_mnist:MovingMNIST",
    "kth": "svg_tf.data.kth:KTH",
    "bair": "svg_tf.data.bair:BAIR",
    "videos": "svg_tf.data.videos:Videos",
}
"""module:class. The class takes (config, split); its frames(indices int64 [B]) returns uint8 [B, T, H, W, C]."""

BACKBONES = {"dcgan": "svg_tf.models.dcgan", "vgg": "svg_tf.models.vgg"}
"""Modules with the classes Encoder and Decoder."""


def load(place: str) -> Any:
    """Import an entry and return the module, or the attribute of it that follows a colon."""
    module, _, name = place.partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, name) if name else loaded
