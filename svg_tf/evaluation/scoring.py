"""One test clip: its futures drawn and measured, beside those of the predictors that learn nothing."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

from svg_tf import rollout
from svg_tf.evaluation import predictors, sampling
from svg_tf.evaluation.clips import TestClips
from svg_tf.evaluation.measures import Measure
from svg_tf.models.svg import SVG

VideoFeatures = Callable[[np.ndarray], np.ndarray]  # float32 [N, T, H, W, C] in [0, 1] -> float64 [N, D]


class Scorer:
    """Makes the records of clips, each a pure function of the clip's number.

    Args:
        model: the trained model.
        clips: the test clips.
        seed: of the futures.
        n_samples: futures of the model for each clip.
        n_simulated: futures of the simulator for each clip, where there is one.
        mean_frame: of training, float32 [H, W, C], or None.
        measures: by name.
        features: for FVD, or None.

    Attributes:
        trivial: names of the trivial predictors, in the order of the records.
        videos: names of the videos whose features a record holds; the first is the truth. Empty without features.
        record: the records' type: for each measure what it says of the model's samples [S, T], of the trivial
            predictions [K, T] and of the simulator's samples [S', T], under model/<measure> and so on; and features.
    """

    def __init__(
        self,
        model: SVG,
        clips: TestClips,
        *,
        seed: int,
        n_samples: int,
        n_simulated: int,
        mean_frame: np.ndarray | None,
        measures: dict[str, Measure],
        features: VideoFeatures | None,
    ) -> None:
        self._model, self._clips, self._seed = model, clips, seed
        self._n_samples, self._n_simulated = n_samples, n_simulated if clips.simulated else 0
        self._mean_frame, self._measures, self._features = mean_frame, measures, features
        config = model.config
        self._n_past, self._horizon = config.n_past, config.n_eval - config.n_past
        self.trivial = tuple(self._trivial(self._clip(0)))
        self.videos = ("truth", "one sample", *self.trivial) if features else ()
        if self.videos and self._n_simulated:
            self.videos = (*self.videos, "simulator, one sample")
        rows = {"model": self._n_samples, "trivial": len(self.trivial), "simulator": self._n_simulated}
        fields: list[tuple[str, type[np.floating], tuple[int, int]]] = [
            (f"{kind}/{measure}", np.float32, (count, self._horizon))
            for kind, count in rows.items()
            if count
            for measure in measures
        ]
        if features:
            size = features(self._clip(0)[np.newaxis]).shape[1]
            fields.append(("features", np.float64, (len(self.videos), size)))
        self.record = np.dtype(fields)

    def __call__(self, number: int) -> np.ndarray:
        """The record of a clip."""
        clip = self._clip(number)
        context, truth = np.split(clip, [self._n_past])
        trivial = np.stack(list(self._trivial(clip).values()))
        record = np.zeros([], self.record)
        videos = [truth]
        for kind, predictions in (
            ("model", self._drawn(context, number)),
            ("trivial", [trivial]),
            ("simulator", self._simulated(number)),
        ):
            first = self._measure(record, kind, truth, predictions)
            videos += [] if first is None else list(trivial) if kind == "trivial" else [first]
        if self._features:
            whole = [np.concatenate([context, video]) for video in videos]
            record["features"] = np.concatenate([self._features(video[np.newaxis]) for video in whole])
        return record

    def example(self, number: int, best: int, shown: int) -> dict[str, np.ndarray]:
        """A clip to look at: float32 in [0, 1], context included, the samples being those that were scored.

        Args:
            number: the clip's.
            best: the number of its best sample.
            shown: how many samples to show, the first.

        Returns:
            truth, best and posterior [T, H, W, C], and samples [M, T, H, W, C]. The posterior's first frame, which
            nothing predicts, is the truth's.
        """
        clip, start = self._clip(number), 0
        found: dict[int, np.ndarray] = {}
        context, shown = clip[: self._n_past], min(shown, self._n_samples)
        wanted = {best, *range(shown)}
        for part in self._drawn(context, number):
            found |= {s: np.concatenate([context, part[s - start]]) for s in wanted if start <= s < start + len(part)}
            start += len(part)
            if len(found) == len(wanted):
                break
        posterior = rollout.reconstruct(self._model, clip[np.newaxis]).numpy()[0]
        return {
            "truth": clip,
            "best": found[best],
            "samples": np.stack([found[sample] for sample in range(shown)]),
            "posterior": np.concatenate([clip[:1], posterior]),
        }

    def _clip(self, number: int) -> np.ndarray:
        return self._clips[number] / np.float32(255)

    def _trivial(self, clip: np.ndarray) -> dict[str, np.ndarray]:
        return predictors.trivial(clip[: self._n_past], self._horizon, self._mean_frame)

    def _drawn(self, context: np.ndarray, number: int) -> Iterator[np.ndarray]:
        seeds = sampling.seeds_of(self._seed, number, self._n_samples)
        return sampling.draw(self._model, context, self._horizon, seeds)

    def _simulated(self, number: int) -> Iterator[np.ndarray]:
        if self._n_simulated:
            for seeds in sampling.parts(sampling.seeds_of(self._seed, number, self._n_simulated)):
                yield self._clips.futures(number, seeds) / np.float32(255)

    def _measure(
        self, record: np.ndarray, kind: str, truth: np.ndarray, predictions: Iterable[np.ndarray]
    ) -> np.ndarray | None:
        """Fills in what is measured of predictions, which come in parts [n, T, H, W, C]; returns the first of them."""
        first, start = None, 0
        for part in predictions:
            frames = tf.convert_to_tensor(part)  # once for all measures
            for name, measure in self._measures.items():
                record[f"{kind}/{name}"][start : start + len(part)] = measure(truth, frames)
            first = part[0] if first is None else first
            start += len(part)
        return first
