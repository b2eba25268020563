"""Contents of uncertainty.json: numbers, and the sentences, table and definitions that explain them in the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from svg_tf.uncertainty import detection, motion
from svg_tf.uncertainty.detection import Interval
from svg_tf.uncertainty.motion import Steps

FIGURES = ("uncertainty_stddev.png", "uncertainty_motion.png")


def compose(
    settings: Mapping[str, Any],
    course: tuple[np.ndarray, np.ndarray, np.ndarray],
    areas: Mapping[str, Interval],
    steps: Sequence[Steps],
) -> dict[str, Any]:
    """Return the document, of JSON types.

    `course` is the mean and std over the sets of digits, float [T], and the turns, bool [T, N], of one motion; `areas`
    are those of `detection.detect`.
    """
    mean, std, turns = course
    auc = {name: "{:.3f} ({:.3f} to {:.3f})".format(*area) for name, area in areas.items()}
    clip, sets, n_sequences = settings["clip"], settings["n_digit_sets"], settings["n_sequences"]
    captions = (
        f"Standard deviation of the learned prior along the motion of test clip {clip} with {sets} sets of digits: "
        "mean and standard deviation over the sets. Marks: turns of each digit. (Figure 6 of the paper.)",
        f"Steps of the first digit of test clip {clip}: by the rules and in {settings['n_samples']} generated futures "
        f"for each of {sets} sets of digits. Bright: frequent. (Figure 5 of the paper.)",
    )
    return {
        "title": "Collisions: does the prior know when a digit turns?",
        "summary": [
            f"Over {n_sequences} random motions the standard deviation of the learned prior separates the turns from "
            f"the other frames with an area under the ROC curve of {auc['model']}.",
            f"Untrained priors reach {auc['untrained']}, values of another sequence {auc['shuffled']}; 0.5 is chance.",
        ],
        "figures": [
            {"file": name, "alt": caption.split(":")[0], "caption": caption}
            for name, caption in zip(FIGURES, captions, strict=True)
        ],
        "table": {
            "columns": ["measure", "value", "to compare with"],
            "rows": [
                ["AUC of the learned prior's standard deviation", auc["model"], "1: detects every turn"],
                [f"AUC of {detection.N_UNTRAINED} untrained priors, mean", auc["untrained"], "0.5: chance"],
                ["AUC with the values of another sequence", auc["shuffled"], "0.5: chance"],
                *(_row(each, settings["hit"]) for each in steps),
            ],
        },
        "definitions": _definitions(settings),
        "settings": dict(settings),
        "auc": {name: area._asdict() for name, area in areas.items()},
        "stddev": {
            "frames": list(range(1, len(mean))),
            "mean": mean[1:].tolist(),
            "std": std[1:].tolist(),
            "turns": [np.flatnonzero(shown).tolist() for shown in turns.T],
        },
        "motion": [{**each._asdict(), "rules": _counts(each.rules), "model": _counts(each.model)} for each in steps],
    }


def _row(steps: Steps, hit: int) -> list[str]:
    remark = {hit: ", hit", hit + 1: ", turn"}.get(steps.frame, "")
    value = "not measured" if steps.distance is None else f"{steps.distance:.2f} px, {steps.found:.0%} found"
    return [f"Energy distance, frame {steps.frame}{remark}", value, f"two samples of the rules: {steps.same:.2f} px"]


def _definitions(settings: Mapping[str, Any]) -> list[str]:
    return [
        "Standard deviation: that of the learned prior p(z[t] | x[0..t-1]) after true frames, averaged over z.",
        "Turn: a frame t that first shows a velocity drawn at a wall. The digit hits the wall in frame t-1, which its "
        "old velocity determines; chance decides frame t. A turn of any digit counts.",
        "AUC: probability that a frame with a turn has a larger standard deviation than one without, from frame "
        f"{settings['n_past']} on. Intervals: 95 % percentile bootstrap over sequences. Untrained: priors with "
        "initial weights. Shuffled: each sequence has the values of another one.",
        "Step: displacement of a digit from one frame to the next. Digits are located by template matching and found "
        f"if their normalized cross-correlation is at least {motion.FOUND} in both frames.",
        "Energy distance: 2 E|A-B| - E|A-A'| - E|B-B'| of steps A and B; 0 for equal distributions.",
    ]


def _counts(steps: np.ndarray) -> dict[str, Any]:
    unique, counts = np.unique(steps, axis=0, return_counts=True)
    return {"steps": unique.tolist(), "counts": counts.tolist()}
