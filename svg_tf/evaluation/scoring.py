"""Scores of test clips: samples of the model, of the simulator that generated the data, and trivial predictions."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

from svg_tf import noise, rollout
from svg_tf.data.dataset import count_test_clips, make_source
from svg_tf.data.reflected_mnist import ReflectedMNIST
from svg_tf.evaluation.definitions import Measure
from svg_tf.evaluation.protocols import Setting
from svg_tf.metrics.identity import DigitIdentity
from svg_tf.models.svg import SVG

VideoFeatures = Callable[[np.ndarray], np.ndarray]  # float32 [N, T, H, W, C] in [0, 1] -> float64 [N, D]

SAMPLES_AT_ONCE = 25
TRIVIAL = {"black": "Every frame is black.", "copy last": "The last context frame is repeated."}
# Pixels per predicted frame of all samples in one call: bounds memory and the work that an interruption loses.
_PIXELS_AT_ONCE = 4 * SAMPLES_AT_ONCE * 64 * 64
_MOST_CLIPS_AT_ONCE = 32


class TestClips:
    """Test clips of a run under a protocol. A clip depends on its number only.

    Attributes:
        count: number of clips.
        n_past: context frames.
        horizon: frames after the context.
        simulated: futures can be simulated.

    Raises:
        ConfigError: more clips are wanted than the test set has.
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
    sample may depend on this shape and on its place in it, but never on the other samples.

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
        seed: of the futures.
        n_samples: samples of the model per clip.
        n_simulated: samples of the simulator per clip, if there is one.
        batch: clips to sample at once, see `clips_at_once`.
        measures: measures of frames by name.
        identity: classifier of digits, or None.
        features: network of FVD, or None.

    Attributes:
        videos: names of the videos whose features a record has; the first is the truth. Empty without FVD.
        record: dtype of a record. Field <kind>/<measure> has a measure of the model's samples [S, T], of TRIVIAL
            [K, T], of the simulator's samples [S', T] or of the truth [1, T] (identity only). The last one is features.
    """

    def __init__(
        self,
        model: SVG,
        clips: TestClips,
        *,
        seed: int,
        n_samples: int,
        n_simulated: int,
        batch: int,
        measures: dict[str, Measure],
        identity: DigitIdentity | None = None,
        features: VideoFeatures | None = None,
    ) -> None:
        self._model, self._clips, self._seed, self.batch = model, clips, seed, batch
        self._n_samples, self._n_simulated = n_samples, n_simulated if clips.simulated else 0
        self._measures, self._identity, self._features = measures, identity, features
        clip = self._load([0])
        simulated = ("simulator, one sample",) if self._n_simulated else ()
        self.videos = ("truth", "one sample", *TRIVIAL, *simulated) if features else ()
        rows = {"model": self._n_samples, "trivial": len(TRIVIAL), "simulator": self._n_simulated}
        names = [*measures, "identity"] if identity else list(measures)
        fields: list[tuple[str, type, tuple[int, int]]] = [
            (f"{kind}/{name}", np.float32, (count, clips.horizon))
            for kind, count in rows.items()
            if count
            for name in names
        ]
        if identity:
            fields.append(("truth/identity", np.float32, (1, clips.horizon)))
        if features:
            fields.append(("features", np.float64, (len(self.videos), features(clip).shape[1])))
        self.record = np.dtype(fields)

    def __call__(self, first: int) -> Iterator[np.ndarray]:
        """Yield the records of the clips first, first + 1, ... of one batch; first is a multiple of `batch`."""
        numbers = range(first, min(first + self.batch, self._clips.count))
        clips, n_past = self._load(numbers), self._clips.n_past
        records = np.zeros(len(clips), self.record)
        firsts = []  # sample of each clip
        seeds = noise.sample_seeds(self._seed, numbers, self._n_samples)
        start = 0
        for part in sample(self._model, clips[:, :n_past], self._clips.horizon, seeds, self.batch):
            firsts = firsts or [samples[0] for samples in part]
            for record, clip, samples in zip(records, clips, part, strict=True):
                self._measure(record, "model", clip, samples, start)
            start += part.shape[1]
        for number, record, clip, first_sample in zip(numbers, records, clips, firsts, strict=True):
            trivial = np.stack(list(trivial_predictions(clip[:n_past], self._clips.horizon).values()))
            self._measure(record, "trivial", clip, trivial)
            videos = [clip[n_past:], first_sample, *trivial]
            for start in range(0, self._n_simulated, SAMPLES_AT_ONCE):
                seeds = noise.sample_seeds(self._seed, [number], self._n_simulated)[0, start : start + SAMPLES_AT_ONCE]
                simulated = self._clips.futures(number, seeds) / np.float32(255)
                self._measure(record, "simulator", clip, simulated, start)
                videos += [] if start else [simulated[0]]
            if self._identity:
                record["truth/identity"] = self._identity(clip[:n_past], clip[np.newaxis, n_past:])
            if self._features:
                whole = (np.concatenate([clip[:n_past], video])[np.newaxis] for video in videos)
                record["features"] = np.concatenate([self._features(video) for video in whole])
            yield record

    def example(self, number: int, samples: list[int]) -> dict[str, np.ndarray]:
        """Return a clip, some of its samples and its reconstruction: float32 in [0, 1], context included.

        Returns:
            truth and posterior [T, H, W, C], samples [len(samples), T, H, W, C]. The first frame of the posterior,
            which has no prediction, is the true one.
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

    def _measure(self, record: np.void, kind: str, clip: np.ndarray, predictions: np.ndarray, start: int = 0) -> None:
        """Write the measures of predictions [n, T, H, W, C] to the rows of a record from `start`."""
        context, truth = np.split(clip, [self._clips.n_past])
        rows = slice(start, start + len(predictions))
        frames = tf.convert_to_tensor(predictions)  # once for all measures
        for name, measure in self._measures.items():
            record[f"{kind}/{name}"][rows] = measure(truth, frames)
        if self._identity:
            record[f"{kind}/identity"][rows] = self._identity(context, predictions)
