"""The program `svg-tf`: runs the command named by its first argument."""

import importlib
import sys

COMMANDS = (
    "train",
    "generate",
    "evaluate",
    "uncertainty",
    "prepare-data",
    "import-torch",
    "export-torch",
    "export-saved-model",
    "export-tflite",
    "serve-client",
    "recipe",
)
_USAGE = f"""usage: svg-tf COMMAND [--flag=value ...]

commands: {", ".join(COMMANDS)}

`svg-tf COMMAND --help` lists the flags of a command."""


def main() -> None:
    """Run the command named by the first argument with the arguments after it."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h", "help"):
        print(_USAGE)
        return
    if name not in COMMANDS:
        sys.exit(f"error: {name!r} is not a command; the commands are {', '.join(COMMANDS)}")
    command = importlib.import_module(f"svg_tf.cli.{name.replace('-', '_')}")
    command.main([f"svg-tf {name}", *rest])
