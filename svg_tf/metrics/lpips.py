"""LPIPS: the learned perceptual image patch similarity of Zhang et al., CVPR 2018, version 0.1, linearly calibrated.

Frames go through a network trained on ImageNet. Where LPIPS looks at it, each pixel's features are divided by their
norm, squared differences between the two frames are weighted by channel and summed, averaged over the pixels, and
the layers summed up (equation 1). The `lpips` package computes the same from the same files.

What SRVP publishes for KTH and BAIR, for SVG as for itself, is of AlexNet; VGG16 gives other numbers.
"""

import numpy as np
import tensorflow as tf

from svg_tf.config import ConfigError
from svg_tf.metrics.lpips_weights import Weights, read_weights

# Mean and standard deviation of ImageNet's colours, for frames in [-1, 1], rounded as published.
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_SMALLEST_NORM = 1e-10
# Pixels of the frames that go through a network at once: bounds the memory, to some 0.3 GB for VGG16.
_CHUNK_PIXELS = 64 * 64 * 64


def load(path: str) -> "Lpips":
    """LPIPS with the published weights in a folder, AlexNet's or VGG16's.

    Args:
        path: a folder with alexnet-owt-7be5be79.pth and alex.pth, or with vgg16-397923af.pth and vgg.pth; of a folder
            with all four, the path of its alex.pth or vgg.pth.

    Raises:
        ConfigError: a file is not there, or it is not clear which is meant.
        TorchFileError: a file is damaged, of another network or of another version.
    """
    return Lpips(read_weights(path))


class Lpips:
    """LPIPS of frames, by one network.

    Attributes:
        definition: what is computed and from which files, in words.
    """

    def __init__(self, weights: Weights) -> None:
        self._network = weights.network
        self.definition = (
            f"LPIPS (Zhang et al. 2018), version 0.1, linear calibration on {self._network.title}; grey frames as "
            f"three equal channels; lower is better; weights {weights.files}"
        )
        self._convolutions = [
            (tf.constant(kernel), tf.constant(bias))
            for kernel, bias in zip(weights.kernels, weights.biases, strict=True)
        ]
        self._calibration = [tf.constant(calibration) for calibration in weights.calibration]
        frames = tf.TensorSpec([None, None, None, None], tf.float32)
        maps = [tf.TensorSpec([None, None, None, len(weights)], tf.float32) for weights in weights.calibration]
        self._features_of = tf.function(self._compute_features, input_signature=[frames])
        self._distances_to = tf.function(self._compute_distances, input_signature=[maps, frames])

    def __call__(self, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """LPIPS of every predicted frame.

        Args:
            truth: float32 [B, T, H, W, C] in [0, 1]; C is 1 or 3, H and W at least 31 for AlexNet, 16 for VGG16.
            predictions: float32 [S, B, T, H, W, C] in [0, 1].

        Returns:
            float32 [S, B, T], 0 or more, lower is better; 0 for identical frames.

        Raises:
            ConfigError: frames that are too small for the network.
            ValueError: frames that are not floating point or of one or three channels, or shapes that do not match.
        """
        truth, predictions = np.asarray(truth), np.asarray(predictions)
        self._check(truth, predictions)
        samples, batch, time, height, width, _ = predictions.shape
        scores = np.empty([samples, batch * time], np.float32)
        truth = truth.reshape(batch * time, *truth.shape[2:])  # [B T, H, W, C]
        predictions = predictions.reshape(samples, batch * time, *predictions.shape[3:])  # [S, B T, H, W, C]
        chunk = max(1, _CHUNK_PIXELS // (height * width))
        for start in range(0, batch * time, chunk):
            part = slice(start, start + chunk)
            features = self._features_of(truth[part])  # once for all samples
            for sample in range(samples):
                scores[sample, part] = self._distances_to(features, predictions[sample, part])
        return scores.reshape(samples, batch, time)

    def _check(self, truth: np.ndarray, predictions: np.ndarray) -> None:
        for name, frames in (("truth", truth), ("predictions", predictions)):
            if not np.issubdtype(frames.dtype, np.floating):
                raise ValueError(f"{name} is {frames.dtype}, but must be float32 in [0, 1]; divide bytes by 255")
        if truth.ndim != 5 or predictions.shape[1:] != truth.shape or truth.shape[-1] not in (1, 3):
            raise ValueError(
                f"truth {truth.shape} and predictions {predictions.shape} must be [B, T, H, W, C] and "
                "[S, B, T, H, W, C] of 1 or 3 channels"
            )
        height, width = truth.shape[2:4]
        if min(height, width) < self._network.smallest:
            raise ConfigError(
                f"frames are {height}x{width} pixels, but LPIPS with {self._network.title} needs at least "
                f"{self._network.smallest}x{self._network.smallest}: evaluate larger frames, or without LPIPS"
            )

    def _compute_features(self, frames: tf.Tensor) -> list[tf.Tensor]:
        """Frames [N, H, W, C] -> for each layer that is compared its features, of norm 1 at every pixel."""
        maps = tf.broadcast_to(frames, tf.concat([tf.shape(frames)[:3], [3]], axis=0))  # [N, H, W, 3]
        maps = (2.0 * maps - 1.0 - tf.constant(_SHIFT)) / tf.constant(_SCALE)
        convolutions, features = iter(self._convolutions), []
        for layer in self._network.layers:
            if layer.channels:
                kernel, bias = next(convolutions)
                padding = [[0, 0], [layer.padding] * 2, [layer.padding] * 2, [0, 0]]
                maps = tf.nn.relu(tf.nn.conv2d(maps, kernel, layer.stride, padding) + bias)
            else:
                maps = tf.nn.max_pool2d(maps, layer.size, layer.stride, "VALID")
            if layer.compared:
                norm = tf.sqrt(tf.reduce_sum(tf.square(maps), axis=-1, keepdims=True))
                features.append(maps / (norm + _SMALLEST_NORM))
        return features

    def _compute_distances(self, truth: list[tf.Tensor], frames: tf.Tensor) -> tf.Tensor:
        """Features of N true frames and N predicted frames [N, H, W, C] -> [N]."""
        distances = [
            tf.reduce_mean(tf.reduce_sum(weights * tf.math.squared_difference(a, b), axis=-1), axis=[1, 2])
            for weights, a, b in zip(self._calibration, truth, self._compute_features(frames), strict=True)
        ]
        return tf.add_n(distances)
