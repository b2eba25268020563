"""Futures of a run's test clips: sampled, scored and drawn as pictures."""

import os

import numpy as np

from svg_tf import noise, visualization
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.evaluation.scoring import clips_at_once, example, sample, trivial_predictions
from svg_tf.metrics.psnr import decibels, mse
from svg_tf.metrics.ssim import ssim
from svg_tf.models.svg import SVG
from svg_tf.progress import progress
from svg_tf.visualization import Row

_SHOWN_SAMPLES = 3


def draw(
    model: SVG, config: Config, folder: str, *, n_clips: int, n_shown: int, n_samples: int, horizon: int, seed: int
) -> tuple[int, dict[str, dict[str, float]]]:
    """Sample and score futures of the first test clips; draw some in folder/futures.gif and futures_<clip>.png.

    A picture has the truth, the best sample by SSIM over the predicted frames, the first samples, and the
    reconstruction by the approximate posterior, which sees the true frames. Pictures of an earlier call are removed.

    horizon frames are predicted; those after the truth, which has config.n_eval frames, are not scored.

    Returns:
        The number of clips, and PSNR (dB) and SSIM by predictor: best of n_samples, mean sample, copy last and black.
        PSNR is that of the squared error averaged over clips. In this way a clip without motion, which copy last
        predicts exactly, counts as one clip.
    """
    n_past, batch = config.n_past, clips_at_once(model, n_samples, n_clips)
    data = make_dataset(config, "test", n_clips=n_clips).unbatch().batch(batch)
    scores: dict[str, list[tuple[float, float]]] = {}  # of each clip: squared error and SSIM
    pictures: list[list[Row]] = []
    number = 0
    with progress(total=n_clips, unit="clip", desc="generate") as bar:
        for clips in data.as_numpy_iterator():
            clips = clips / np.float32(255)
            seeds = noise.sample_seeds(seed, range(number, number + len(clips)), n_samples)
            truths, found = clips[:, n_past : n_past + horizon], []
            for part in sample(model, clips[:, :n_past], horizon, seeds, batch):
                found.append([_scores(*pair) for pair in zip(truths, part, strict=True)])
            for index, clip in enumerate(clips):
                errors, similarities = np.concatenate([part[index] for part in found], axis=1)  # [S] each
                table = {f"best of {n_samples}": (errors.min(), similarities.max())}
                table["mean sample"] = errors.mean(), similarities.mean()
                for name, frames in reversed(trivial_predictions(clip[:n_past], len(truths[index])).items()):
                    table[name] = tuple(_scores(truths[index], frames[np.newaxis])[:, 0])
                for name, pair in table.items():
                    scores.setdefault(name, []).append(pair)
                if number < n_shown:
                    shown = [similarities.argmax(), *range(min(_SHOWN_SAMPLES, n_samples))]
                    pictures.append(_rows(example(model, clip, n_past, horizon, seeds[index, shown]), n_samples))
                number += 1
                bar.update()
    names = [f"futures_{index}.png" for index in range(len(pictures))]
    for name, rows in zip(names, pictures, strict=True):
        visualization.write_png(os.path.join(folder, name), visualization.strip(rows, n_past))
    visualization.write_gif(os.path.join(folder, "futures.gif"), visualization.animation(pictures, n_past))
    visualization.remove_others(folder, r"futures_\d+\.png", names)
    means = {name: np.mean(pairs, axis=0) for name, pairs in scores.items()}
    return number, {name: {"PSNR": float(decibels(pair[0])), "SSIM": float(pair[1])} for name, pair in means.items()}


def _scores(truth: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return the squared error and the SSIM of samples [S, T', H, W, C] where there is a truth: float64 [2, S]."""
    shown = samples[:, : len(truth)]
    return np.array([mse(truth, shown), ssim(truth, shown)], np.float64).mean(axis=-1)


def _rows(clip: dict[str, np.ndarray], n_samples: int) -> list[Row]:
    """Return the rows of a clip's picture, as long as the shorter of truth and predictions, from `scoring.example`."""
    best, *first = clip["samples"][:, : len(clip["truth"])]
    rows = [Row("Truth", clip["truth"][: len(best)], "truth"), Row(f"Best of {n_samples}", best)]
    rows += [Row(f"Sample {number}", frames) for number, frames in enumerate(first, start=1)]
    return [*rows, Row("Posterior", clip["posterior"][: len(best)])]
