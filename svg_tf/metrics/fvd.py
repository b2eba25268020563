"""FVD: the Fréchet video distance (Unterthiner et al. 2018, arXiv:1812.01717) with the published network.

Videos become the 400 logits of I3D (Carreira & Zisserman, CVPR 2017) trained on Kinetics-400: DeepMind's TensorFlow
Hub module i3d-kinetics-400, version 1. Preprocessing is that of the authors' frechet_video_distance.py.
"""

import glob
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
_REMEDY = f"Download {_HANDLE} (DeepMind's i3d-kinetics-400), unpack it and set --fvd_weights to the folder."


class VideoFeatures:
    """I3D, from videos to the features of FVD. `definition` describes FVD and the network in words.

    folder is that of the unpacked module: saved_model.pb and variables/. A TensorFlow Hub module is a program: load
    only the published one, or one that you made.

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

    def __call__(self, videos: np.ndarray) -> np.ndarray:
        """Return the features of videos float32 [N, T, H, W, C] in [0, 1], context included: float64 [N, 400].

        Raises:
            ConfigError: T is below 9.
        """
        count, length, *size = videos.shape
        if length < _MIN_FRAMES:
            raise ConfigError(
                f"Videos have {length} frames; FVD needs at least {_MIN_FRAMES}. Leave --fvd_weights empty."
            )
        # TensorFlow 1 resized without half-pixel centers; tf.image.resize of TensorFlow 2 cannot.
        frames = tf.raw_ops.ResizeBilinear(
            images=videos.reshape(-1, *size), size=[_WIDTH, _WIDTH], align_corners=False, half_pixel_centers=False
        )  # [N T, 224, 224, C]
        shape = [count, length, _WIDTH, _WIDTH]
        inputs = tf.broadcast_to(tf.reshape(2.0 * frames - 1.0, [*shape, -1]), [*shape, 3])
        return self._network(**{self._argument: inputs})[_SIGNATURE].numpy().astype(np.float64)


def _digest(folder: str) -> str:
    """Return the SHA-256 of the module's graph and variables."""
    digest = hashlib.sha256()
    variables = sorted(glob.glob(os.path.join(glob.escape(folder), "variables", "*")))
    for path in (os.path.join(folder, "saved_model.pb"), *variables):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the squared Fréchet distance of Gaussians fitted to features [N, D] and [M, D] (Dowson & Landau, 1982).

        d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^(1/2) C2 C1^(1/2))^(1/2))

    Covariances are divided by N - 1, as in the published FVD. With fewer features than dimensions they are singular;
    `scipy.linalg.sqrtm` of their product is inexact there (noise of 1e-16 becomes 1e-8).
    """
    first, second = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (a, b))
    # The eigenvalues of C1^(1/2) C2 C1^(1/2) are the squared singular values of C1^(1/2) C2^(1/2). This way nothing
    # is rounded before a root is taken.
    roots = np.linalg.svd(_square_root(first) @ _square_root(second), compute_uv=False)
    spread = np.trace(first) + np.trace(second) - 2 * roots.sum()
    return float(np.square(a.mean(axis=0) - b.mean(axis=0)).sum() + max(spread, 0.0))


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """Return the symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    # Zero eigenvalues are rounded to about 1e-16, whose roots of 1e-8 would count.
    noise = max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps
    return (vectors * np.sqrt(np.where(values > noise, values, 0.0))) @ vectors.T
