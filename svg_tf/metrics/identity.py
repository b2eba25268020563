"""Digit identity: whether a predicted frame still shows the digit of the context frames (one moving digit)."""

import numpy as np
from scipy import ndimage

from svg_tf.config import Config
from svg_tf.data.digits import load_digits
from svg_tf.data.errors import DataError

_SIDE = 8  # pixels of a classified digit
_BLURS = (0.0, 1 / 16)  # standard deviations in digit sizes; predicted digits are blurred
_SMALLEST_NORM = 1e-3


class DigitIdentity:
    """A support vector classifier of the digit in a frame.

    A digit is cropped around its centre of mass, averaged to 8x8 pixels and normalised. The classifier is trained on
    the training digits, sharp and blurred, and is right on 98 % of the true test frames.

    Raises:
        DataError: the clips of the configuration have several digits, or digits of MNIST.
    """

    definition = (
        "Share of the predicted frames whose digit is that of the context frames. A support vector classifier, trained "
        "on the training digits, labels the digit of each frame, cropped around its centre of mass. The label of the "
        "context is that of most of its frames; a black frame has none."
    )

    def __init__(self, config: Config) -> None:
        from sklearn.svm import SVC

        if config.digits != "embedded" or config.num_digits > 1:
            raise DataError("it is defined for clips of one embedded digit")
        self._size = config.digit_size
        # Averages digit_size pixels to _SIDE pixels along one axis.
        self._pool = np.repeat(np.eye(self._size, dtype=np.float32), _SIDE, axis=1)
        self._pool = self._pool.reshape(self._size, _SIDE, self._size).mean(axis=-1)  # [D, _SIDE]
        digits = load_digits(config, "train") / np.float32(255)
        margin = (config.image_width - self._size) // 2
        frames = np.pad(digits, [(0, 0), (margin, margin), (margin, margin)])
        blurred = [ndimage.gaussian_filter(frames, [0, blur * self._size, blur * self._size]) for blur in _BLURS]
        features = np.concatenate([self._features(version)[0] for version in blurred])
        self._classifier = SVC(C=10, gamma=4).fit(features, np.tile(_training_labels(), len(_BLURS)))

    def measure(self, context: np.ndarray, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Return 1 for each frame with the digit of the context, else 0: float32 [S, T]; see `Metric.measure`."""
        labels, counts = np.unique(self.classify(context), return_counts=True)
        return (self.classify(predictions) == labels[counts.argmax()]).astype(np.float32)

    def classify(self, frames: np.ndarray) -> np.ndarray:
        """Return the digit in each frame [..., H, W, 1]: int64 [...], -1 for a black frame."""
        frames = np.asarray(frames)
        features, visible = self._features(frames.reshape(-1, *frames.shape[-3:-1]))
        # True digits look the same in every frame, and prediction takes the most time.
        features, places = np.unique(features, axis=0, return_inverse=True)
        labels = self._classifier.predict(features)[places.reshape(-1)]
        return np.where(visible, labels, -1).reshape(frames.shape[:-3])

    def _features(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the normalised crops of frames [N, H, W], float32 [N, 64], and whether they show anything, [N]."""
        size, (count, height, _) = self._size, frames.shape
        weight = np.square(frames)  # a faint background hardly moves the centre
        total = np.maximum(weight.sum(axis=(1, 2)), _SMALLEST_NORM**2)
        places = np.arange(height)  # frames are square
        centres = [weight.sum(axis=axis) @ places / total for axis in (2, 1)]  # y, x
        corners = [np.rint(centre - (size - 1) / 2).astype(int) + size for centre in centres]
        y, x = (np.clip(corner, 0, height + size)[:, None] + np.arange(size) for corner in corners)
        padded = np.pad(frames, [(0, 0), (size, size), (size, size)])
        crops = padded[np.arange(count)[:, None, None], y[:, :, None], x[:, None, :]]  # [N, D, D]
        features = (self._pool.T @ crops @ self._pool).reshape(count, -1)
        norm = np.linalg.norm(features, axis=1, keepdims=True)
        return features / np.maximum(norm, _SMALLEST_NORM), norm[:, 0] > _SMALLEST_NORM


def _training_labels() -> np.ndarray:
    """Return the labels of the embedded training digits, int [N]."""
    from sklearn import datasets

    stored = datasets.load_digits()  # 8x8 pixels in 0..16
    labels = dict(zip((image.astype(np.uint8).tobytes() for image in stored.images), stored.target, strict=True))
    images = load_digits(Config(digits="embedded", digit_size=8), "train")
    return np.array([labels[np.rint(image * (16 / 255)).astype(np.uint8).tobytes()] for image in images])
