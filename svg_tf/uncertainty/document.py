"""What uncertainty.json says: the numbers, and the sentences, table and definitions that explain them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from svg_tf.config import Config
from svg_tf.uncertainty import detection, tracking
from svg_tf.uncertainty.aftermath import Aftermath, Group
from svg_tf.uncertainty.auc import Interval
from svg_tf.uncertainty.detection import Course, Detection

FIGURES = ("uncertainty_sigma.png", "uncertainty_roc.png", "uncertainty_displacement.png")
TITLE = "Collisions: does the prior know when a digit turns?"


def compose(
    config: Config, settings: Mapping[str, Any], course: Course, detected: Detection, after: Aftermath
) -> dict[str, Any]:
    """The document, of JSON types, with the raw numbers under settings, auc, tracker, displacement and sigma."""
    return {
        "title": TITLE,
        "summary": _summary(settings, detected, after),
        "figures": _figures(config, settings),
        "table": {"columns": ["measure", "value", "to compare with"], "rows": _rows(config, detected, after)},
        "definitions": _definitions(config, settings),
        "settings": dict(settings),
        "auc": {name: area._asdict() for name, area in detected.auc.items()},
        "auc_untrained_each": detected.untrained_each,
        "auc_by_offset": {"offsets": list(detection.OFFSETS), "auc": detected.by_offset},
        "turn_share": detected.turn_share,
        "sigma": {"frames": list(range(1, len(course.mean))), "mean": course.mean[1:].tolist()}
        | {"std": course.std[1:].tolist(), "turns": [np.flatnonzero(turns).tolist() for turns in course.turns.T]},
        "tracker": {"exact": after.exact, "within_a_pixel": after.within_a_pixel, "threshold": tracking.FOUND},
        "displacement": [_numbers(group) for group in after.groups],
    }


def name_of(group: Group, config: Config) -> str:
    """Which hits a group has."""
    if (group.first, group.last) == (1, config.n_future):
        return "all hits"
    if group.first == group.last:
        return f"turn in predicted frame {group.first}"
    return f"turn in predicted frames {group.first}-{group.last}"


def _summary(settings: Mapping[str, Any], detected: Detection, after: Aftermath) -> list[str]:
    everything = after.groups[0]
    return [
        f"Over {settings['n_sequences']} random motions the spread of the learned prior tells the frames that first "
        f"show a new velocity from all others with an area under the ROC curve of {_interval(detected.auc['model'])}.",
        f"Priors as they are before training reach {_interval(detected.auc['untrained'])}, and the spread of another "
        f"sequence at the same time {_interval(detected.auc['shuffled'])}; 0.5 is chance.",
        "In the model's futures the distribution of steps after a digit's first wall hit lies "
        f"{_distance(everything)} from the rules of the motion (energy distance). Samples by the rules themselves lie "
        f"less than {everything.same:.3f} px apart in 95 % of cases, a bounce as from a mirror "
        f"{everything.mirror:.2f} px.",
        f"{everything.found:.1%} of those steps could be measured. In the true frames the tracker's place is exact "
        f"for {after.exact:.1%} of the digits and right to a pixel for {after.within_a_pixel:.1%}.",
    ]


def _figures(config: Config, settings: Mapping[str, Any]) -> list[dict[str, str]]:
    sets, clip = settings["n_digit_sets"], settings["clip"]
    texts = (
        (
            "The prior's mean sigma over the frames of one motion, with the frames marked in which each digit turns",
            f"Spread of the learned prior along the motion of test clip {clip}, shown with {sets} sets of test "
            "digits: mean and standard deviation over the sets. Marks: frames that first show a digit's new "
            "velocity, each one after the frame of the wall hit.",
        ),
        (
            "ROC curves of the model and the controls, and the area by the distance in time from a turn",
            f"Left: how well the spread tells turns over {settings['n_sequences']} test clips of "
            f"{settings['n_frames']} frames. Right: the same with the spread some frames before (negative) or after "
            "the turn; a prior that knows the rules peaks at 0.",
        ),
        (
            "Histograms of steps by the rules of the motion and by the model, by frame and over all hits",
            f"Above: steps of the first digit of test clip {clip} from frame to frame, by the rules and measured in "
            f"the model's futures of {sets} sets of digits, {settings['n_samples']} futures each. Below: steps after "
            "each digit's first hit in the test clips, by the predicted frame that shows the turn. Each panel's "
            "brightest cell is its most frequent step.",
        ),
    )
    return [
        {"file": name, "alt": alt, "caption": caption} for name, (alt, caption) in zip(FIGURES, texts, strict=True)
    ]


def _rows(config: Config, detected: Detection, after: Aftermath) -> list[list[str]]:
    model, untrained, shuffled = (_interval(detected.auc[name]) for name in ("model", "untrained", "shuffled"))
    each = ", ".join(f"{area:.3f}" for area in detected.untrained_each)
    rows = [
        ["AUC of the learned prior's spread", model, "1 knows every turn, 0.5 is chance"],
        ["AUC of untrained priors, mean", untrained, f"each: {each}; 0.5 is chance"],
        ["AUC of another sequence's spread", shuffled, "0.5 is chance"],
    ]
    for group in after.groups:
        name = name_of(group, config)
        to_compare = f"rules against rules below {group.same:.3f} px, mirror {group.mirror:.2f} px"
        rows.append([f"Energy distance after a hit, {name} ({group.n_hits})", _distance(group), to_compare])
        rows.append([f"Steps measured, {name}", f"{group.found:.1%}", "digits found in both frames"])
        misplaced = "not measured" if group.misplaced is None else f"{group.misplaced:.2f} px"
        rows.append([f"Digit's error in the frame of the hit, {name}", misplaced, "0 px by the rules"])
    rows.append(["Tracker on true frames", f"{after.exact:.1%} exact", f"{after.within_a_pixel:.1%} within a pixel"])
    return rows


def _definitions(config: Config, settings: Mapping[str, Any]) -> list[str]:
    return [
        "Spread: the mean over the dimensions of z of the standard deviation of the learned prior "
        "p(z[t] | x[0..t-1]), which reads true frames; batch normalisation by stored statistics.",
        "Turn: a frame t that first shows a velocity which a digit took at a wall. The digit is set back to the "
        "wall in frame t-1, which its old velocity foretells; frame t is the one that chance decides. With several "
        "digits a turn of any of them counts.",
        "AUC: the probability that a frame with a turn has a larger spread than one without, in the frames from "
        f"{config.n_past} (those after the context) to {settings['n_frames'] - 1} of the first "
        f"{settings['n_sequences']} test clips, drawn longer. Intervals are 95 % percentile bootstrap intervals over "
        "whole sequences.",
        "Untrained: priors of the same architecture with weights as drawn before training, which read the trained "
        f"encoder's codes; the mean AUC of {detection.UNTRAINED} of them. Shuffled: every sequence is scored with the "
        "model's spread of another sequence at the same times.",
        "Step: a digit's displacement from one frame to the next, in whole pixels. Generated digits are located by "
        "the known digit images, all digits of a frame together and each frame by itself, where the squared error is "
        f"least; found is a digit whose normalised cross-correlation is at least {tracking.FOUND}. Steps of digits "
        "that are lost in either frame are left out.",
        "Step after a hit: from the frame of the true hit to the next, for every digit's first hit that the "
        f"{config.n_past} context frames foretell in the {config.n_future} frames that the model was trained to "
        "predict; a future of the model that reaches the wall sooner or later is measured at the same frames.",
        "Energy distance: 2 E|A-B| - E|A-A'| - E|B-B'|, in pixels, of the model's steps A and steps by the rules B "
        "after the same hit, estimated without bias and averaged over the hits; 0 for equal distributions. Interval: "
        "bootstrap over the hits. Mirror: the distance of a digit that bounces as from a mirror, without chance.",
    ]


def _numbers(group: Group) -> dict[str, Any]:
    numbers = group._asdict()
    for name in ("rules", "model"):
        steps, counts = np.unique(numbers.pop(name), axis=0, return_counts=True)
        numbers[f"{name}_steps"] = {"away_along": steps.tolist(), "counts": counts.tolist()}
    if group.distance is not None:
        numbers["distance"] = group.distance._asdict()
    return {name: value for name, value in numbers.items() if value is not None}


def _distance(group: Group) -> str:
    if group.distance is None:
        return "not measured"
    return f"{group.distance.mean:.2f} px ({group.distance.low:.2f} to {group.distance.high:.2f})"


def _interval(area: Interval) -> str:
    return f"{area.mean:.3f} ({area.low:.3f} to {area.high:.3f})"
