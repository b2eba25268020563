"""Stand-in weights of LPIPS with the names and formats of the published files."""

import functools
import hashlib

import numpy as np
from torch_files import TorchFile, ordered

# Convolutions of torchvision: index, channels in and out, size, stride, padding; pooling: size. LPIPS compares the
# layers with a star.
_ALEX = (
    ("*0", 3, 64, 11, 4, 2), 3, ("*3", 64, 192, 5, 1, 2), 3, ("*6", 192, 384, 3, 1, 1), ("*8", 384, 256, 3, 1, 1),
    ("*10", 256, 256, 3, 1, 1),
)  # fmt: skip
_VGG = (
    ("0", 3, 64, 3, 1, 1), ("*2", 64, 64, 3, 1, 1), 2, ("5", 64, 128, 3, 1, 1), ("*7", 128, 128, 3, 1, 1), 2,
    ("10", 128, 256, 3, 1, 1), ("12", 256, 256, 3, 1, 1), ("*14", 256, 256, 3, 1, 1), 2,
    ("17", 256, 512, 3, 1, 1), ("19", 512, 512, 3, 1, 1), ("*21", 512, 512, 3, 1, 1), 2,
    ("24", 512, 512, 3, 1, 1), ("26", 512, 512, 3, 1, 1), ("*28", 512, 512, 3, 1, 1),
)  # fmt: skip
LAYERS = {"alex": _ALEX, "vgg": _VGG}
_NAMES = {"alex": "alexnet-owt", "vgg": "vgg16"}
_FORMS = {"alex": "zip", "vgg": "stream"}


def numbers(shape, seed):
    """Return pseudo-random numbers in [-1, 1), the same on every machine, float64."""
    bits = np.arange(np.prod(shape), dtype=np.uint32) + np.uint32(seed * 0x9E3779B1 & 0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):  # the finalizer of MurmurHash3
        bits = (bits ^ (bits >> np.uint32(shift))) * np.uint32(factor)
    return (bits ^ (bits >> np.uint32(16))).reshape(shape) / 2.0**31 - 1


@functools.cache
def standin(net):
    """Return the state dictionaries of a network's features and of its linear calibration, float32."""
    features, linear = {}, {}
    for layer in LAYERS[net]:
        if isinstance(layer, tuple):
            name, inputs, outputs, size, *_ = layer
            seed = 100 + 2 * len(features)
            weight = numbers([outputs, inputs, size, size], seed) * np.sqrt(6 / (inputs * size * size))
            features[f"features.{name.strip('*')}.weight"] = weight.astype(np.float32)
            features[f"features.{name.strip('*')}.bias"] = (0.2 * numbers([outputs], seed + 1)).astype(np.float32)
            if "*" in name:
                weight = np.abs(numbers([1, outputs, 1, 1], len(linear)))
                linear[f"lin{len(linear)}.model.1.weight"] = weight.astype(np.float32)
    features["classifier.6.weight"] = np.zeros([3, 2], np.float32)  # published too, but not used
    return features, linear


def write(path, tensors, form="zip"):
    """Write a state dictionary as a PyTorch file."""
    file = TorchFile()
    return file.write(path, ordered({key: file.tensor(array) for key, array in tensors.items()}), form)


def write_backbone(folder, net, tensors=None, form=None):
    """Write a file of features, with the first digits of its SHA-256 in the name."""
    path = write(folder / "features", standin(net)[0] if tensors is None else tensors, form or _FORMS[net])
    return path.rename(folder / f"{_NAMES[net]}-{sha256(path)[:8]}.pth")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_folder(folder, net):
    """Write both files of a network to a folder and return it."""
    write_backbone(folder, net)
    write(folder / f"{net}.pth", standin(net)[1], "stream")
    return folder
