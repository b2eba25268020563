"""The frame that the commands of this folder run in: that of `bin/`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "bin"))

from config_flags import run  # noqa: E402

__all__ = ["run"]
