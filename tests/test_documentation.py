"""The documentation names what is there: commands, flags, files, headings, targets."""

import functools
import json
import re
import subprocess
import sys

import documents
import pytest
from documents import PAGES, ROOT, name_of

# A program's folder has its own copy of the runner.
COPIES = {"program/run_program.py": "bin/run_program.py"}


def script_of(command):
    return COPIES.get(command.script, command.script)


def every_command():
    return [(page, found) for page in PAGES for found in documents.commands(page) + documents.span_commands(page)]


def _asked(script, lines):
    """The flags of a command, and what it says to each line of them."""
    command = [sys.executable, str(ROOT / "tests" / "command_flags.py"), script]
    told = subprocess.run(command, input=json.dumps(lines), capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


@functools.cache
def scripts():
    """The commands of bin/ and export/, by their paths."""
    files = sorted([*ROOT.glob("bin/*.py"), *ROOT.glob("export/*.py")])
    own_flags = re.compile(r"flags\.DEFINE_|command\.main")
    return [
        file.relative_to(ROOT).as_posix()
        for file in files
        if "__main__" in (text := file.read_text(encoding="utf-8")) and own_flags.search(text)
    ]


@functools.cache
def asked():
    """{script: what it says to each of the lines that the documentation has for it}, and its flags."""
    lines = {script: [] for script in scripts()}
    for page, command in every_command():
        if command.script:
            assert script_of(command) in lines, f"{name_of(page)} runs {command.script}, which is no command"
            lines[script_of(command)].append([word for word in command.words[2:] if word != "--help"])
    return {script: (found, _asked(script, found)) for script, found in lines.items()}


def test_there_are_commands_to_check():
    counted = {script: len(lines) for script, (lines, _) in asked().items()}
    assert counted["bin/train.py"] > 5 and counted["bin/generate.py"] > 2 and counted["export/client.py"] > 2
    assert min(counted.values()) > 0, f"no page shows how to call {min(counted, key=counted.get)}"


@pytest.mark.parametrize("script", scripts())
def test_every_command_takes_the_flags_that_the_documentation_gives_it(script):
    lines, told = asked()[script]
    wrong = {" ".join(line): error for line, error in zip(lines, told["errors"], strict=True) if error}
    assert not wrong


def test_every_flag_in_the_text_is_a_flag_of_some_command():
    known = {f"--{flag}" for _, told in asked().values() for flag in told["flags"]} | {"--help", "--flagfile"}
    for page in PAGES:
        for span in documents.spans(page):
            for flag in re.findall(r"(?<!\S)--\w+", span):
                assert flag in known, f"{name_of(page)} has {flag}, which no command has"


def test_a_value_in_the_text_is_one_that_its_flag_takes():
    choices = {}
    for _, told in asked().values():
        for name, flag in told["flags"].items():
            choices.setdefault(name, set()).update(flag["choices"])
    for page in PAGES:
        for span in documents.spans(page):
            for name, value in re.findall(r"(?<!\S)(?:--)?(\w+)=([a-z][\w.]*)(?!\S)", span):
                assert not choices.get(name) or value in choices[name], f"{name_of(page)}: {span}"


@functools.cache
def _tree():
    """Paths of the project's files."""
    folders = ("", ".ci", "bin", "docs", "export", "svg_tf", "tests")
    listed = (path for folder in folders for path in (ROOT / folder).glob("**/*" if folder else "*"))
    return {path.relative_to(ROOT).as_posix() for path in listed if path.is_file()}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in documents.links(page):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_relative_to(ROOT) and file.exists(), f"{target} is not there"
        assert not anchor or anchor in documents.anchors(file), f"{target} has no such heading"


@functools.cache
def _code():
    """All source text, which has the names of the files that are written."""
    files = [path for path in _tree() if path.startswith(("svg_tf/", "bin/", "export/")) and path.endswith(".py")]
    return "".join((ROOT / file).read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_in_the_text_are_there_or_written(page):
    names = {path.rsplit("/", 1)[-1] for path in _tree()}
    for span in documents.spans(page):
        for path in re.findall(r"(?<![\w./<*-])[\w.][\w./-]*\.(?:py|md|flags|yml|json|csv|gif|html|config)\b", span):
            there = (ROOT / path).exists() or (page.parent / path).exists() or path in COPIES
            name = path.rsplit("/", 1)[-1]
            written = name in _code() or f'"{name.split(".")[0]}"' in _code()
            assert there or ("/" not in path and name in names) or written, f"{path} is not there"
        if re.fullmatch(r"(bin|docs|export|svg_tf|tests|\.ci)/[\w./]*", span):
            assert (ROOT / span).exists(), f"{span} is not there"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_of_the_library_in_the_text_are_defined(page):
    for span in documents.spans(page):
        for name in re.findall(r"^(svg_tf(?:\.\w+)+)", span):
            parts = name.split(".")
            while not any((ROOT / "/".join(parts)).with_suffix(ending).exists() for ending in (".py", "")):
                parts.pop()
            rest = name.split(".")[len(parts) :]
            file = ROOT / "/".join(parts)
            text = (file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text(encoding="utf-8")
            for defined in rest:
                assert re.search(rf"\b(?:def|class|import) {defined}\b|^\s*{defined}\b.* =", text, re.M), name


def _make():
    return (ROOT / "Makefile").read_text(encoding="utf-8")


def test_targets_and_variables_of_make_are_there():
    targets = set(re.findall(r"^([\w-]+):", _make(), re.M))
    called = [command.words[1:] for _, command in every_command() if command.words[0] == "make"]
    called += [span.split()[1:] for page in PAGES for span in documents.spans(page) if span.startswith("make ")]
    assert len(called) > 3
    for target, *variables in called:
        assert target in targets, f"make has no target {target}"
        for variable in variables:
            assert re.search(rf"^{variable.split('=')[0]} \?=", _make(), re.M), variable


def test_make_demo_is_the_commands_that_the_readme_gives_for_it():
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", _make(), re.M).group(1)
    made = [line.strip().replace("$(BIN)/", "").replace("$(DEMO_RUN)", "runs/demo") for line in recipe.splitlines()]
    assert "\n".join(made) in "\n".join(text for _, text in documents.blocks(ROOT / "README.md"))


def test_the_extras_that_are_to_be_installed_are_there():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    named = [name for page in PAGES for name in re.findall(r"(?:\.|svg_tf)\[(\w+)\]'", page.read_text("utf-8"))]
    assert len(named) > 3
    for name in named:
        assert f'"{name}": ' in setup.split("extras_require", 1)[1], f"there is no extra {name}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_is_fenced_with_its_language(page):
    for language, text in documents.blocks(page):
        assert language in ("", "bash", "python", "yaml", "bibtex")
        if language == "python":
            compile(text, name_of(page), "exec")
        if not language:
            assert not re.search(r"^(\$ )?(python|pip|make|curl|import|from) ", text, re.M), "commands without bash"
    for line in documents.prose(page).splitlines():
        assert not re.match(r" {4,}(python|pip|make|curl|import|from) ", line), f"not fenced: {line}"
