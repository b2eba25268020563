"""The analysis of a trained model, written as JSON and figures."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from svg_tf import files
from svg_tf.config import Config
from svg_tf.models.svg import SVG
from svg_tf.uncertainty import detection, figures, motion, sequences
from svg_tf.uncertainty.motion import Steps

_FIGURES = ("uncertainty_stddev.png", "uncertainty_motion.png")
NAMES = ("uncertainty.json", *_FIGURES)


class Settings(NamedTuple):
    """Sizes of the analysis; see the flags of svg-tf uncertainty."""

    n_sequences: int
    n_digit_sets: int
    n_samples: int
    n_frames: int
    seed: int = 0


def analyse(model: SVG, config: Config, folder: str, settings: Settings) -> dict[str, Any]:
    """Measure whether the learned prior predicts collisions, write the files NAMES and return uncertainty.json.

    It has the numbers, and the sentences, table and definitions of the report. The configuration of the run must pass
    `svg_tf.uncertainty.check`.

    Raises:
        ConfigError: there are too few clips to measure anything.
        DataError: the digits are missing or damaged.
    """
    n_sequences, n_digit_sets, n_samples, n_frames, seed = settings
    clip, hit = motion.find_hit(config, n_sequences)
    batches = sequences.common_motion(config, clip, n_digit_sets, n_frames, seed)
    (stddevs,), (turns, *_) = detection.clip_stddev(model, batches)  # [sets, T], [T, N]
    mean, std = stddevs.mean(axis=0), stddevs.std(axis=0)
    untrained = detection.untrained_priors(model, detection.N_UNTRAINED, seed)
    scored, events = detection.clip_stddev(model, sequences.random_motions(config, n_sequences, n_frames), untrained)
    areas = detection.score(scored[0], scored[1:], np.any(events, axis=-1), config.n_past, seed)
    steps = motion.compare(model, config, clip, hit, n_digit_sets, n_samples, seed)
    drawn = (
        figures.stddev_over_time(mean, std, turns, config.n_past, n_digit_sets),
        figures.motion(steps, hit, config.max_speed + 2),
    )
    for name, figure in zip(_FIGURES, drawn, strict=True):
        files.write_with(os.path.join(folder, name), partial(figure.savefig, dpi=130))

    auc = {name: "{:.3f} ({:.3f} to {:.3f})".format(*area) for name, area in areas.items()}
    captions = (
        f"Standard deviation of the learned prior along the motion of test clip {clip} with {n_digit_sets} sets of "
        "digits: mean and standard deviation over the sets. Marks: turns of each digit. (Figure 6 of the paper.)",
        f"Steps of the first digit of test clip {clip}: by the rules and in {n_samples} generated futures for each of "
        f"{n_digit_sets} sets of digits. Bright: frequent. (Figure 5 of the paper.)",
    )
    result = {
        "title": "Collisions: does the prior predict when a digit turns?",
        "summary": [
            f"Over {n_sequences} random motions the standard deviation of the learned prior separates the turns from "
            f"the other frames with an area under the ROC curve of {auc['model']}.",
            f"Untrained priors reach {auc['untrained']}, values of another sequence {auc['shuffled']}; 0.5 is chance.",
        ],
        "figures": [
            {"file": name, "alt": caption.split(":")[0], "caption": caption}
            for name, caption in zip(_FIGURES, captions, strict=True)
        ],
        "table": _table(auc, steps, hit),
        "definitions": _definitions(config.n_past),
        "settings": settings._asdict() | {"n_past": config.n_past, "clip": clip, "hit": hit},
        "auc": {name: area._asdict() for name, area in areas.items()},
        "stddev": {
            "frames": list(range(1, len(mean))),
            "mean": mean[1:].tolist(),
            "std": std[1:].tolist(),
            "turns": [np.flatnonzero(shown).tolist() for shown in turns.T],
        },
        "motion": [{**each._asdict(), "rules": _counts(each.rules), "model": _counts(each.model)} for each in steps],
    }
    files.write_text(os.path.join(folder, NAMES[0]), json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


def _table(auc: Mapping[str, str], steps: Sequence[Steps], hit: int) -> dict[str, Any]:
    rows = [
        ["AUC of the learned prior's standard deviation", auc["model"], "1: detects every turn"],
        [f"AUC of {detection.N_UNTRAINED} untrained priors, mean", auc["untrained"], "0.5: chance"],
        ["AUC with the values of another sequence", auc["shuffled"], "0.5: chance"],
    ]
    for each in steps:
        remark = {hit: ", hit", hit + 1: ", turn"}.get(each.frame, "")
        value = "not measured" if each.distance is None else f"{each.distance:.2f} px, {each.found:.0%} found"
        comparison = f"two samples of the rules: {each.same:.2f} px"
        rows.append([f"Energy distance, frame {each.frame}{remark}", value, comparison])
    return {"columns": ["measure", "value", "to compare with"], "rows": rows}


def _definitions(n_past: int) -> list[str]:
    return [
        "Standard deviation: that of the learned prior p(z[t] | x[0..t-1]) after true frames, averaged over z.",
        "Turn: a frame t that first shows a velocity drawn at a wall. The digit hits the wall in frame t-1, which its "
        "old velocity determines; chance decides frame t. A turn of any digit counts.",
        "AUC: probability that a frame with a turn has a larger standard deviation than one without, from frame "
        f"{n_past} on. Intervals: 95 % percentile bootstrap over sequences. Untrained: priors with initial weights. "
        "Shuffled: each sequence has the values of another one.",
        "Step: displacement of a digit from one frame to the next. Digits are located by template matching and found "
        f"if their normalized cross-correlation is at least {motion.FOUND} in both frames.",
        "Energy distance: 2 E|A-B| - E|A-A'| - E|B-B'| of steps A and B; 0 for equal distributions.",
    ]


def _counts(steps: np.ndarray) -> dict[str, Any]:
    unique, counts = np.unique(steps, axis=0, return_counts=True)
    return {"steps": unique.tolist(), "counts": counts.tolist()}
