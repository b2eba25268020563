"""The shape of a JSON file, said once and checked before it is used."""

import json
import math
from typing import Any

from svg_tf.data.errors import DataError

ANY_KEY = ...
NUMBER = (int, float)
TEXT_OR_NUMBER = (str, int, float)


def read_json(path: str, shape: Any, maker: str) -> Any:
    """Reads a JSON file of a known shape.

    Args:
        path: the file.
        shape: a type, or a tuple of types; [shape] for a list of such; {key: shape} for an object that has these
            keys, where ANY_KEY stands for all keys that are not named. What an object has beside is passed over.
        maker: the command that writes such a file, for the messages.

    Raises:
        DataError: there is no such file, or it has another shape; the message says where.
    """
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except FileNotFoundError:
        raise DataError(f"there is no {path}; {maker} writes it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}); {maker} writes it anew") from None
    try:
        _check(value, shape, "")
    except _ShapeError as error:
        raise DataError(f"{path} is not what is expected: {error}; {maker} writes it anew") from None
    return value


class _ShapeError(ValueError):
    """What does not fit, and where."""


def _check(value: Any, shape: Any, place: str) -> None:
    if isinstance(shape, list):
        _check_type(value, (list,), place)
        for number, item in enumerate(value):
            _check(item, shape[0], f"{place}[{number}]")
    elif isinstance(shape, dict):
        _check_type(value, (dict,), place)
        for key in shape:
            if key is not ANY_KEY and key not in value:
                raise _ShapeError(f"it has no {place}.{key}".replace(" .", " "))
        for key, item in value.items():
            if key in shape or ANY_KEY in shape:
                _check(item, shape.get(key, shape.get(ANY_KEY)), f"{place}.{key}".lstrip("."))
    else:
        _check_type(value, shape if isinstance(shape, tuple) else (shape,), place)


def _check_type(value: Any, types: tuple[type, ...], place: str) -> None:
    if object in types:
        return
    if type(value) not in types:  # isinstance would take true for a number
        names = " or ".join(kind.__name__ for kind in types)
        raise _ShapeError(f"{place or 'the whole'} is {str(value)[:40]!r}, but must be of type {names}")
    if isinstance(value, float) and not math.isfinite(value):
        raise _ShapeError(f"{place} is {value}, but must be finite")
