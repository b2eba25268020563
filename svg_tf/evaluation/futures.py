"""Futures of a run's test clips: sampled, scored and drawn as pictures."""

import os
from typing import Any, NamedTuple

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
        for clips in data.as_numpy_iterator():
            clips = clips / np.float32(255)
            seeds = noise.sample_seeds(seed, range(number, number + len(clips)), n_samples)
            contexts, truths = clips[:, : config.n_past], clips[:, config.n_past : config.n_past + horizon]
            parts = [
                [_scores(*clip) for clip in zip(contexts, truths, part, strict=True)]
                for part in sample(model, contexts, horizon, seeds, batch)
            ]
            for index, clip in enumerate(clips):
                scores = {name: np.concatenate([part[index][name] for part in parts]) for name in ("mse", "ssim")}
                best = _add(board, contexts[index], truths[index], scores)
                if number < n_shown:
                    chosen = seeds[index : index + 1, [best, *range(min(_SHOWN_SAMPLES, n_samples))]]
                    samples = rollout.generate(model, contexts[index : index + 1], horizon, chosen).frames[0].numpy()
                    posterior = rollout.reconstruct(model, clip[np.newaxis])[0].numpy()
                    pictures.append(_rows(clip, samples, posterior, config.n_past, n_samples))
                number += 1
                bar.update()
    names = [f"futures_{index}.png" for index in range(len(pictures))]
    for name, rows in zip(names, pictures, strict=True):
        visualization.write_png(os.path.join(folder, name), visualization.strip(rows, config.n_past))
    visualization.write_gif(os.path.join(folder, "futures.gif"), visualization.animation(pictures, config.n_past))
    visualization.remove_others(folder, r"futures_\d+\.png", names)
    means: dict[str, Any] = {
        row["name"]: {name: value["mean"] for name, value in row["metrics"].items()} for row in board.table()
    }
    table = {name: {"PSNR": float(decibels(found["mse"])), "SSIM": found["ssim"]} for name, found in means.items()}
    return Result(number, table)


def _scores(context: np.ndarray, truth: np.ndarray, samples: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of the frames of samples [S, T, H, W, C] that have a truth, by metric."""
    shown = samples[:, : len(truth)]
    return {metric.name: metric.measure(context, truth, shown) for metric in _METRICS if metric.measure}


def _add(board: Scoreboard, context: np.ndarray, truth: np.ndarray, scores: dict[str, np.ndarray]) -> int:
    """Add a clip's samples and trivial predictions to the board; return the best sample by SSIM."""
    choices = board.add_samples({"best": f"best of {len(scores['mse'])}", "mean": "mean sample"}, "model", scores)
    for name, frames in reversed(trivial_predictions(context, len(truth)).items()):
        found = _scores(context, truth, frames[np.newaxis])
        board.add_prediction(name, "trivial", {metric: values[0] for metric, values in found.items()})
    return choices["ssim"].best_sample


def _rows(clip: np.ndarray, samples: np.ndarray, posterior: np.ndarray, n_past: int, n: int) -> list[Row]:
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
