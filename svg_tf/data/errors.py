"""The error of all that reads or makes data."""

import re


class DataError(ValueError):
    """Data that is missing or cannot be used; the message names the file or value and the remedy."""


def told_by_tensorflow(error: Exception) -> str:
    """The message of a DataError raised in a function that tf.data called, out of TensorFlow's own error.

    TensorFlow hands on the text of such an error, with the stack under it, and not the error. Empty: it was another.
    """
    found = re.search(r"\bDataError: (.*?)\nTraceback \(most recent call last\)", str(error), re.DOTALL)
    return found[1] if found else ""
