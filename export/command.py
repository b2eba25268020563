"""The frame that the commands of this folder run in: that of `bin/`, and their own errors as one sentence."""

import sys
from collections.abc import Callable
from pathlib import Path

from export_error import ExportError

sys.path.append(str(Path(__file__).resolve().parents[1] / "bin"))

import config_flags  # noqa: E402


def run(main: Callable[[], None]) -> None:
    """Parses the flags and calls main; an error of the user's making becomes one sentence and exit status 1."""

    def guarded() -> None:
        try:
            main()
        except ExportError as error:
            sys.exit(f"error: {error}")

    config_flags.run(guarded)
