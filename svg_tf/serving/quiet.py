"""TensorFlow's remarks on what it saves, kept from a user."""

import contextlib
from collections.abc import Iterator

from absl import logging


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without its remarks on names, shards, old functions and how long each part took; errors are still told."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
