"""LPIPS: learned perceptual image patch similarity, version 0.1, linearly calibrated (Zhang et al., CVPR 2018).

Both frames go through a network trained on ImageNet. At five layers the features of each pixel are divided by their
norm; squared differences are weighted by channel, summed, averaged over pixels and added up (equation 1). The `lpips`
package computes the same from the same files, but needs PyTorch.

The LPIPS that SRVP publishes for KTH and BAIR is AlexNet's; VGG16 gives other numbers.
"""

import glob
import hashlib
import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf.config import ConfigError
from svg_tf.torch_import import TorchFileError, read

# Mean and standard deviation of ImageNet's colours for frames in [-1, 1], rounded as published.
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_SMALLEST_NORM = 1e-10
# Pixels that go through a network at once: 0.3 GB of activations in VGG16.
_CHUNK_PIXELS = 64 * 64 * 64


class _Conv(NamedTuple):
    """A convolution with ReLU, at an index in torchvision's `features`. LPIPS compares the outputs of some."""

    index: int
    filters: int
    size: int
    stride: int = 1
    padding: int = 1
    compared: bool = True


class _Network(NamedTuple):
    """A published network."""

    title: str
    layers: tuple[_Conv | int, ...]  # an integer is the window of a max-pooling of stride 2
    backbone: str  # torchvision's file
    linear: str  # file of the linear calibration in the lpips package, weights/v0.1
    outdated: str  # start of the SHA-256 of that file in weights/v0.0, which is of another metric


def _vgg16() -> tuple[_Conv | int, ...]:
    layers: list[_Conv | int] = []
    index = 0
    for count, filters in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        layers += [_Conv(index + 2 * i, filters, 3, compared=i == count - 1) for i in range(count)] + [2]
        index += 2 * count + 1
    return tuple(layers[:-1])


_ALEXNET_END = (_Conv(6, 384, 3), _Conv(8, 256, 3), _Conv(10, 256, 3))
_ALEXNET = (_Conv(0, 64, 11, 4, 2), 3, _Conv(3, 192, 5, 1, 2), 3, *_ALEXNET_END)
_NETWORKS = (
    _Network("AlexNet", _ALEXNET, "alexnet-owt-7be5be79.pth", "alex.pth", "18720f55"),
    _Network("VGG16", _vgg16(), "vgg16-397923af.pth", "vgg.pth", "b9e42362"),
)


class Lpips:
    """LPIPS of one network.

    Args:
        path: folder with alexnet-owt-7be5be79.pth and alex.pth, or with vgg16-397923af.pth and vgg.pth; or the path of
            one alex.pth or vgg.pth, to choose where a folder has both.

    Attributes:
        definition: the network, the version and the files, in words.

    Raises:
        ConfigError: a file is missing, or the folder has both networks.
        TorchFileError: a file is damaged, of another network or of version 0.0.
    """

    def __init__(self, path: str) -> None:
        self._network, *files = _find(path)
        self._convolutions, self._calibration, names = _read(self._network, *files)
        self.definition = (
            f"LPIPS (Zhang et al. 2018), version 0.1, linear calibration on {self._network.title}. Grey frames are "
            f"converted to three equal channels. Weights: {' and '.join(names)}."
        )
        frames = tf.TensorSpec([None, None, None, None], tf.float32)
        maps = [tf.TensorSpec([None, None, None, len(weights)], tf.float32) for weights in self._calibration]
        self._features_of = tf.function(self._features, input_signature=[frames], autograph=False)
        self._distances_to = tf.function(self._distances, input_signature=[maps, frames], autograph=False)

    def measure(self, context: np.ndarray, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Return the LPIPS of each frame, float32 [S, T], 0 or more, lower is better, 0 for identical frames.

        Args:
            context: not used; it makes this a measure of `evaluation.definitions.Metric`.
            truth: float32 [T, H, W, C] in [0, 1]; C is 1 or 3, H and W at least 32.
            predictions: float32 [S, T, H, W, C] in [0, 1].
        """
        truth, predictions = np.asarray(truth), np.asarray(predictions)
        scores = np.empty(predictions.shape[:2], np.float32)
        chunk = max(1, _CHUNK_PIXELS // (truth.shape[1] * truth.shape[2]))
        for start in range(0, len(truth), chunk):
            part = slice(start, start + chunk)
            features = self._features_of(truth[part])  # once for all samples
            for sample, frames in enumerate(predictions[:, part]):
                scores[sample, part] = self._distances_to(features, frames)
        return scores

    def _features(self, frames: tf.Tensor) -> list[tf.Tensor]:
        """Return the normalised features of frames [N, H, W, C] at each compared layer."""
        maps = tf.broadcast_to(frames, tf.concat([tf.shape(frames)[:3], [3]], axis=0))  # [N, H, W, 3]
        maps = (2.0 * maps - 1.0 - tf.constant(_SHIFT)) / tf.constant(_SCALE)
        convolutions, features = iter(self._convolutions), []
        for layer in self._network.layers:
            if isinstance(layer, int):
                maps = tf.nn.max_pool2d(maps, layer, 2, "VALID")
                continue
            kernel, bias = next(convolutions)
            padding = [[0, 0], [layer.padding] * 2, [layer.padding] * 2, [0, 0]]
            maps = tf.nn.relu(tf.nn.conv2d(maps, kernel, layer.stride, padding) + bias)
            if layer.compared:
                norm = tf.sqrt(tf.reduce_sum(tf.square(maps), axis=-1, keepdims=True))
                features.append(maps / (norm + _SMALLEST_NORM))
        return features

    def _distances(self, truth: list[tf.Tensor], frames: tf.Tensor) -> tf.Tensor:
        """Return the LPIPS [N] of frames [N, H, W, C] and the features of N true frames."""
        distances = [
            tf.reduce_mean(tf.reduce_sum(weights * tf.math.squared_difference(a, b), axis=-1), axis=[1, 2])
            for weights, a, b in zip(self._calibration, truth, self._features(frames), strict=True)
        ]
        return tf.add_n(distances)


def _find(path: str) -> tuple[_Network, str, str]:
    """Return the network that a path names, its backbone file and its calibration file."""
    folder, name = (path, "") if os.path.isdir(path) else os.path.split(path)
    found = [n for n in _NETWORKS if name in ("", n.linear) and os.path.exists(os.path.join(folder, n.linear))]
    if len(found) > 1:
        raise ConfigError(f"{path} holds two networks. Set --lpips_weights to its alex.pth or vgg.pth.")
    for network in found:
        backbones = glob.glob(os.path.join(glob.escape(folder), network.backbone.rpartition("-")[0] + "-*.pth"))
        if len(backbones) == 1:
            return network, backbones[0], os.path.join(folder, network.linear)
    pairs = " or ".join(f"{network.backbone} and {network.linear}" for network in found or _NETWORKS)
    raise ConfigError(
        f"{path} has no weights of LPIPS. Put {pairs} into one folder (the first is published by torchvision, the "
        "second by the lpips package in weights/v0.1) and set --lpips_weights to it."
    )


def _read(network: _Network, backbone: str, linear: str) -> tuple[list, list, list[str]]:
    """Return the kernels with their biases, the calibration weights, and the two files with their SHA-256."""
    names = []
    for file in (backbone, linear):
        with open(file, "rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        names.append(f"{os.path.basename(file)} (SHA-256 {digest[:16]})")
    if digest.startswith(network.outdated):
        raise TorchFileError(f"{linear} is of LPIPS version 0.0. Use weights/v0.1/{network.linear} of the package.")
    files = {backbone: read(backbone), linear: read(linear)}

    def tensor(file: str, key: str, *shape: int) -> np.ndarray:
        array = files[file].get(key) if isinstance(files[file], dict) else None
        if not isinstance(array, np.ndarray) or array.shape != shape or not np.isfinite(array).all():
            raise TorchFileError(f"{file} has no finite tensor {key} of shape {shape}. Use the published file.")
        return array.astype(np.float32)

    convolutions, calibration, channels = [], [], 3
    for layer in network.layers:
        if isinstance(layer, int):
            continue
        name = f"features.{layer.index}"
        kernel = tensor(backbone, f"{name}.weight", layer.filters, channels, layer.size, layer.size)
        bias = tensor(backbone, f"{name}.bias", layer.filters)
        convolutions.append((tf.constant(kernel.transpose(2, 3, 1, 0)), tf.constant(bias)))
        channels = layer.filters
        if layer.compared:
            weights = tensor(linear, f"lin{len(calibration)}.model.1.weight", 1, channels, 1, 1)
            calibration.append(tf.constant(weights.reshape(channels)))
    return convolutions, calibration, names
