"""The playground: a web page in which a model predicts twelve futures of a digit that the reader throws."""


class PlaygroundError(ValueError):
    """A page that cannot be made. The message names the value or file and the remedy."""
