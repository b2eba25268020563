"""Futures of a run's test clips: sampled, scored and drawn as pictures."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from svg_tf import noise, rollout, visualization
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.evaluation import definitions
from svg_tf.evaluation.scoreboard import Scoreboard
from svg_tf.evaluation.scoring import clips_at_once, sample, trivial_predictions
from svg_tf.metrics.psnr import decibels
from svg_tf.models.svg import SVG
from svg_tf.progress import progress
from svg_tf.visualization import Row

_METRICS = (definitions.MSE, definitions.SSIM)
_SHOWN_SAMPLES = 3


class Result(NamedTuple):
    """Scores by predictor: best of n_samples, mean sample, copy last and black.

    PSNR, in dB, is that of the squared error averaged over clips. In this way a clip without motion, which copy last
    predicts exactly, counts as one clip.
    """

    n_clips: int
    table: dict[str, dict[str, float]]


def draw(
    model: SVG, config: Config, folder: str, *, n_clips: int, n_shown: int, n_samples: int, horizon: int, seed: int
) -> Result:
    """Sample and score futures of the first test clips; draw some in folder/futures.gif and futures_<clip>.png.

    A picture has the truth, the best sample by SSIM over the predicted frames, the first samples, and the
    reconstruction by the approximate posterior, which sees the true frames. Pictures of an earlier call are removed.

    Args:
        model: a trained model.
        config: of its run.
        folder: folder to write to.
        n_clips: test clips to score, at least 1; fewer if the test set has fewer.
        n_shown: clips to draw.
        n_samples: futures per clip.
        horizon: predicted frames. The truth has config.n_eval frames; frames after it are not scored.
        seed: of the futures.

    Raises:
        DataError: the test data is missing or broken.
    """
    batch = clips_at_once(model, n_samples, n_clips)
    data = make_dataset(config, "test", n_clips=n_clips).unbatch().batch(batch)
    board, number = Scoreboard(_METRICS), 0
    pictures: list[list[Row]] = []
    with progress(total=n_clips, unit="clip", desc="generate") as bar:
        for clips in data.map(lambda clips: clips[:, : config.n_past + horizon]).as_numpy_iterator():
            clips = clips / np.float32(255)
            seeds = noise.sample_seeds(seed, range(number, number + len(clips)), n_samples)
            parts = list(sample(model, clips[:, : config.n_past], horizon, seeds, batch))
            for index, clip in enumerate(clips):
                samples = np.concatenate([part[index] for part in parts])  # [S, T, H, W, C]
                best = _score(board, *np.split(clip, [config.n_past]), samples)
                if number < n_shown:
                    posterior = rollout.reconstruct(model, clip[np.newaxis])[0].numpy()
                    shown = [samples[best], *samples[:_SHOWN_SAMPLES]]
                    pictures.append(_rows(clip, shown, posterior, config.n_past, n_samples))
                number += 1
                bar.update()
    names = [f"futures_{index}.png" for index in range(len(pictures))]
    for name, rows in zip(names, pictures, strict=True):
        visualization.write_png(os.path.join(folder, name), visualization.strip(rows, config.n_past))
    visualization.write_gif(os.path.join(folder, "futures.gif"), visualization.animation(pictures, config.n_past))
    visualization.remove_others(folder, r"futures_\d+\.png", names)
    scores = {row["name"]: {name: value["mean"] for name, value in row["metrics"].items()} for row in board.table()}
    table = {name: {"PSNR": float(decibels(found["mse"])), "SSIM": found["ssim"]} for name, found in scores.items()}
    return Result(number, table)


def _score(board: Scoreboard, context: np.ndarray, truth: np.ndarray, samples: np.ndarray) -> int:
    """Add a clip's samples [S, T, H, W, C] and trivial predictions to the scores; return the best sample by SSIM."""
    names = {"best": f"best of {len(samples)}", "mean": "mean sample"}
    measured = {metric.name: metric.measure(context, truth, samples[:, : len(truth)]) for metric in _METRICS}
    choices = board.add_samples(names, "model", measured)
    for name, frames in reversed(trivial_predictions(context, len(truth)).items()):
        scores = {metric.name: metric.measure(context, truth, frames[np.newaxis])[0] for metric in _METRICS}
        board.add_prediction(name, "trivial", scores)
    return choices["ssim"].best_sample


def _rows(clip: np.ndarray, samples: Sequence[np.ndarray], posterior: np.ndarray, n_past: int, n: int) -> list[Row]:
    """Return the rows of a clip's picture, as long as the shorter of truth and predictions.

    Args:
        clip: the truth with its context, float32 [T, H, W, C].
        samples: the best sample and the first ones, without the context.
        posterior: the reconstruction of frames 1 to T-1.
        n_past: context frames.
        n: number of samples that the best was chosen from.
    """
    best, *first = (np.concatenate([clip[:n_past], sample])[: len(clip)] for sample in samples)
    rows = [Row("Truth", clip[: len(best)], "truth"), Row(f"Best of {n}", best)]
    rows += [Row(f"Sample {number}", frames) for number, frames in enumerate(first, start=1)]
    # The first frame has no prediction; the row of the posterior begins with the true one.
    return [*rows, Row("Posterior", np.concatenate([clip[:1], posterior])[: len(best)])]
