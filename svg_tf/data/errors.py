"""The error of all that reads or makes data."""


class DataError(ValueError):
    """Data that is missing or cannot be used; the message names the file or value and the remedy."""
