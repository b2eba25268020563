"""Export for TensorFlow Serving, and a client."""


class ExportError(ValueError):
    """An export or request that cannot work. The message names the value, file or address and the remedy."""
