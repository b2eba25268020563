"""LPIPS: learned perceptual image patch similarity, version 0.1, linearly calibrated (Zhang et al., CVPR 2018).

Both frames go through AlexNet trained on ImageNet, the network of the published LPIPS of KTH and BAIR. After each
convolution the features of a pixel are divided by their norm; squared differences are weighted by channel, summed,
averaged over pixels and added up (equation 1). The `lpips` package computes the same, but needs PyTorch.
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
_BACKBONE, _LINEAR = "alexnet-owt-7be5be79.pth", "alex.pth"
_OUTDATED = "18720f55"  # start of the SHA-256 of alex.pth in version 0.0, which is another metric


class _Conv(NamedTuple):
    """A convolution with ReLU; a max-pooling with window 3 and stride 2 may precede it."""

    number: int  # in torchvision's `features`
    filters: int
    size: int
    stride: int = 1
    padding: int = 1
    pooled: bool = False


_LAYERS = (
    _Conv(0, 64, 11, 4, 2),
    _Conv(3, 192, 5, 1, 2, pooled=True),
    _Conv(6, 384, 3, pooled=True),
    _Conv(8, 256, 3),
    _Conv(10, 256, 3),
)


class Lpips:
    """LPIPS on AlexNet. `definition` describes the version, the network and the files in words.

    folder has alexnet-owt-7be5be79.pth, which torchvision publishes, and alex.pth of the lpips package.

    Raises:
        ConfigError: a file is missing.
        TorchFileError: a file is damaged, of another network or of version 0.0.
    """

    def __init__(self, folder: str) -> None:
        backbones = glob.glob(os.path.join(glob.escape(folder), "alexnet-owt-*.pth"))
        linear = os.path.join(folder, _LINEAR)
        if len(backbones) != 1 or not os.path.exists(linear):
            raise ConfigError(
                f"{folder} has no weights of LPIPS. Put {_BACKBONE} (published by torchvision) and {_LINEAR} (of the "
                "lpips package, weights/v0.1) into one folder and set --lpips_weights to it."
            )
        names, digest = [], ""
        for path in (*backbones, linear):
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            names.append(f"{os.path.basename(path)} (SHA-256 {digest[:16]})")
        if digest.startswith(_OUTDATED):
            raise TorchFileError(f"{linear} is of LPIPS version 0.0. Use weights/v0.1/{_LINEAR} of the lpips package.")
        self.definition = (
            "LPIPS (Zhang et al. 2018), version 0.1, linear calibration on AlexNet. Grey frames are converted to three "
            f"equal channels. Weights: {' and '.join(names)}."
        )
        self._convolutions, self._calibration = _weights(backbones[0], linear)

    def measure(self, context: np.ndarray, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Return the LPIPS of each frame, float32 [S, T], 0 for identical frames; see `Metric.measure`.

        C is 1 or 3, H and W are at least 32.
        """
        features = self._features(truth)  # once for all samples
        return np.stack([self._distances(features, frames) for frames in predictions])

    @tf.function(autograph=False)
    def _features(self, frames: tf.Tensor) -> list[tf.Tensor]:
        """Return the normalised features of frames [N, H, W, C] after each convolution."""
        maps = tf.broadcast_to(frames, tf.concat([tf.shape(frames)[:3], [3]], axis=0))  # [N, H, W, 3]
        maps = (2.0 * maps - 1.0 - tf.constant(_SHIFT)) / tf.constant(_SCALE)
        features = []
        for layer, (kernel, bias) in zip(_LAYERS, self._convolutions, strict=True):
            if layer.pooled:
                maps = tf.nn.max_pool2d(maps, 3, 2, "VALID")
            padding = [[0, 0], [layer.padding] * 2, [layer.padding] * 2, [0, 0]]
            maps = tf.nn.relu(tf.nn.conv2d(maps, kernel, layer.stride, padding) + bias)
            norm = tf.sqrt(tf.reduce_sum(tf.square(maps), axis=-1, keepdims=True))
            features.append(maps / (norm + _SMALLEST_NORM))
        return features

    @tf.function(autograph=False)
    def _distances(self, truth: list[tf.Tensor], frames: tf.Tensor) -> tf.Tensor:
        """Return the LPIPS [N] of frames [N, H, W, C] and the features of N true frames."""
        distances = [
            tf.reduce_mean(tf.reduce_sum(weights * tf.math.squared_difference(a, b), axis=-1), axis=[1, 2])
            for weights, a, b in zip(self._calibration, truth, self._features(frames), strict=True)
        ]
        return tf.add_n(distances)


def _weights(backbone: str, linear: str) -> tuple[list[tuple[tf.Tensor, tf.Tensor]], list[tf.Tensor]]:
    """Return the kernel and bias of each convolution, and the calibration weights of each."""
    files = {backbone: read(backbone), linear: read(linear)}

    def tensor(file: str, key: str, *shape: int) -> np.ndarray:
        array = files[file].get(key) if isinstance(files[file], dict) else None
        if not isinstance(array, np.ndarray) or array.shape != shape or not np.isfinite(array).all():
            raise TorchFileError(f"{file} has no finite tensor {key} of shape {shape}. Use the published file.")
        return array.astype(np.float32)

    convolutions, calibration, channels = [], [], 3
    for number, layer in enumerate(_LAYERS):
        name = f"features.{layer.number}"
        kernel = tensor(backbone, f"{name}.weight", layer.filters, channels, layer.size, layer.size)
        bias = tensor(backbone, f"{name}.bias", layer.filters)
        convolutions.append((tf.constant(kernel.transpose(2, 3, 1, 0)), tf.constant(bias)))
        channels = layer.filters
        weights = tensor(linear, f"lin{number}.model.1.weight", 1, channels, 1, 1)
        calibration.append(tf.constant(weights.reshape(channels)))
    return convolutions, calibration
