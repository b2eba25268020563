"""The program `svg-tf`: runs the command named by its first argument."""

import importlib
import sys

from svg_tf.cli import flags

COMMANDS = [
    *("train", "generate", "evaluate", "uncertainty", "prepare-data", "import-torch", "export-torch"),
    *("export-saved-model", "export-tflite", "export-playground", "serve-client"),
]
_USAGE = f"""usage: svg-tf COMMAND [--flag=value ...]

commands: {", ".join(COMMANDS)}

`svg-tf COMMAND --help` lists the flags of a command."""


def main(name: str | None = None) -> None:
    """Run a command.

    Args:
        name: the command of a script in bin/ or export/, with all arguments; None: the first argument names it.
    """
    name, *arguments = [name, *sys.argv[1:]] if name else sys.argv[1:] or ["--help"]
    sys.argv = [f"svg-tf {name}", *arguments]  # the program's name in --help and in reports
    if name in ("--help", "-h", "help"):
        print(_USAGE)
    elif name in COMMANDS:
        flags.run(importlib.import_module(f"svg_tf.cli.{name.replace('-', '_')}").run)
    else:
        sys.exit(f"error: {name!r} is not a command; the commands are {', '.join(COMMANDS)}")
