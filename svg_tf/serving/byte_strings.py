"""Arrays of byte strings, as TensorFlow has them, of JSON's nested lists."""

from collections.abc import Callable
from typing import Any

import numpy as np


def to_array(nested: Any, decode: Callable[[Any], bytes]) -> np.ndarray:
    """The items of nested lists, all of a depth equally long, or one item: an array of objects, each decoded.

    NumPy's own strings would lose the zeros at their ends.

    Raises:
        IndexError: a list is shorter than the first of its depth.
    """
    shape, inner = [], nested
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    array = np.empty(shape, object)
    for index in np.ndindex(*shape):
        item = nested
        for place in index:
            item = item[place]
        array[index] = decode(item)
    return array
