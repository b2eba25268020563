"""FVD: the Fréchet video distance of Unterthiner et al. (2018, arXiv:1812.01717), by the published network.

Videos become the 400 logits of I3D (Carreira & Zisserman, CVPR 2017), trained on Kinetics-400: the module
i3d-kinetics-400, version 1, that DeepMind publishes on TensorFlow Hub. `frechet` compares the Gaussians of two sets
of them. Preprocessing is that of the authors' frechet_video_distance.py. Conversions of the network to other
frameworks, TorchScript among them, are not read.
"""

import hashlib
import os

import numpy as np
import tensorflow as tf

from svg_tf.config import ConfigError
from svg_tf.training.checkpoints import CheckpointError

_HANDLE = "https://tfhub.dev/deepmind/i3d-kinetics-400/1"
_SIGNATURE = "default"
_WIDTH = 224
_LOGITS = 400
# I3D halves the number of frames three times, rounding up, and then averages over windows of two.
_MIN_FRAMES = 9
# Frames that go through I3D at once, of whole videos: bounds the memory, to some 0.5 GB.
_CHUNK_FRAMES = 128


def load(handle: str) -> "VideoFeatures":
    """The published network.

    A TensorFlow Hub module is a program: load none but the published one, or one that you made.

    Args:
        handle: the folder of the module as it is downloaded and unpacked (saved_model.pb, tfhub_module.pb and
            variables/), or a handle such as https://tfhub.dev/deepmind/i3d-kinetics-400/1, which the package
            tensorflow_hub downloads and keeps.

    Raises:
        ConfigError: there is no such folder, or the handle cannot be fetched.
        CheckpointError: what is there is damaged, or not this network.
    """
    folder = _fetched(handle) if handle.startswith(("http://", "https://")) else handle
    if not os.path.exists(folder):
        raise ConfigError(f"FVD has no network: {handle} is not there; {_remedy()}")
    if not os.path.isfile(os.path.join(folder, "saved_model.pb")):
        raise CheckpointError(f"{handle} is no folder with a saved_model.pb, so no TensorFlow Hub module; {_remedy()}")
    return VideoFeatures(handle, folder)


class VideoFeatures:
    """The network behind FVD, from videos to features.

    Attributes:
        definition: what FVD is, and by which network, in words.
        min_frames: the fewest frames of a video that the network takes.
    """

    min_frames = _MIN_FRAMES

    def __init__(self, handle: str, folder: str) -> None:
        self.definition = (
            "FVD (Unterthiner et al. 2018): Fréchet distance between Gaussians, with sample covariances (n - 1), of "
            "the logits of I3D trained on Kinetics-400; frames resized to 224x224 bilinearly as in TensorFlow 1, grey "
            f"ones as three equal channels; lower is better; network {handle} (SHA-256 {_digest(folder)[:16]})"
        )
        try:
            self._module = tf.saved_model.load(folder, tags=[])  # must outlive its signature
        except Exception as error:  # protobuf's, TensorFlow's and Python's own, depending on what is damaged
            # TensorFlow's messages begin with the place in the program, indented, and end with what went wrong.
            lines = [line for line in str(error).splitlines() if line.strip() and not line[0].isspace()]
            reason = lines[-1] if lines else type(error).__name__
            raise CheckpointError(f"{handle} is no sound TensorFlow Hub module ({reason}); {_remedy()}") from None
        self._network, self._argument = self._signature(handle)
        videos = tf.TensorSpec([None, None, None, None, None], tf.float32)
        self._features_of = tf.function(self._compute_features, input_signature=[videos])

    def __call__(self, videos: np.ndarray) -> np.ndarray:
        """The features of whole videos, context included.

        Args:
            videos: float32 [N, T, H, W, C] in [0, 1]; T is min_frames or more, C 1 or 3.

        Returns:
            float64 [N, 400].

        Raises:
            ConfigError: videos that are too short for the network.
            ValueError: videos of another type or shape.
        """
        videos = np.asarray(videos)
        if not np.issubdtype(videos.dtype, np.floating):
            raise ValueError(f"videos are {videos.dtype}, but must be float32 in [0, 1]; divide bytes by 255")
        if videos.ndim != 5 or videos.shape[-1] not in (1, 3):
            raise ValueError(f"videos have shape {videos.shape}, but must be [N, T, H, W, C] of 1 or 3 channels")
        count, frames = videos.shape[:2]
        if frames < _MIN_FRAMES:
            raise ConfigError(
                f"videos have {frames} frames, but FVD's network needs at least {_MIN_FRAMES}: raise n_eval, or "
                "evaluate without FVD"
            )
        chunk = max(1, _CHUNK_FRAMES // frames)
        features = [self._features_of(videos[start : start + chunk]).numpy() for start in range(0, count, chunk)]
        return np.concatenate([np.empty([0, _LOGITS]), *features])  # float64, as the empty one is

    def _signature(self, handle: str) -> tuple:
        """The network as a function, and the name of its argument."""
        if _SIGNATURE not in self._module.signatures:
            found = ", ".join(self._module.signatures) or "none"
            raise CheckpointError(f"{handle} has no signature {_SIGNATURE}, but {found}; {_remedy()}")
        network = self._module.signatures[_SIGNATURE]
        arguments = network.structured_input_signature[1]
        expected = tf.TensorShape([None, None, _WIDTH, _WIDTH, 3])
        if len(arguments) != 1 or not all(expected.is_compatible_with(spec.shape) for spec in arguments.values()):
            found = ", ".join(f"{name} {spec.shape}" for name, spec in arguments.items())
            raise CheckpointError(f"{handle} takes {found}, but must take one tensor {expected}; {_remedy()}")
        shape = getattr(network.structured_outputs.get(_SIGNATURE), "shape", None)
        if shape is None or shape.rank != 2 or shape[1] != _LOGITS:
            raise CheckpointError(
                f"{handle} gives {_SIGNATURE} {shape}, but must give the logits of Kinetics-400, [N, {_LOGITS}]; "
                f"{_remedy()}"
            )
        return network, next(iter(arguments))

    def _compute_features(self, videos: tf.Tensor) -> tf.Tensor:
        """Videos [N, T, H, W, C] -> [N, 400]."""
        shape = tf.shape(videos)
        # Without half-pixel centers, as TensorFlow 1 resized by default: tf.image.resize of TensorFlow 2 does not.
        frames = tf.raw_ops.ResizeBilinear(
            images=tf.reshape(videos, tf.concat([[-1], shape[2:]], axis=0)),
            size=[_WIDTH, _WIDTH],
            align_corners=False,
            half_pixel_centers=False,
        )  # [N T, 224, 224, C]
        frames = tf.reshape(2.0 * frames - 1.0, [shape[0], shape[1], _WIDTH, _WIDTH, shape[4]])
        frames = tf.broadcast_to(frames, [shape[0], shape[1], _WIDTH, _WIDTH, 3])
        return self._network(**{self._argument: frames})[_SIGNATURE]


def _fetched(handle: str) -> str:
    """The folder that a handle is downloaded to."""
    try:
        import tensorflow_hub
    except ImportError:
        raise ConfigError(
            f"{handle} is fetched by the package tensorflow_hub, which is not installed: install it, or download the "
            "module and name its folder"
        ) from None
    try:
        return tensorflow_hub.resolve(handle)
    except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
        raise ConfigError(f"{handle} cannot be fetched ({error}); {_remedy()}") from None


def _remedy() -> str:
    return f"download {_HANDLE} (DeepMind's i3d-kinetics-400 on TensorFlow Hub), unpack it and name its folder"


def _digest(folder: str) -> str:
    """The SHA-256 of the module's graph and variables."""
    digest = hashlib.sha256()
    variables = os.path.join(folder, "variables")
    names = sorted(os.listdir(variables)) if os.path.isdir(variables) else []
    for path in (os.path.join(folder, "saved_model.pb"), *(os.path.join(variables, name) for name in names)):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
