"""Predictors that learn nothing, or next to nothing."""

import numpy as np

from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset

TRAINING_CLIPS = 1_000

DEFINITIONS = {
    "black": "Every frame is black.",
    "copy last": "The last frame given is repeated.",
    "training mean": f"Every frame is the mean of all frames of the first {TRAINING_CLIPS:,} training clips.",
}


def trivial(context: np.ndarray, horizon: int, mean_frame: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """What they predict of a clip.

    Args:
        context: float32 [P, H, W, C] in [0, 1].
        horizon: T, the frames to predict.
        mean_frame: of training, float32 [H, W, C]; without it there is no training mean.

    Returns:
        float32 [T, H, W, C] by name.
    """
    frames = {"black": np.zeros_like(context[0]), "copy last": context[-1]}
    if mean_frame is not None:
        frames["training mean"] = mean_frame
    return {name: np.repeat(frame[np.newaxis], horizon, axis=0) for name, frame in frames.items()}


def training_mean(config: Config, n_clips: int = TRAINING_CLIPS) -> np.ndarray:
    """The mean of all frames of the first training clips: float32 [H, W, C] in [0, 1].

    Raises:
        DataError: the training data is missing or broken.
    """
    total: np.ndarray = np.zeros([], np.int64)
    frames = 0
    for batch in make_dataset(config, "train", n_clips=n_clips).as_numpy_iterator():
        total = total + batch.sum(axis=(0, 1), dtype=np.int64)
        frames += batch.shape[0] * batch.shape[1]
    return (total / (255 * frames)).astype(np.float32)
