"""The commands."""

import sys

if sys.platform == "win32":  # files are locked with fcntl
    sys.exit("error: svg_tf runs on Linux and macOS; on Windows use WSL2")
