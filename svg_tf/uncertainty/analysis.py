"""The whole analysis of a run: measured, and written as JSON, CSV and figures."""

import csv
import io
import json
import os
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from svg_tf import files
from svg_tf.config import Config
from svg_tf.models.svg import SVG
from svg_tf.training import checkpoints
from svg_tf.uncertainty import aftermath, applicability, detection, document, figures
from svg_tf.uncertainty.aftermath import Aftermath
from svg_tf.uncertainty.detection import Course

_MARGIN = 2  # pixels shown beyond the largest speed

NAMES = ("uncertainty.json", "uncertainty.csv", *document.FIGURES)


def analyse(
    config: Config,
    *,
    checkpoint: str,
    n_sequences: int,
    n_digit_sets: int,
    n_samples: int,
    n_frames: int,
    seed: int,
    folder: str,
) -> dict[str, Any]:
    """Writes what the prior of a run knows of collisions to files of NAMES in a folder.

    Args:
        config: of the run.
        checkpoint: best, latest or a step.
        n_sequences: test clips with motions of their own, at least 2, for the scores.
        n_digit_sets: sets of digits on one motion, for the figures.
        n_samples: futures of each clip or set of digits, at least 2.
        n_frames: frames that the prior reads, more than n_past.
        seed: of digits, futures, untrained priors and resampling.
        folder: where to write.

    Returns:
        What uncertainty.json holds.

    Raises:
        ConfigError: the run has no collisions or no learned prior, or too little is asked for.
        CheckpointError: the run has no such checkpoint.
        DataError: the digits are missing or damaged.
    """
    applicability.check(config, n_frames)
    scene = aftermath.find_scene(config, n_sequences)
    model = SVG(config)
    path = checkpoints.load_weights(model, config.run_dir, checkpoint)
    clip = int(scene.hits.clip[scene.example])
    course = detection.course(model, clip, n_digit_sets, n_frames, seed)
    detected = detection.detect(model, n_sequences, n_frames, seed)
    after = aftermath.compare(model, scene, n_digit_sets, n_samples, seed)
    settings = {
        "run_dir": config.run_dir,
        "checkpoint": os.path.basename(path),
        "n_past": config.n_past,
        "n_frames": n_frames,
        "n_sequences": n_sequences,
        "n_digit_sets": n_digit_sets,
        "n_samples": n_samples,
        "seed": seed,
        "clip": clip,
    }
    result = document.compose(config, settings, course, detected, after)
    drawn = (
        figures.sigma(course.mean, course.std, course.turns, config.n_past, n_digit_sets),
        figures.roc(detected.curves, detected.auc, detection.OFFSETS, detected.by_offset),
        _displacement_figure(after, config, scene.hits.frame[scene.example]),
    )
    for name, figure in zip(document.FIGURES, drawn, strict=True):
        figures.write(figure, os.path.join(folder, name))
    files.write_text(os.path.join(folder, "uncertainty.csv"), _per_frame(course, config.n_past))
    files.write_text(os.path.join(folder, "uncertainty.json"), json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


def _per_frame(course: Course, n_past: int) -> str:
    """The course as CSV, a row a frame from frame 1 on."""
    digits = range(1, course.turns.shape[1] + 1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["frame", "scored", "sigma_mean", "sigma_std", *(f"digit_{number}_turns" for number in digits)])
    for frame, (mean, std, turns) in enumerate(zip(*course, strict=True)):
        if frame > 0:
            row = [frame, int(frame >= n_past), float(mean), float(std), *turns.astype(np.int64).tolist()]
            writer.writerow(row)
    return text.getvalue()


def _displacement_figure(after: Aftermath, config: Config, hit: int) -> Figure:
    remarks = {hit: " (hit)", hit + 1: " (turn)"}
    example = [
        (
            figures.Panel(frame.rules[:, ::-1], f"t = {frame.frame}{remarks.get(frame.frame, '')}"),
            figures.Panel(frame.model[:, ::-1], f"found {frame.found:.0%}"),
        )
        for frame in after.example
    ]
    pooled = [
        (
            figures.Panel(group.rules, document.name_of(group, config)),
            figures.Panel(group.model, f"found {group.found:.0%}"),
        )
        for group in after.groups
    ]
    title = f"One motion: steps from frame t-1 to t, predicted from the frames 0 to {config.n_past - 1}"
    return figures.displacement(example, pooled, reach=config.max_speed + _MARGIN, example_title=title)
