"""The playground: a web page in which a model predicts twelve futures of a digit that the reader throws."""


class PlaygroundError(ValueError):
    """The page cannot be written. The message names the value or file and the remedy."""
