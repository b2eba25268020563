"""Prints the path of a flag file that ships with the package: svg-tf recipe bair"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "recipes"


def names() -> list[str]:
    """Return the names of the recipes."""
    return sorted(file.stem for file in FOLDER.glob("*.flags"))


def run(arguments: list[str]) -> None:
    """Print the path of the named recipe, or all names."""
    if arguments in ([], ["--help"], ["-h"]):
        print(f"usage: svg-tf recipe NAME\nrecipes: {', '.join(names())}\nuse: svg-tf train --flagfile=NAME.flags")
    elif len(arguments) == 1 and arguments[0] in names():
        print(FOLDER / f"{arguments[0]}.flags")
    else:
        sys.exit(f"error: {' '.join(arguments)!r} is not a recipe; the recipes are {', '.join(names())}")
