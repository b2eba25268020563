"""The documentation names commands, flags, files, headings and targets that exist."""

import functools
import json
import os
import re
import subprocess
import sys

import documents
import pytest
from documents import PAGES, ROOT, name_of

from svg_tf.cli.main import COMMANDS

MODULES = [f"svg_tf.cli.{name.replace('-', '_')}" for name in COMMANDS] + ["benchmarks.__main__"]

CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which names what was removed


@functools.cache
def documented():
    """Return {module: its command lines in the pages}."""
    lines = {module: [] for module in MODULES}
    for page in PAGES:
        for command in documents.commands(page, with_spans=True):
            arguments = [word for word in command.arguments if word != "--help"]
            lines.setdefault(command.module, []).append(arguments)
    return lines


@functools.cache
def described(module):
    """Return the flags of a command and the errors of its command lines in the pages; see command_flags.py."""
    command = [sys.executable, str(ROOT / "tests" / "command_flags.py"), module]
    lines, environment = json.dumps(documented()[module]), {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, input=lines, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", MODULES)
def test_documented_flags_are_valid(module):
    assert set(documented()) == set(MODULES), "a page shows a command that does not exist"
    lines = documented()[module]
    assert lines, "no page shows this command"
    errors = zip(lines, described(module)["errors"], strict=True)
    assert {" ".join(line): error for line, error in errors if error} == {}


def test_flags_and_values_in_the_text_exist():
    choices = {"help": set(), "flagfile": set()}
    for module in MODULES:
        for name, flag in described(module)["flags"].items():
            choices.setdefault(name, set()).update(flag["choices"])
    for page in CURRENT:
        for span in documents.spans(page):
            for name, value in re.findall(r"(?<!\S)--(\w+)(?:=([a-z][\w.]*)(?!\S))?", span):
                assert name in choices, f"{name_of(page)} has --{name}, which is a flag of no command"
                assert not value or not choices[name] or value in choices[name], f"{name_of(page)}: {span}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in documents.links(page):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), f"{target} does not exist"
            assert not anchor or anchor in documents.anchors(file), f"{target} has no such heading"


def test_targets_of_make_and_extras_exist():
    make, setup = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "setup.py"))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.M):
            assert re.search(rf"^{target}:", make, re.M), f"{name_of(page)}: make {target}"
        for extra in re.findall(r"(?:\.|svg_tf)\[(\w+)\]'", text):
            assert f'"{extra}": ' in setup.split("extras_require", 1)[1], f"{name_of(page)}: extra {extra}"
