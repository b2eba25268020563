"""Scores of test clips: samples of the model, of the simulator that generated the data, and trivial predictions."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from svg_tf import noise, rollout
from svg_tf.data.dataset import count_test_clips, make_source
from svg_tf.data.reflected_mnist import ReflectedMNIST
from svg_tf.evaluation.definitions import Metric
from svg_tf.evaluation.protocols import Setting
from svg_tf.models.svg import SVG

VideoFeatures = Callable[[np.ndarray], np.ndarray]  # float32 [N, T, H, W, C] in [0, 1] -> float64 [N, D]

SAMPLES_AT_ONCE = 25
TRIVIAL = {"black": "Every frame is black.", "copy last": "The last context frame is repeated."}
# Pixels per predicted frame of all samples in one call: bounds memory and the work that an interruption loses.
_PIXELS_AT_ONCE = 4 * SAMPLES_AT_ONCE * 64 * 64
_MOST_CLIPS_AT_ONCE = 32


class TestClips:
    """Test clips of a run under a protocol, `count` of n_past + horizon frames. A clip depends on its number only.

    `simulated` tells whether the source can simulate futures.

    Raises:
        DataError: the test data is missing or broken.
    """

    __test__ = False  # pytest collects classes by this name

    def __init__(self, setting: Setting, n_clips: int = 0) -> None:
        config = setting.config
        self.n_past, self.horizon = config.n_past, config.n_eval - config.n_past
        source = ReflectedMNIST(config) if setting.reflected else make_source(config, "test")
        self.count = count_test_clips(source, n_clips or setting.n_clips)
        self.simulated = hasattr(source, "futures")
        compiled = (lambda function: function) if setting.reflected else tf.function
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


def trivial_predictions(context: np.ndarray, horizon: int) -> dict[str, np.ndarray]:
    """Return the predictions of TRIVIAL for a context float32 [P, H, W, C]: float32 [horizon, H, W, C] by name."""
    frames = {"black": np.zeros_like(context[-1]), "copy last": context[-1]}
    return {name: np.repeat(frame[np.newaxis], horizon, axis=0) for name, frame in frames.items()}


def clips_at_once(model: SVG, n_samples: int, n_clips: int) -> int:
    """Return how many clips to sample in one call: bounded by memory and by n_clips."""
    pixels = min(n_samples, SAMPLES_AT_ONCE) * model.image_size**2
    return max(1, min(_PIXELS_AT_ONCE // pixels, _MOST_CLIPS_AT_ONCE, n_clips))


def sample(model: SVG, contexts: np.ndarray, horizon: int, seeds: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    """Sample futures of several clips in parts of at most SAMPLES_AT_ONCE samples.

    Every call of the model has the same shape, [batch, min(S, SAMPLES_AT_ONCE)], padded if need be. The last bit of a
    sample may depend on this shape, but never on the other samples.

    Args:
        model: a trained model.
        contexts: float32 [B, P, H, W, C] in [0, 1].
        horizon: frames T to predict.
        seeds: int64 [B, S].
        batch: clips per call, at least B.

    Yields:
        float32 [B, n, T, H, W, C] in [0, 1], n samples.
    """
    clips, width = len(contexts), min(seeds.shape[1], SAMPLES_AT_ONCE)
    contexts = np.resize(contexts, [batch, *contexts.shape[1:]])
    for start in range(0, seeds.shape[1], width):
        part = seeds[:, start : start + width]
        padded = np.stack([np.resize(part[clip % clips], width) for clip in range(batch)])
        yield rollout.generate(model, contexts, horizon, padded).frames.numpy()[:clips, : part.shape[1]]


class Scorer:
    """Computes the records of clips. A record depends on the clip's number and the arguments only.

    Args:
        model: a trained model.
        clips: the test clips.
        metrics: metrics of frames.
        seed: of the futures.
        n_samples: samples of the model per clip.
        n_simulated: samples of the simulator per clip, if there is one.
        batch: clips to sample at once, see `clips_at_once`.
        features: network of FVD, or None.

    Attributes:
        videos: names of the videos whose features a record has; the first is the truth. Empty without FVD.
        record: dtype of a record. Field <kind>/<metric> has the scores of the model's samples [S, T], of TRIVIAL
            [K, T] or of the simulator's samples [S', T]. The last field is features.
    """

    def __init__(
        self,
        model: SVG,
        clips: TestClips,
        metrics: Sequence[Metric],
        *,
        seed: int,
        n_samples: int,
        n_simulated: int,
        batch: int,
        features: VideoFeatures | None = None,
    ) -> None:
        self._model, self._clips, self._metrics, self._seed, self.batch = model, clips, metrics, seed, batch
        self._n_samples, self._n_simulated = n_samples, n_simulated if clips.simulated else 0
        self._features = features
        simulated = ("simulator, one sample",) if self._n_simulated else ()
        self.videos = ("truth", "one sample", *TRIVIAL, *simulated) if features else ()
        rows = {"model": self._n_samples, "trivial": len(TRIVIAL), "simulator": self._n_simulated}
        fields: list[tuple[str, type, tuple[int, int]]] = [
            (f"{kind}/{metric.name}", np.float32, (count, clips.horizon))
            for kind, count in rows.items()
            if count
            for metric in metrics
        ]
        if features:
            fields.append(("features", np.float64, (len(self.videos), features(self._load([0])).shape[1])))
        self.record = np.dtype(fields)

    def __call__(self, first: int) -> np.ndarray:
        """Return the records of the batch of clips that begins with `first`, a multiple of `batch`."""
        numbers = range(first, min(first + self.batch, self._clips.count))
        clips, n_past = self._load(numbers), self._clips.n_past
        records = np.zeros(len(clips), self.record)
        videos: list[list[np.ndarray]] = [[clip[n_past:]] for clip in clips]  # for FVD
        seeds = noise.sample_seeds(self._seed, numbers, self._n_samples)
        start = 0
        for part in sample(self._model, clips[:, :n_past], self._clips.horizon, seeds, self.batch):
            for index, samples in enumerate(part):
                self._score(records[index], "model", clips[index], samples, start)
                videos[index] += [] if start else [samples[0]]
            start += part.shape[1]
        for number, record, clip, shown in zip(numbers, records, clips, videos, strict=True):
            trivial = np.stack(list(trivial_predictions(clip[:n_past], self._clips.horizon).values()))
            self._score(record, "trivial", clip, trivial)
            shown += list(trivial)
            for start in range(0, self._n_simulated, SAMPLES_AT_ONCE):
                seeds = noise.sample_seeds(self._seed, [number], self._n_simulated)[0, start : start + SAMPLES_AT_ONCE]
                simulated = self._clips.futures(number, seeds) / np.float32(255)
                self._score(record, "simulator", clip, simulated, start)
                shown += [] if start else [simulated[0]]
            if self._features:
                whole = (np.concatenate([clip[:n_past], video])[np.newaxis] for video in shown)
                record["features"] = np.concatenate([self._features(video) for video in whole])
        return records

    def example(self, number: int, samples: list[int]) -> dict[str, np.ndarray]:
        """Return a clip, some of its samples and its reconstruction, float32 [..., T, H, W, C] with the context.

        The first frame of the reconstruction, which has no prediction, is the true one.
        """
        clip, n_past = self._load([number]), self._clips.n_past
        seeds = noise.sample_seeds(self._seed, [number], self._n_samples)[:, samples]
        futures = rollout.generate(self._model, clip[:, :n_past], self._clips.horizon, seeds).frames[0].numpy()
        context = np.broadcast_to(clip[:, :n_past], [len(samples), *clip[0, :n_past].shape])
        posterior = rollout.reconstruct(self._model, clip)[0].numpy()
        return {
            "truth": clip[0],
            "samples": np.concatenate([context, futures], axis=1),
            "posterior": np.concatenate([clip[0, :1], posterior]),
        }

    def _load(self, numbers: Iterable[int]) -> np.ndarray:
        return self._clips[numbers] / np.float32(255)

    def _score(self, record: np.void, kind: str, clip: np.ndarray, predictions: np.ndarray, start: int = 0) -> None:
        """Write the scores of predictions [n, T, H, W, C] to the rows of a record from `start`."""
        context, truth = np.split(clip, [self._clips.n_past])
        frames = tf.convert_to_tensor(predictions)  # once for all metrics
        for metric in self._metrics:
            assert metric.measure is not None
            scores = metric.measure(context, truth, frames)
            record[f"{kind}/{metric.name}"][start : start + len(predictions)] = scores
