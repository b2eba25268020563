"""Rules of style that ruff does not check: annotations of public functions and the length of files."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("svg_tf", "bin", "export", "benchmarks")
LONGEST = 480
# Private names and the methods that Keras or Python define and call.
_EXEMPT = re.compile(r"_\w+|on_\w+_(begin|end)|apply|build|call|find_spec|(update|train|test|predict)_step")


def _public(node, prefix=""):
    """Yield (name, function) of the public functions and methods of a module or class."""
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from _public(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef) and not _EXEMPT.fullmatch(child.name):
            yield f"{prefix}{child.name}", child


def _unannotated(function):
    arguments = [argument for argument in [*function.args.args, *function.args.kwonlyargs] if argument.arg != "self"]
    missing = [argument.arg for argument in arguments if argument.annotation is None and argument.arg != "cls"]
    return missing + (["the result"] if function.returns is None else [])


def test_public_functions_are_annotated():
    wrong, count = [], 0
    for file in sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")):
        for name, function in _public(ast.parse(file.read_text(encoding="utf-8"))):
            count += 1
            if missing := _unannotated(function):
                wrong.append(f"{file.relative_to(ROOT)}: {name}: {missing}")
    assert count > 100 and not wrong, "\n".join(wrong)


def test_no_file_is_long():
    files = [file for folder in (*FOLDERS, "tests") for file in (ROOT / folder).rglob("*.py")]
    lengths = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert {file: length for file, length in lengths.items() if length > LONGEST} == {}
