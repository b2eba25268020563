"""Positions of feature values in TFRecord files of tf.train.Example, for random access to single frames.

A file is scanned once and its positions are cached. `tf.io.parse_example` would read all 740 KB of a trajectory for
each clip.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging
from google.protobuf.message import DecodeError

from svg_tf import files
from svg_tf.progress import progress

_HEAD, _TAIL = 12, 4  # bytes around a record: its length with a checksum, and the checksum of the record


class Index(NamedTuple):
    """Positions in one TFRecord file.

    Attributes:
        path: the file.
        records: {record number: int64 [N, 2], first byte of each value and the byte after its last one}.
        faults: {record number as text: reason} of the unusable records.
    """

    path: str
    records: dict[int, np.ndarray]
    faults: dict[str, str]


def index(paths: Sequence[str], features: Sequence[str], folder: str) -> list[Index]:
    """Find the values of bytes features in all records of some files and verify the checksums of the records.

    Results are cached in folder and reused while a file keeps its size and modification time.

    Args:
        paths: TFRecord files.
        features: names of bytes features; their values are listed in this order.
        folder: cache folder.

    Raises:
        OSError: folder cannot be written.
    """
    found = []
    names = [hashlib.sha256(os.path.realpath(path).encode()).hexdigest()[:16] for path in paths]
    cached = [os.path.join(folder, f"{name}.json") for name in names]
    bar = progress(paths, len(paths), "index", "file", disable=all(map(os.path.exists, cached)))
    for path, place in zip(bar, cached, strict=True):
        status = os.stat(path)
        state = {"features": list(features), "size": status.st_size, "time": status.st_mtime_ns}
        known = _load(place)
        if known.get("state") != state:
            records, faults = _scan(path, features)
            known = {"state": state, "records": {n: spans.tolist() for n, spans in records.items()}, "faults": faults}
            files.write_text(place, json.dumps(known))
        records = {int(number): np.array(spans, np.int64) for number, spans in known["records"].items()}
        found.append(Index(path, records, known["faults"]))
    return found


def _load(path: str) -> dict:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError):
        logging.warning("%s is damaged and is rebuilt", path)
        return {}


def _scan(path: str, features: Sequence[str]) -> tuple[dict[int, np.ndarray], dict[str, str]]:
    records, faults = {}, {}
    number = offset = 0
    try:
        for number, serialized in enumerate(tf.data.TFRecordDataset(path).as_numpy_iterator()):
            offset += _HEAD
            try:
                records[number] = offset + _spans(serialized, features)
            except (KeyError, DecodeError) as error:
                faults[str(number)] = "is not a tf.train.Example" if isinstance(error, DecodeError) else error.args[0]
            offset += len(serialized) + _TAIL
    except tf.errors.OpError:
        faults[str(number + 1 if offset else 0)] = "is damaged or cut short; the records after it are lost"
    return records, faults


def _spans(serialized: bytes, features: Sequence[str]) -> np.ndarray:
    """Return the first byte and the byte after the last one of the values of some features: int64 [N, 2].

    Protobuf parsers return values but not their positions, so the bytes of each value are searched. If they occur
    twice, the first place serves as well.
    """
    found = tf.train.Example.FromString(serialized).features.feature
    for feature in features:
        if feature not in found:
            raise KeyError(f"lacks the feature {feature}")
    values = [value for feature in features for value in found[feature].bytes_list.value]
    starts = np.array([serialized.index(value) for value in values], np.int64)
    return np.stack([starts, starts + np.array([len(value) for value in values], np.int64)], axis=1)
