"""The futures of a run's test clips: drawn, scored and shown."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from svg_tf import rollout, visualization
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.evaluation import definitions, measures, predictors, sampling
from svg_tf.evaluation.scoreboard import Scoreboard
from svg_tf.metrics.psnr import decibels
from svg_tf.models.svg import SVG
from svg_tf.training import checkpoints
from svg_tf.visualization import Row

_METRICS = (definitions.MSE, definitions.SSIM)
_SHOWN_SAMPLES = 3


class Result(NamedTuple):
    """PSNR and SSIM by what was scored: best of n_samples, mean sample, copy last, black; more is better.

    PSNR is that of the mean squared error over clips, in dB: a clip in which nothing moves, which copying predicts
    without any error, then counts as one clip and not as an infinity.
    """

    n_clips: int
    table: dict[str, dict[str, float]]


def load_model(config: Config, checkpoint: str = "best") -> SVG:
    """The model of config.run_dir with the weights of a checkpoint: best, latest or a step.

    Raises:
        CheckpointError: no such checkpoint, or it does not fit.
    """
    model = SVG(config)
    checkpoints.load_weights(model, config.run_dir, checkpoint)
    return model


def draw(
    config: Config,
    *,
    checkpoint: str,
    n_clips: int,
    n_shown: int,
    n_samples: int,
    horizon: int,
    seed: int,
    folder: str,
) -> Result:
    """Draws and scores futures of the first test clips; shows some in folder/futures.gif and futures_<clip>.png.

    A picture has the truth, the best sample by SSIM of the predicted frames, some samples as they come, and the
    approximate posterior, which has seen the truth. Pictures of clips that an earlier call showed are removed.

    Args:
        config: of the run.
        checkpoint: best, latest or a step.
        n_clips: test clips to score, at least 1; fewer where there are fewer.
        n_shown: how many of them to show.
        n_samples: futures of each clip.
        horizon: predicted frames; the truth is shown and scored as far as it goes, n_eval frames in all.
        seed: of the futures.
        folder: where to write.

    Raises:
        CheckpointError: the run has no such checkpoint.
        DataError: the test data is missing or broken.
    """
    model = load_model(config, checkpoint)
    data = make_dataset(config, "test", n_clips=n_clips).unbatch()
    board = Scoreboard(_METRICS)
    pictures: list[list[Row]] = []
    with tqdm(total=n_clips, unit="clip", desc="draw") as bar:
        for number, stored in enumerate(data.as_numpy_iterator()):
            clip = stored / np.float32(255)
            context, future = np.split(clip, [config.n_past])
            seeds = sampling.seeds_of(seed, number, n_samples)
            shown = _score(board, context, future[:horizon], sampling.draw(model, context, horizon, seeds))
            if number < n_shown:
                posterior = rollout.reconstruct(model, clip[np.newaxis]).numpy()[0]
                pictures.append(_rows(clip, shown, posterior, config.n_past, n_samples))
            bar.update()
    _write(folder, pictures, config.n_past)
    means = board.means().items()
    table = {name: {"PSNR": float(decibels(scores["mse"])), "SSIM": scores["ssim"]} for name, scores in means}
    return Result(number + 1, table)


def _score(
    board: Scoreboard, context: np.ndarray, future: np.ndarray, parts: Iterator[np.ndarray]
) -> list[np.ndarray]:
    """Scores a clip's samples, which come in parts [n, T, H, W, C], and the trivial predictions.

    Returns:
        The best sample by SSIM, and the first ones, float32 [T, H, W, C].
    """
    known = len(future)
    best: tuple[float, np.ndarray] | None = None
    first: list[np.ndarray] = []
    measured: dict[str, list[np.ndarray]] = {metric.measure: [] for metric in _METRICS}
    for part in parts:
        for name, values in measured.items():
            values.append(measures.PLAIN[name](future, part[:, :known]))
        scores = definitions.SSIM.of_clips(measured[definitions.SSIM.measure][-1])
        if best is None or scores.max() > best[0]:
            best = (scores.max(), part[scores.argmax()])
        first += list(part[: _SHOWN_SAMPLES - len(first)])
    samples = {name: np.concatenate(values) for name, values in measured.items()}
    board.add_samples({"best": f"best of {len(samples['mse'])}", "mean": "mean sample"}, "model", samples)
    trivial = predictors.trivial(context, known)
    for name in ("copy last", "black"):
        prediction = trivial[name][np.newaxis]
        board.add_prediction(name, "trivial", {m: measures.PLAIN[m](future, prediction)[0] for m in measured})
    assert best is not None  # there is a sample
    return [best[1], *first]


def _rows(clip: np.ndarray, shown: list[np.ndarray], posterior: np.ndarray, n_past: int, n_samples: int) -> list[Row]:
    """The picture of a clip, as far as both the truth and the predictions go.

    Args:
        clip: the truth, context included, float32 [T, H, W, C].
        shown: the best sample and the first ones, without the context.
        posterior: the clip's reconstruction, from frame 1 on.
        n_past: frames of context.
        n_samples: of how many the best is.
    """
    best, *first = (np.concatenate([clip[:n_past], sample])[: len(clip)] for sample in shown)
    length = len(best)
    rows = [Row("Truth", clip[:length], "truth"), Row(f"Best of {n_samples}", best)]
    rows += [Row(f"Sample {number}", frames) for number, frames in enumerate(first, start=1)]
    # The first frame has no prediction: the posterior's row begins with it as it is.
    return [*rows, Row("Posterior", np.concatenate([clip[:1], posterior])[:length])]


def _write(folder: str, pictures: list[list[Row]], n_past: int) -> None:
    names = [f"futures_{index}.png" for index in range(len(pictures))]
    for name, rows in zip(names, pictures, strict=True):
        visualization.write_png(os.path.join(folder, name), visualization.strip(rows, n_past))
    visualization.write_gif(os.path.join(folder, "futures.gif"), visualization.animation(pictures, n_past))
    visualization.remove_others(folder, r"futures_\d+\.png", names)
