"""What the code looks like, where no tool for it checks: annotations and the length of files."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("svg_tf", "bin", "export")
LONGEST = 300
# Names of ours alone, and of what Keras defines and calls, which takes and returns what Keras says.
_PRIVATE = re.compile(r"_\w+|on_\w+_(begin|end)|build|update_step")


def _public(node, prefix=""):
    """(name, function) of the public functions and methods of a module or class."""
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from _public(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef) and not _PRIVATE.fullmatch(child.name):
            yield f"{prefix}{child.name}", child


def _without_types(function):
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    named = [argument for argument in arguments if argument.arg not in ("self", "cls")]
    missing = [argument.arg for argument in named if argument.annotation is None]
    return missing + (["the result"] if function.returns is None else [])


@pytest.mark.parametrize("folder", FOLDERS)
def test_public_functions_say_the_types_of_what_they_take_and_return(folder):
    wrong, count = [], 0
    for file in sorted((ROOT / folder).rglob("*.py")):
        for name, function in _public(ast.parse(file.read_text(encoding="utf-8"))):
            count += 1
            wrong += [f"{file.relative_to(ROOT)}: {name}, {missing}" for missing in _without_types(function)]
    assert count > 10 and not wrong, "\n".join(wrong)


def test_no_file_is_long():
    files = [file for folder in (*FOLDERS, "tests") for file in (ROOT / folder).rglob("*.py")]
    lengths = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert len(lengths) > 200 and {file: length for file, length in lengths.items() if length > LONGEST} == {}
