"""The clips of a run on which a device's files are calibrated and tried."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf import noise, rollout
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.models.svg import SVG

TEST_SEED, CALIBRATION_SEED = 0, 1


class Trial(NamedTuple):
    """Test clips and what TensorFlow makes of them, all float32; one future of each clip."""

    contexts: np.ndarray  # [B, P, H, W, C] in [0, 1]
    eps: np.ndarray  # [B, P-1+T, Z]
    reference: np.ndarray  # TensorFlow's futures [B, T, H, W, C]
    future: np.ndarray  # the true one, as long as the data has it [B, n_eval - P, H, W, C]

    @classmethod
    def of(cls, model: SVG, n_clips: int, horizon: int) -> "Trial":
        """The first test clips of the model's run; fewer where there are fewer.

        Raises:
            DataError: the test data is missing or damaged.
        """
        clips = _first_clips(model.config, "test", n_clips)
        contexts, future = np.split(clips, [model.config.n_past], axis=1)
        eps = _eps(model.config, TEST_SEED, len(clips), horizon)
        draw = tf.function(lambda contexts, eps: rollout.roll_out(model, contexts, eps).frames[0])
        reference = draw(contexts, eps.transpose(1, 0, 2)[:, np.newaxis])
        return cls(contexts, eps, reference.numpy(), future)


def save_calibration(config: Config, n_clips: int, horizon: int, path: str) -> None:
    """Writes contexts of training clips and noise as an npz, see `tflite_calibration.examples`.

    Raises:
        DataError: the training data is missing or damaged.
    """
    contexts = _first_clips(config, "train", n_clips)[:, : config.n_past]
    np.savez(path, contexts=contexts, eps=_eps(config, CALIBRATION_SEED, len(contexts), horizon))


def _first_clips(config: Config, split: str, n_clips: int) -> np.ndarray:
    data = make_dataset(config, split, n_clips=n_clips).unbatch().batch(n_clips)
    return next(data.as_numpy_iterator()) / np.float32(255)


def _eps(config: Config, seed: int, n_clips: int, horizon: int) -> np.ndarray:
    """float32 [B, P-1+T, Z]."""
    seeds = noise.sample_seeds(seed, range(n_clips), 1)
    eps = noise.rollout_noise(tf.constant(seeds), config.n_past - 1 + horizon, config.z_dim)
    return eps.numpy()[:, 0].transpose(1, 0, 2)
