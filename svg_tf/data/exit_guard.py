"""Lets Python functions that tf.data calls end before the interpreter does.

Such a call that comes while the interpreter shuts down never gets its lock, and the iterator that waits for the call
is destroyed never: the process hangs at its very end.
"""

import atexit
import threading
import time

_QUIET_SECONDS = 0.25  # no call for so long: all buffers are full
_PATIENCE_SECONDS = 10.0


class ExitGuard:
    """A context for every such call; when the interpreter is about to exit, it waits until no more come.

    Attributes:
        closing: the interpreter is about to exit: do no work, nobody will see its result.
    """

    def __init__(self) -> None:
        self.closing = False
        self._lock = threading.Lock()
        self._inside = 0
        self._last = float("-inf")
        atexit.register(self.close)

    def __enter__(self) -> "ExitGuard":
        with self._lock:
            self._inside += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            self._last = time.monotonic()

    def close(self) -> None:
        """Returns when calls have ceased, or after ten seconds."""
        self.closing = True
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (now := time.monotonic()) < deadline and (self._inside or now - self._last < _QUIET_SECONDS):
            time.sleep(_QUIET_SECONDS / 10)
