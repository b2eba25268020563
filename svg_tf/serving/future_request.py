"""What a client asks of a served model: futures of one clip, in numbers or in pictures."""

from typing import Protocol

import numpy as np

from svg_tf.serving import picture_files


class Client(Protocol):
    """GrpcClient or RestClient."""

    def predict(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature."""


def sample_seeds(seed: int, clip: int, n_samples: int) -> np.ndarray:
    """The seeds of a clip's samples, int64 [1, S]: those of `svg_tf.noise.sample_seeds`, without TensorFlow."""
    return (seed << 32) + (clip << 12) + np.arange(n_samples, dtype=np.int64)[np.newaxis]


def by_numbers(client: Client, context: np.ndarray, seeds: np.ndarray, horizon: int | None = None) -> np.ndarray:
    """Futures of a context: uint8 [P, H, W, C] -> float32 [S, T, H, W, C] in [0, 1].

    Args:
        client: of a server that has the model.
        context: the frames given.
        seeds: int64 [1, S].
        horizon: T; None is what the export chose.
    """
    inputs = {"context": context[np.newaxis] / np.float32(255), "seeds": seeds}
    if horizon is None:
        return client.predict("serving_default", inputs)["frames"][0]
    answer = client.predict("rollout", inputs | {"horizon": np.array([horizon], np.int32)})
    # A server that merges requests may have rolled this one out as far as another.
    return answer["frames"][0, :, : answer["length"][0]]


def by_pictures(client: Client, context: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """As by_numbers with the export's horizon, sent and taken as PNG files."""
    files = np.empty([1, len(context)], object)
    files[0] = [picture_files.encode(frame) for frame in context]
    answer = client.predict("rollout_png", {"context_bytes": files, "seeds": seeds})["frames_bytes"][0]
    decoded = [[picture_files.decode(data, context.shape[-1]) for data in sample] for sample in answer]
    return np.array(decoded) / np.float32(255)
