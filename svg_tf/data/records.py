"""Where the frames lie in TFRecord files of tf.train.Example: read once, then found without reading the rest."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging
from tqdm import tqdm

from svg_tf import files

_HEAD, _TAIL = 12, 4  # bytes around a record: its length and that length's checksum, the record's checksum
_BYTES = 2  # protocol buffers' wire type of what has a length
_FIXED = {1: 8, 5: 4}  # bytes of the wire types of a known length


class Record(NamedTuple):
    """One record of a file.

    Attributes:
        number: its place in the file, from 0.
        name: value of the feature asked for as the name, or empty.
        spans: int64 [N, 2] first byte in the file and byte after the last, of the values of the features asked for.
    """

    number: int
    name: str
    spans: np.ndarray


class Index(NamedTuple):
    """The records of one file that have what was asked for, and what is wrong with others: {record: reason}."""

    path: str
    records: list[Record]
    faults: dict[str, str]


def index(paths: Sequence[str], features: Sequence[str], folder: str, name: str = "") -> list[Index]:
    """Finds the values of some features in all records of some files, with their checksums verified.

    The findings are kept in folder, one file each, and used again while a file keeps its size and time.

    Args:
        paths: TFRecord files.
        features: bytes features whose values are wanted, in this order.
        folder: where the findings are kept.
        name: bytes feature that holds a record's name; empty: none.

    Raises:
        OSError: folder cannot be written.
    """
    found = []
    asked = {"features": list(features), "name": name}
    kept = [os.path.join(folder, hashlib.sha256(os.path.realpath(path).encode()).hexdigest()[:16]) for path in paths]
    bar = tqdm(paths, desc="index", unit="file", disable=all(os.path.exists(path + ".json") for path in kept))
    for path, place in zip(bar, kept, strict=True):
        state = {**asked, **_state(path)}
        known = _load(place + ".json")
        if known is None or known.get("state") != state:
            records, faults = _scan(path, features, name)
            entries = [(record.number, record.name, record.spans.tolist()) for record in records]
            known = {"state": state, "records": entries, "faults": faults}
            files.write_text(place + ".json", json.dumps(known))
        records = [Record(number, title, np.array(spans, np.int64)) for number, title, spans in known["records"]]
        found.append(Index(path, records, known["faults"]))
    return found


def _state(path: str) -> dict[str, int]:
    status = os.stat(path)
    return {"size": status.st_size, "time": status.st_mtime_ns}


def _load(path: str) -> dict | None:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        logging.warning("%s is damaged and made anew", path)
        return None


def _scan(path: str, features: Sequence[str], name: str) -> tuple[list[Record], dict[str, str]]:
    records, faults = [], {}
    number = offset = 0
    try:
        for number, serialized in enumerate(tf.data.TFRecordDataset(path).as_numpy_iterator()):
            offset += _HEAD
            try:
                values = _bytes_features(serialized)
                spans = [span for feature in features for span in values[feature]]
                title = serialized[slice(*values[name][0])].decode() if name else ""
                records.append(Record(number, title, offset + np.array(spans, np.int64).reshape(-1, 2)))
            except KeyError as error:
                faults[str(number)] = f"lacks the feature {error.args[0]}"
            except (IndexError, ValueError):
                faults[str(number)] = "is not a tf.train.Example"
            offset += len(serialized) + _TAIL
    except tf.errors.OpError:
        faults[str(number + 1 if offset else 0)] = "is damaged or cut short, and so is all after it"
    return records, faults


def _bytes_features(serialized: bytes) -> dict[str, list[tuple[int, int]]]:
    """The spans of the values of an Example's bytes features, by the features' names.

    An Example nests: features (1) > entry (1) > key (1) and value (2) > list of bytes (1) > bytes (1).

    Raises:
        ValueError, IndexError: it is not one.
    """
    spans = {}
    for _, *features in _fields(serialized, 0, len(serialized)):
        for _, *entry in _fields(serialized, *features):
            parts = {number: (start, stop) for number, start, stop in _fields(serialized, *entry)}
            for kind, *values in _fields(serialized, *parts.get(2, (0, 0))):
                if kind == 1:  # 2 are floats, 3 integers
                    key = serialized[slice(*parts.get(1, (0, 0)))].decode()
                    spans[key] = [(start, stop) for _, start, stop in _fields(serialized, *values)]
    return spans


def _fields(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The fields that have a length, of a message in the wire format of protocol buffers: number, start, stop."""
    while start < stop:
        tag, start = _varint(data, start)
        kind = tag & 7
        if kind == _BYTES:
            length, start = _varint(data, start)
            if start + length > stop:
                raise ValueError("a field is longer than its message")
            yield tag >> 3, start, start + length
            start += length
        elif kind in _FIXED:
            start += _FIXED[kind]
        elif kind == 0:
            _, start = _varint(data, start)
        else:
            raise ValueError(f"there is no wire type {kind}")


def _varint(data: bytes, start: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[start]
        start += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, start
        shift += 7
