"""DataError, raised wherever data is read or prepared."""

import re


class DataError(ValueError):
    """Data is missing or unusable. The message names the file or value and the remedy."""


def data_error_message(error: Exception) -> str:
    """Return the message of the DataError behind a TensorFlow error, or "" if there is none.

    A DataError raised inside `tf.data` arrives as a TensorFlow error, whose text includes the Python traceback.
    """
    found = re.search(r"\bDataError: (.*?)\nTraceback \(most recent call last\)", str(error), re.DOTALL)
    return found[1] if found else ""
