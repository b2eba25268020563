"""The analysis of a trained model, written as JSON and figures."""

import json
import os
from typing import Any

from svg_tf import files
from svg_tf.config import Config
from svg_tf.models.svg import SVG
from svg_tf.uncertainty import detection, document, figures, motion, prior, sequences

NAMES = ("uncertainty.json", *document.FIGURES)


def analyse(
    model: SVG,
    config: Config,
    folder: str,
    *,
    n_sequences: int,
    n_digit_sets: int,
    n_samples: int,
    n_frames: int,
    seed: int,
) -> dict[str, Any]:
    """Measure what the learned prior knows of collisions and write the files NAMES.

    Args:
        model: a trained model.
        config: configuration of its run, which passes `svg_tf.uncertainty.check`.
        folder: folder to write to.
        n_sequences: test clips to score, at least 2.
        n_digit_sets: sets of digits on one motion, for the figures.
        n_samples: futures of each set of digits.
        n_frames: frames that the prior reads.
        seed: seed of digits, futures, untrained priors and the bootstrap.

    Returns:
        The contents of uncertainty.json.

    Raises:
        ConfigError: there are too few clips to measure anything.
        DataError: the digits are missing or damaged.
    """
    clip, hit = motion.find_hit(config, n_sequences)
    batches = sequences.common_motion(config, clip, n_digit_sets, n_frames, seed)
    (stddevs,), turns = prior.clip_stddev(model, batches)  # [sets, T]
    course = stddevs.mean(axis=0), stddevs.std(axis=0), turns[0]
    areas = detection.detect(model, config, n_sequences, n_frames, seed)
    steps = motion.compare(model, config, clip, hit, n_digit_sets, n_samples, seed)
    settings = {"n_sequences": n_sequences, "n_digit_sets": n_digit_sets, "n_samples": n_samples, "n_frames": n_frames}
    settings |= {"n_past": config.n_past, "seed": seed, "clip": clip, "hit": hit}
    drawn = (
        figures.stddev_over_time(*course, config.n_past, n_digit_sets),
        figures.motion(steps, hit, config.max_speed + 2),
    )
    for name, figure in zip(document.FIGURES, drawn, strict=True):
        figures.write(figure, os.path.join(folder, name))
    result = document.compose(settings, course, areas, steps)
    files.write_text(os.path.join(folder, NAMES[0]), json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result
