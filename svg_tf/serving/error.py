"""The error of all that exports, serves and asks."""


class ExportError(ValueError):
    """What cannot work; the message names the value, file or address and the remedy."""
