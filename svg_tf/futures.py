"""The futures of a run's test clips: drawn, scored and shown."""

import os

import numpy as np

from svg_tf import checkpoints, evaluation, noise, rollout, visualization
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.evaluation import Scores
from svg_tf.models.svg import SVG
from svg_tf.visualization import Row

_SHOWN_SAMPLES = 3


def load_model(config: Config, checkpoint: str = "best") -> SVG:
    """The model of config.run_dir with the weights of a checkpoint: best, latest or a step.

    Raises:
        CheckpointError: no such checkpoint, or it does not fit.
    """
    model = SVG(config)
    checkpoints.load_weights(model, config.run_dir, checkpoint)
    return model


def draw(
    config: Config, *, checkpoint: str, n_clips: int, n_samples: int, horizon: int, seed: int, folder: str
) -> Scores:
    """Draws futures of the first test clips and writes folder/futures.gif and a futures_<clip>.png for each.

    A line shows the truth, the best sample by SSIM of the predicted frames, some samples as they come, and the
    approximate posterior, which has seen the truth.

    Args:
        config: of the run.
        checkpoint: best, latest or a step.
        n_clips: test clips, at least 1.
        n_samples: futures of each clip.
        horizon: predicted frames; the truth is shown and scored as far as it goes, n_eval frames in all.
        seed: of the futures.
        folder: where to write.

    Raises:
        CheckpointError: the run has no such checkpoint.
        DataError: the test data is missing or broken.
    """
    model = load_model(config, checkpoint)
    data = make_dataset(config, "test", n_clips=n_clips).unbatch().batch(n_clips)
    clips = next(iter(data)).numpy() / np.float32(255)  # [B, n_eval, H, W, C]
    context, future = np.split(clips, [config.n_past], axis=1)
    seeds = noise.sample_seeds(seed, range(len(clips)), n_samples)
    samples = rollout.generate(model, context, horizon, seeds).frames.numpy()  # [S, B, T, H, W, C]
    scored = min(horizon, future.shape[1])
    best = evaluation.best_samples(future[:, :scored], samples[:, :, :scored])
    posterior = rollout.reconstruct(model, clips).numpy()  # [B, n_eval - 1, H, W, C]
    shown = config.n_past + scored
    pictures = []
    for index, clip in enumerate(clips):
        futures = [np.concatenate([context[index], sample])[:shown] for sample in samples[:, index]]
        rows = [Row("Truth", clip[:shown], "truth"), Row(f"Best of {n_samples}", futures[best[index]])]
        rows += [Row(f"Sample {number}", frames) for number, frames in enumerate(futures[:_SHOWN_SAMPLES], start=1)]
        # The first frame has no prediction: the posterior's row begins with it as it is.
        rows += [Row("Posterior", np.concatenate([clip[:1], posterior[index]])[:shown])]
        pictures.append(rows)
        strip = visualization.strip(rows, config.n_past)
        visualization.write_png(os.path.join(folder, f"futures_{index}.png"), strip)
    animation = visualization.animation(pictures, config.n_past)
    visualization.write_gif(os.path.join(folder, "futures.gif"), animation)
    return evaluation.score(context, future[:, :scored], samples[:, :, :scored])
