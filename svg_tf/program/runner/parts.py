"""Arrays by name in files of a limited size, for transfers that have a limit: whole or not there.

`NAME.json` says what is where; the arrays' bytes, one after the other, are cut into `NAME-TAG-GROUP.000` and so on.
The group of an array is its name up to the first slash, so that one group can be taken along without the others.
"""

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Collection, Mapping

import numpy as np

Arrays = dict[str, np.ndarray]
_FORMAT = 1


class ProgramError(ValueError):
    """Files of a program that are missing, damaged or do not fit; the message names the file and the remedy."""


def save(folder: str, name: str, arrays: Mapping[str, np.ndarray], info: Mapping, tag: str, part_bytes: int) -> None:
    """Writes NAME.json and its parts of at most part_bytes each; those of an earlier save go last.

    Args:
        folder: made where it is not there.
        name: of the whole.
        arrays: by name.
        info: what else is to be known, fit for JSON.
        tag: a part of the files' names that tells this save from the one before.
        part_bytes: the most bytes of a file, at least 1.
    """
    os.makedirs(folder, exist_ok=True)
    entries: dict[str, dict] = {}
    streams: dict[str, bytearray] = {}
    for array_name, array in arrays.items():
        group, array = array_name.split("/")[0], np.asarray(array)
        encoding, data = _encode(array)
        stream = streams.setdefault(group, bytearray())
        entries[array_name] = {
            "group": group,
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "encoding": encoding,
            "offset": len(stream),
            "bytes": len(data),
        }
        stream += data
    groups: dict[str, list[dict]] = {}
    for group, stream in streams.items():
        groups[group] = []
        for number, start in enumerate(range(0, len(stream), part_bytes)):
            part = bytes(stream[start : start + part_bytes])
            file = f"{name}-{tag}-{group}.{number:03d}"
            write_bytes(os.path.join(folder, file), part)
            groups[group].append({"file": file, "bytes": len(part), "sha256": hashlib.sha256(part).hexdigest()})
    manifest = {"format": _FORMAT, "info": dict(info), "groups": groups, "arrays": entries}
    write_bytes(os.path.join(folder, f"{name}.json"), json.dumps(manifest, indent=1).encode())
    current = {part["file"] for parts in groups.values() for part in parts}
    for file in os.listdir(folder):
        if file.startswith(f"{name}-") and file not in current:
            os.remove(os.path.join(folder, file))


def load(folder: str, name: str, optional: Collection[str] = ()) -> tuple[Arrays, dict]:
    """The arrays and the info that save was given.

    Args:
        folder: where they are.
        name: of the whole.
        optional: groups whose parts may be missing; their arrays then are.

    Raises:
        ProgramError: a file is missing or damaged.
    """
    path = os.path.join(folder, f"{name}.json")
    manifest = read_json(path)
    if manifest.get("format") != _FORMAT:
        raise ProgramError(f"{path} has the format {manifest.get('format')!r}, not {_FORMAT}: write it again")
    streams = {}
    for group, parts in manifest["groups"].items():
        there = [os.path.exists(os.path.join(folder, part["file"])) for part in parts]
        if all(there) or group not in optional:
            streams[group] = b"".join(_read_part(folder, part) for part in parts)
    arrays = {
        array_name: _decode(entry, streams[entry["group"]])
        for array_name, entry in manifest["arrays"].items()
        if entry["group"] in streams
    }
    return arrays, manifest["info"]


def read_json(path: str) -> dict:
    """A JSON object from a file.

    Raises:
        ProgramError: it is not there or is none.
    """
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except FileNotFoundError:
        raise ProgramError(f"{path} is not there; name the folder that holds it") from None
    except (OSError, ValueError) as error:
        raise ProgramError(f"{path} cannot be read ({error}); copy it again") from None
    if not isinstance(value, dict):
        raise ProgramError(f"{path} does not hold a JSON object; copy it again")
    return value


def write_bytes(path: str, data: bytes) -> None:
    """Writes a file aside, flushes it to the disk and renames it."""
    handle, aside = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".aside-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except BaseException:
        os.remove(aside)
        raise


def _encode(array: np.ndarray) -> tuple[str, bytes]:
    if array.size and not array.any():
        return "zeros", b""  # an optimizer's slots before the first step
    data = array.tobytes()
    return ("zlib", zlib.compress(data)) if array.dtype == np.uint8 else ("raw", data)


def _decode(entry: dict, stream: bytes) -> np.ndarray:
    dtype, shape = np.dtype(entry["dtype"]), entry["shape"]
    if entry["encoding"] == "zeros":
        return np.zeros(shape, dtype)
    data = stream[entry["offset"] : entry["offset"] + entry["bytes"]]
    if entry["encoding"] == "zlib":
        data = zlib.decompress(data)
    return np.frombuffer(data, dtype).reshape(shape)


def _read_part(folder: str, part: dict) -> bytes:
    path = os.path.join(folder, part["file"])
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise ProgramError(f"{path} is not there; copy it from where it was written") from None
    except OSError as error:
        raise ProgramError(f"{path} cannot be read ({error}); copy it again") from None
    if hashlib.sha256(data).hexdigest() != part["sha256"]:
        raise ProgramError(f"{path} is damaged: its checksum is another; copy it again")
    return data
