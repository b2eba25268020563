"""What the report is made of: the files of an evaluation, read and checked."""

import os
import re
import zipfile
from typing import Any, NamedTuple

import numpy as np

from svg_tf.data.errors import DataError
from svg_tf.report.schema import ANY_KEY, NUMBER, TEXT_OR_NUMBER, read_json

_EVALUATE, _UNCERTAINTY = "bin/evaluate.py", "bin/uncertainty.py"
_TEXTS: tuple[str, ...] = ("model", "run_dir", "checkpoint", "dataset", "split", "date", "command", "machine")
_TEXTS += ("interval", "chosen_by", "by_samples_definition", "examples_best_by")
_BAND = {"mean": [NUMBER], "low": [NUMBER], "high": [NUMBER]}
_METRICS = {
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(("step", "n_clips", "n_past", "n_eval", "n_samples", "seed"), int),
    "protocol": {
        "name": str,
        "description": str,
        "published": [{"name": str, "source": str, ANY_KEY: NUMBER}],
        "deviations": [str],
    },
    "metrics": [{"name": str, "title": str, "unit": str, "better": str, "definition": str}],
    "not_computed": [{"name": str, "title": str, "reason": str}],
    "table": [{"name": str, "kind": str, "metrics": {ANY_KEY: {"mean": NUMBER, ANY_KEY: NUMBER}}}],
    "curves": {ANY_KEY: {"frames": [int], "lines": [{"name": str, "kind": str, **_BAND}]}},
    "by_samples": {ANY_KEY: {"n": [int], **_BAND}},
    "predictors": {ANY_KEY: str},
    "notes": [str],
    "recalibration": (dict, type(None)),
}
_SECTION = {
    "title": str,
    "summary": [str],
    "figures": [{"file": str, "alt": str, "caption": str}],
    "table": {"columns": [str], "rows": [[TEXT_OR_NUMBER]]},
    "definitions": [str],
}
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.png")
_METRIC_NAME = re.compile(r"[a-z][a-z0-9_]*")
_KINDS = ("model", "simulator", "trivial")


class Examples(NamedTuple):
    """Clips to show, uint8, context included; K clips, M samples of each."""

    truth: np.ndarray  # [K, T, H, W, C]
    best: np.ndarray  # [K, T, H, W, C]
    samples: np.ndarray  # [K, M, T, H, W, C]
    posterior: np.ndarray  # [K, T, H, W, C]
    clips: np.ndarray  # the number of each test clip, int [K]
    samples_of: np.ndarray  # the number of each sample, int [K, M]
    best_of: np.ndarray  # the number of the best sample, int [K]


class Section(NamedTuple):
    """A part of the report that another command wrote: its JSON, and the PNG files that it names."""

    content: dict[str, Any]
    images: list[bytes]


def read_metrics(folder: str) -> dict[str, Any]:
    """folder/metrics.json.

    Raises:
        DataError: the file is missing, unreadable, or contradicts itself.
    """
    path = os.path.join(folder, "metrics.json")
    metrics = read_json(path, _METRICS, _EVALUATE)
    for metric in [*metrics["metrics"], *metrics["not_computed"]]:
        if not _METRIC_NAME.fullmatch(metric["name"]):
            raise DataError(f"{path} has a metric named {metric['name']!r}, but names are of a-z, 0-9 and _")
        if metric.get("better", "higher") not in ("higher", "lower"):
            raise DataError(f"{path}: {metric['name']} is better {metric['better']!r}, but must be higher or lower")
    for row in metrics["table"]:
        if row["name"] not in metrics["predictors"]:
            raise DataError(f"{path} has a row {row['name']!r}, but predictors does not define it")
    if not 1 <= metrics["n_past"] < metrics["n_eval"]:
        raise DataError(f"{path} has n_past {metrics['n_past']}, but it must be from 1 to less than n_eval")
    for row in [line for curve in metrics["curves"].values() for line in curve["lines"]] + metrics["table"]:
        if row["kind"] not in _KINDS:
            raise DataError(f"{path}: row {row['name']!r} is of kind {row['kind']!r}, not of {', '.join(_KINDS)}")
    for name, curve in metrics["curves"].items():
        if not curve["frames"]:
            raise DataError(f"{path}: curves.{name} has no frames")
        for line in curve["lines"]:
            _check_lengths(path, f"curves.{name}, line {line['name']!r},", line, len(curve["frames"]))
    for name, scores in metrics["by_samples"].items():
        _check_lengths(path, f"by_samples.{name}", scores, len(scores["n"]))
    return metrics


def read_examples(folder: str, n_past: int, n_eval: int) -> Examples:
    """folder/examples.npz.

    Raises:
        DataError: the file is missing or unreadable, or its arrays do not fit each other or the clips' length.
    """
    path = os.path.join(folder, "examples.npz")
    try:
        with np.load(path) as arrays:
            examples = Examples(**{name: arrays[name] for name in Examples._fields})
    except FileNotFoundError:
        raise DataError(f"there is no {path}; {_EVALUATE} writes it") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read ({error}); {_EVALUATE} writes it anew") from None
    video, samples = examples.truth.shape, examples.samples.shape
    expected = {
        "truth": (*video[:1], n_eval, *video[2:]),
        "best": video,
        "posterior": video,
        "samples": (*video[:1], *samples[1:2], *video[1:]),
        "clips": video[:1],
        "samples_of": samples[:2],
        "best_of": video[:1],
    }
    for name, shape in expected.items():
        array = getattr(examples, name)
        if array.shape != shape or (len(shape) > 3 and array.dtype != np.uint8):
            raise DataError(
                f"{path} has {name} of shape {array.shape} and type {array.dtype}, but with {n_eval} frames, "
                f"{n_past} of them given, it must be {shape}, frames uint8; {_EVALUATE} writes it anew"
            )
    return examples


def read_uncertainty(folder: str) -> Section | None:
    """folder/uncertainty.json with its pictures, or None where there is none.

    Raises:
        DataError: the file or one of its pictures is missing or unreadable.
    """
    path = os.path.join(folder, "uncertainty.json")
    if not os.path.exists(path):
        return None
    content = read_json(path, _SECTION, _UNCERTAINTY)
    columns = len(content["table"]["columns"])
    for row in content["table"]["rows"]:
        if len(row) != columns:
            raise DataError(f"{path} has a row of {len(row)} cells in a table of {columns} columns")
    return Section(content, [_read_picture(folder, path, figure["file"]) for figure in content["figures"]])


def _read_picture(folder: str, named_by: str, name: str) -> bytes:
    if not _FILE_NAME.fullmatch(name):
        raise DataError(f"{named_by} names the picture {name!r}, but pictures are PNG files of the same folder")
    path = os.path.join(folder, name)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise DataError(f"{path}, which {named_by} names, cannot be read: {error.strerror}") from None
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise DataError(f"{path} is not a PNG file; {_UNCERTAINTY} writes it anew")
    return data


def _check_lengths(path: str, place: str, band: dict[str, Any], length: int) -> None:
    for key in ("mean", "low", "high"):
        if len(band[key]) != length:
            raise DataError(f"{path}: {place} has {len(band[key])} values of {key}, but must have {length}")
