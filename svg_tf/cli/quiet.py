"""Keeps TensorFlow's start-up messages off the terminal.

oneDNN, CUDA and absl write to file descriptor 2 before they read TF_CPP_MIN_LOG_LEVEL, so no setting silences them.
"""

import importlib.abc
import importlib.util
import os
import sys


def silence_tensorflow() -> None:
    """Hide what TensorFlow prints when it is imported later, unless the user has set TF_CPP_MIN_LOG_LEVEL."""
    if "TF_CPP_MIN_LOG_LEVEL" not in os.environ and "tensorflow" not in sys.modules:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Imports the package `tensorflow` and discards what it writes to file descriptor 2."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_quietly(module):
            sys.stderr.flush()
            terminal = os.dup(2)
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            try:
                execute(module)
                module.config.list_physical_devices()  # CUDA reports a missing driver here
            finally:
                os.dup2(terminal, 2)
                os.close(terminal)

        spec.loader.exec_module = execute_quietly  # type: ignore[method-assign]
        return spec
