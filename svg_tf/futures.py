"""The futures of a run's test clips: drawn, scored and shown."""

import os
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from svg_tf import checkpoints, noise, rollout, visualization
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
from svg_tf.evaluation import ClipScores, trivial_predictions
from svg_tf.models.svg import SVG
from svg_tf.visualization import Row

_CLIPS_AT_ONCE = 10  # bounds the memory, however many clips are drawn
_SHOWN_SAMPLES = 3


class Drawn(NamedTuple):
    """Futures of a batch of clips, float32 in [0, 1]."""

    clips: np.ndarray  # the truth, context included [B, n_eval, H, W, C]
    samples: np.ndarray  # [S, B, T, H, W, C]
    posterior: np.ndarray  # the clips' reconstruction, from frame 1 [B, n_eval - 1, H, W, C]
    scores: ClipScores  # of the samples, as far as the truth goes


class Result(NamedTuple):
    """PSNR and SSIM, see ClipScores, by what was scored: best of n_samples, mean sample, copy last, black."""

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
    approximate posterior, which has seen the truth.

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
    data = make_dataset(config, "test", n_clips=n_clips).unbatch().batch(_CLIPS_AT_ONCE)
    scores: dict[str, list[ClipScores]] = {}
    pictures: list[list[Row]] = []
    with tqdm(total=n_clips, unit="clip", desc="draw") as bar:
        for batch in data.as_numpy_iterator():
            drawn = _draw(model, batch, bar.n, n_samples, horizon, seed)
            context, future = np.split(drawn.clips, [config.n_past], axis=1)
            scored = (
                drawn.scores,
                *(
                    ClipScores.of(future[:, :horizon], frames)
                    for frames in trivial_predictions(context, min(horizon, future.shape[1])).values()
                ),
            )
            for name, batch_scores in zip(("samples", "copy last", "black"), scored, strict=True):
                scores.setdefault(name, []).append(batch_scores)
            wanted = min(len(batch), n_shown - len(pictures))
            pictures += [_rows(drawn, index, config.n_past) for index in range(wanted)]
            bar.update(len(batch))
    for index, rows in enumerate(pictures):
        strip = visualization.strip(rows, config.n_past)
        visualization.write_png(os.path.join(folder, f"futures_{index}.png"), strip)
    visualization.write_gif(os.path.join(folder, "futures.gif"), visualization.animation(pictures, config.n_past))
    joined = {name: ClipScores.joined(batches) for name, batches in scores.items()}
    samples = joined.pop("samples")
    table = {f"best of {n_samples}": samples.mean_of_best(), "mean sample": samples.mean()}
    return Result(samples.errors.shape[1], table | {name: trivial.mean() for name, trivial in joined.items()})


def _draw(model: SVG, batch: np.ndarray, first_clip: int, n_samples: int, horizon: int, seed: int) -> Drawn:
    """batch: uint8 [B, n_eval, H, W, C], the test clips from number first_clip on."""
    clips = batch / np.float32(255)
    context, future = np.split(clips, [model.config.n_past], axis=1)
    seeds = noise.sample_seeds(seed, range(first_clip, first_clip + len(clips)), n_samples)
    samples = rollout.generate(model, context, horizon, seeds).frames.numpy()
    known = min(horizon, future.shape[1])
    scores = ClipScores.of(future[:, :known], samples[:, :, :known])
    return Drawn(clips, samples, rollout.reconstruct(model, clips).numpy(), scores)


def _rows(drawn: Drawn, index: int, n_past: int) -> list[Row]:
    """The picture of one clip of a batch, as far as both the truth and the predictions go."""
    clip = drawn.clips[index]
    futures = [np.concatenate([clip[:n_past], sample])[: len(clip)] for sample in drawn.samples[:, index]]
    shown = len(futures[0])
    rows = [Row("Truth", clip[:shown], "truth"), Row(f"Best of {len(futures)}", futures[drawn.scores.best[index]])]
    rows += [Row(f"Sample {number}", frames) for number, frames in enumerate(futures[:_SHOWN_SAMPLES], start=1)]
    # The first frame has no prediction: the posterior's row begins with it as it is.
    return [*rows, Row("Posterior", np.concatenate([clip[:1], drawn.posterior[index]])[:shown])]
