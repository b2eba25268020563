"""FVD: the Fréchet video distance (Unterthiner et al. 2018, arXiv:1812.01717) with the published network.

Videos become the 400 logits of I3D (Carreira & Zisserman, CVPR 2017) trained on Kinetics-400: DeepMind's TensorFlow
Hub module i3d-kinetics-400, version 1. `frechet_distance` compares two sets of them. Preprocessing is that of the
authors' frechet_video_distance.py.
"""

import hashlib
import os

import numpy as np
import tensorflow as tf

from svg_tf.config import ConfigError
from svg_tf.training.checkpoints import CheckpointError

_HANDLE = "https://tfhub.dev/deepmind/i3d-kinetics-400/1"
_SIGNATURE = "default"
_WIDTH, _LOGITS = 224, 400
# I3D halves the number of frames three times, rounding up, and then averages over windows of two.
_MIN_FRAMES = 9
# Frames that go through I3D at once, in whole videos: about 0.5 GB.
_CHUNK_FRAMES = 128
_REMEDY = f"Download {_HANDLE} (DeepMind's i3d-kinetics-400), unpack it and set --fvd_weights to the folder."


class VideoFeatures:
    """I3D, from videos to the features of FVD.

    A TensorFlow Hub module is a program: load only the published one, or one that you made.

    Args:
        folder: folder of the unpacked module: saved_model.pb and variables/.

    Attributes:
        definition: FVD and its network, in words.

    Raises:
        ConfigError: the folder is missing.
        CheckpointError: the module is damaged, or is another network.
    """

    def __init__(self, folder: str) -> None:
        if not os.path.isfile(os.path.join(folder, "saved_model.pb")):
            raise ConfigError(f"{folder} is not a folder with a saved_model.pb. {_REMEDY}")
        self.definition = (
            "FVD (Unterthiner et al. 2018): Fréchet distance between Gaussians, with sample covariances (n - 1), of "
            "the logits of I3D trained on Kinetics-400. Frames are resized to 224x224 bilinearly as in TensorFlow 1; "
            f"grey frames are converted to three equal channels. Network {folder} (SHA-256 {_digest(folder)[:16]})."
        )
        try:
            self._module = tf.saved_model.load(folder, tags=[])  # must outlive its signature
        except Exception as error:  # protobuf's, TensorFlow's or Python's, depending on the damage
            reason = " ".join(str(error).split())[-200:]
            raise CheckpointError(f"{folder} is not a valid TensorFlow Hub module ({reason}). {_REMEDY}") from None
        self._network = self._module.signatures.get(_SIGNATURE)
        inputs = self._network.structured_input_signature[1] if self._network else {}
        outputs = self._network.structured_outputs if self._network else {}
        shapes = [spec.shape for spec in (*inputs.values(), *outputs.values())]
        expected = [tf.TensorShape([None, None, _WIDTH, _WIDTH, 3]), tf.TensorShape([None, _LOGITS])]
        if len(shapes) != 2 or not all(a.is_compatible_with(b) for a, b in zip(shapes, expected, strict=True)):
            raise CheckpointError(
                f"{folder} has no signature {_SIGNATURE!r} from {expected[0]} to {expected[1]}. {_REMEDY}"
            )
        (self._argument,) = inputs
        videos = tf.TensorSpec([None, None, None, None, None], tf.float32)
        self._features_of = tf.function(self._features, input_signature=[videos], autograph=False)

    def __call__(self, videos: np.ndarray) -> np.ndarray:
        """Return the features of whole videos, context included: float64 [N, 400].

        Args:
            videos: float32 [N, T, H, W, C] in [0, 1]; C is 1 or 3.

        Raises:
            ConfigError: T is below 9.
        """
        count, frames = videos.shape[:2]
        if frames < _MIN_FRAMES:
            raise ConfigError(
                f"Videos have {frames} frames; FVD needs at least {_MIN_FRAMES}. Leave --fvd_weights empty."
            )
        chunk = max(1, _CHUNK_FRAMES // frames)
        features = [self._features_of(videos[start : start + chunk]).numpy() for start in range(0, count, chunk)]
        return np.concatenate([np.empty([0, _LOGITS]), *features])  # float64, as the first part is

    def _features(self, videos: tf.Tensor) -> tf.Tensor:
        """Return the logits [N, 400] of videos [N, T, H, W, C]."""
        shape = tf.shape(videos)
        # TensorFlow 1 resized without half-pixel centers; tf.image.resize of TensorFlow 2 cannot.
        frames = tf.raw_ops.ResizeBilinear(
            images=tf.reshape(videos, tf.concat([[-1], shape[2:]], axis=0)),
            size=[_WIDTH, _WIDTH],
            align_corners=False,
            half_pixel_centers=False,
        )  # [N T, 224, 224, C]
        frames = tf.reshape(2.0 * frames - 1.0, [shape[0], shape[1], _WIDTH, _WIDTH, shape[4]])
        frames = tf.broadcast_to(frames, [shape[0], shape[1], _WIDTH, _WIDTH, 3])
        return self._network(**{self._argument: frames})[_SIGNATURE]


def _digest(folder: str) -> str:
    """Return the SHA-256 of the module's graph and variables."""
    digest = hashlib.sha256()
    variables = os.path.join(folder, "variables")
    names = sorted(os.listdir(variables)) if os.path.isdir(variables) else []
    for path in (os.path.join(folder, "saved_model.pb"), *(os.path.join(variables, name) for name in names)):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
