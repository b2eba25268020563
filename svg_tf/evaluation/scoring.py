"""Scores of test clips: samples of the model, of the simulator that generated the data, and trivial predictions."""

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from svg_tf import noise, rollout
from svg_tf.config import Config
from svg_tf.data.dataset import count_test_clips, make_source
from svg_tf.data.reflected_mnist import ReflectedMNIST
from svg_tf.evaluation.definitions import Metric
from svg_tf.evaluation.protocols import Setting
from svg_tf.models.svg import SVG

SAMPLES_AT_ONCE = 25
TRAINING_CLIPS = 1_000
TRIVIAL = {
    "black": "Every frame is black.",
    "copy last": "The last context frame is repeated.",
    "training mean": f"Every frame is the mean of all frames of the first {TRAINING_CLIPS:,} training clips.",
}
# Pixels per predicted frame of all samples in one call: bounds memory and the work that an interruption loses.
_PIXELS_AT_ONCE = 4 * SAMPLES_AT_ONCE * 64 * 64
_MOST_CLIPS_AT_ONCE = 32


class TestClips:
    """Test clips of a run under a protocol, `count` of n_past + horizon frames. A clip depends on its number only.

    `simulated` tells whether the source can simulate futures.
    """

    __test__ = False  # pytest collects classes by this name

    def __init__(self, setting: Setting, n_clips: int = 0) -> None:
        config = setting.config
        self.n_past, self.horizon = config.n_past, config.n_eval - config.n_past
        source = ReflectedMNIST(config) if setting.reflected else make_source(config, "test")
        self.count = count_test_clips(source, n_clips or setting.n_clips)
        self.simulated = hasattr(source, "futures")
        compiled = (lambda function: function) if setting.reflected else tf.function(reduce_retracing=True)
        self._frames = compiled(source.frames)
        if self.simulated:
            self._futures = compiled(lambda index, seeds: source.futures(index, self.n_past, seeds))

    def __getitem__(self, numbers: Iterable[int]) -> np.ndarray:
        """Return clips: uint8 [B, T, H, W, C]."""
        with tf.device("CPU"):
            return self._frames(tf.constant(list(numbers), tf.int64)).numpy()

    def futures(self, number: int, seeds: np.ndarray) -> np.ndarray:
        """Simulate possible continuations of a clip's context: seeds int64 [S] -> uint8 [S, T', H, W, C]."""
        with tf.device("CPU"):
            return self._futures(tf.constant(number, tf.int64), tf.constant(seeds, tf.int64)).numpy()


def training_mean(config: Config) -> np.ndarray:
    """Return the mean of all frames of the first TRAINING_CLIPS training clips: float32 [H, W, C] in [0, 1]."""
    source = make_source(config, "train")
    parts = tf.split(tf.range(TRAINING_CLIPS, dtype=tf.int64), TRAINING_CLIPS // 50)
    with tf.device("CPU"):
        means = [source.frames(numbers).numpy().mean(axis=(0, 1)) for numbers in parts]
    return (np.mean(means, axis=0) / 255).astype(np.float32)


def trivial_predictions(context: np.ndarray, horizon: int, mean: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the predictions of TRIVIAL for a context float32 [P, H, W, C]: float32 [horizon, H, W, C] by name.

    mean: see `training_mean`; None omits this prediction.
    """
    frames = {"black": np.zeros_like(context[-1]), "copy last": context[-1]}
    if mean is not None:
        frames["training mean"] = mean
    return {name: np.repeat(frame[np.newaxis], horizon, axis=0) for name, frame in frames.items()}


def clips_at_once(model: SVG, n_samples: int, n_clips: int) -> int:
    """Return how many clips to sample in one call: bounded by memory and by n_clips."""
    pixels = min(n_samples, SAMPLES_AT_ONCE) * model.image_size**2
    return max(1, min(_PIXELS_AT_ONCE // pixels, _MOST_CLIPS_AT_ONCE, n_clips))


def sample(model: SVG, contexts: np.ndarray, horizon: int, seeds: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    """Yield futures of several clips, float32 [B, n, horizon, H, W, C] in [0, 1], n of at most SAMPLES_AT_ONCE samples.

    Every call of the model has the same shape, [batch, min(S, SAMPLES_AT_ONCE)], padded if need be. The last bit of a
    sample may depend on this shape, but never on the other samples. contexts are float32 [B, P, H, W, C], B <= batch,
    and seeds int64 [B, S].
    """
    clips, width = len(contexts), min(seeds.shape[1], SAMPLES_AT_ONCE)
    contexts = np.resize(contexts, [batch, *contexts.shape[1:]])
    for start in range(0, seeds.shape[1], width):
        part = seeds[:, start : start + width]
        padded = np.stack([np.resize(part[clip % clips], width) for clip in range(batch)])
        yield rollout.generate(model, contexts, horizon, padded).frames.numpy()[:clips, : part.shape[1]]


def example(model: SVG, clip: np.ndarray, n_past: int, horizon: int, seeds: np.ndarray) -> dict[str, np.ndarray]:
    """Return a clip float32 [T, H, W, C], its samples with seeds int64 [S] and its reconstruction, with the context.

    The first frame of the reconstruction, which has no prediction, is the true one.
    """
    clips = clip[np.newaxis]
    futures = rollout.generate(model, clips[:, :n_past], horizon, seeds[np.newaxis]).frames[0]
    return {
        "truth": clip,
        "samples": np.stack([np.concatenate([clip[:n_past], future]) for future in futures]),
        "posterior": np.concatenate([clip[:1], rollout.reconstruct(model, clips)[0]]),
    }


class Scorer:
    """Computes the scores of clips. Those of a clip depend on its number and the arguments only.

    n_samples futures are drawn from the model, and from the simulator if there is one; features is the network of FVD.

    Attributes:
        batch: clips to sample at once.
        n_samples: samples of the model per clip: 1 if it has no latent variable.
        n_simulated: samples of the simulator per clip.
        trivial: names of the trivial predictions.
        videos: names of the videos that FVD compares; the first is the truth. Empty without FVD.
    """

    def __init__(
        self,
        model: SVG,
        clips: TestClips,
        metrics: Sequence[Metric],
        seed: int,
        n_samples: int,
        mean: np.ndarray | None = None,
        features: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self._model, self._clips, self._seed, self._mean, self._features = model, clips, seed, mean, features
        self._measures = {metric.name: metric.measure for metric in metrics if metric.measure}
        self.n_samples = n_samples if model.has_latent else 1
        self.n_simulated = n_samples if clips.simulated else 0
        self.batch = clips_at_once(model, self.n_samples, clips.count)
        self.trivial = tuple(TRIVIAL)[: 2 if mean is None else 3]
        simulated = ("simulator, one sample",) if self.n_simulated else ()
        self.videos = ("truth", "one sample", *self.trivial, *simulated) if features else ()

    def __call__(self, first: int) -> dict[str, np.ndarray]:
        """Return the scores of the batch of B clips that begins with `first`, a multiple of `batch`.

        Returns:
            float32 by <kind>/<metric>: of the model's samples [B, S, T], of the trivial predictions [B, K, T] and of
            the simulator's samples [B, S', T]. With FVD, the features of `videos`, float64 [B, V, D].
        """
        numbers = range(first, min(first + self.batch, self._clips.count))
        clips, n_past, horizon = self._load(numbers), self._clips.n_past, self._clips.horizon
        seeds = noise.sample_seeds(self._seed, numbers, self.n_samples)
        trivial = [list(trivial_predictions(clip[:n_past], horizon, self._mean).values()) for clip in clips]
        scores: dict[str, list[np.ndarray]] = collections.defaultdict(list)
        videos = [clips[:, n_past:]]
        for kind, parts in (
            ("model", sample(self._model, clips[:, :n_past], horizon, seeds, self.batch)),
            ("trivial", [np.array(trivial)]),
            ("simulator", self._simulated(numbers)),
        ):
            for place, part in enumerate(parts):  # [B, n, T, H, W, C]
                tensors = [tf.convert_to_tensor(frames) for frames in part]  # once for all metrics
                for name, measure in self._measures.items():
                    pairs = zip(clips, tensors, strict=True)
                    found = [measure(clip[:n_past], clip[n_past:], frames) for clip, frames in pairs]
                    scores[f"{kind}/{name}"].append(np.stack(found))
                if place == 0:
                    videos += list(np.moveaxis(part if kind == "trivial" else part[:, :1], 1, 0))
        result = {name: np.concatenate(parts, axis=1, dtype=np.float32) for name, parts in scores.items()}
        if self._features:
            whole = (np.concatenate([clips[:, :n_past], video], axis=1) for video in videos)
            features = [[self._features(video[np.newaxis])[0] for video in batch] for batch in whole]
            result["features"] = np.moveaxis(np.array(features), 1, 0)
        return result

    def example(self, number: int, samples: list[int]) -> dict[str, np.ndarray]:
        """Return what `example` does for the samples with these numbers."""
        seeds = noise.sample_seeds(self._seed, [number], self.n_samples)[0, samples]
        return example(self._model, self._load([number])[0], self._clips.n_past, self._clips.horizon, seeds)

    def _simulated(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        for start in range(0, self.n_simulated, SAMPLES_AT_ONCE):
            seeds = noise.sample_seeds(self._seed, numbers, self.n_simulated)[:, start : start + SAMPLES_AT_ONCE]
            futures = [self._clips.futures(number, row) for number, row in zip(numbers, seeds, strict=True)]
            yield np.array(futures) / np.float32(255)

    def _load(self, numbers: Iterable[int]) -> np.ndarray:
        return self._clips[numbers] / np.float32(255)
