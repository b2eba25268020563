"""Read the Markdown pages: fenced blocks, command lines, links and code spans."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(page for pattern in ("*.md", "docs/*.md", "export/**/*.md") for page in ROOT.glob(pattern))
_FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.M | re.S)
_PROGRAM = re.compile(r"(?:\bsvg-tf|\bpython -m (?:svg_tf|benchmarks)|\bpython (?:bin|export)/\w+\.py)(?= )[^\n`]*")
_EXPORTS = {"client": "serve_client", "saved_model": "export_saved_model", "tflite": "export_tflite"}


class Command(NamedTuple):
    """A command: the module that runs it and its arguments."""

    module: str
    arguments: tuple[str, ...]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page):
    """Return (language, text) of each fenced block."""
    return _FENCE.findall(page.read_text(encoding="utf-8"))


def prose(page):
    """Return the text without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page):
    """Return the code spans of the text, each on one line."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]


def commands(page, with_spans=False):
    """Return the commands in the page's blocks of shell or YAML, in order, and optionally those in code spans."""
    texts = [text for language, text in blocks(page) if language in ("bash", "yaml")]
    texts += [span for span in spans(page) if with_spans and not re.search(r"[A-Z]{3}|\.\.\.", span)]
    found = []
    for text in texts:
        for line in _PROGRAM.findall(re.sub(r"\\\n\s*", "", text)):
            found += _command(shlex.split(line.rstrip("'"), comments=True))
    return found


def _command(words):
    if words[0] == "python":
        words = words[1:] if words[1] != "-m" else words[2:]
    program, *rest = words
    if program == "benchmarks":
        return [Command("benchmarks.__main__", tuple(rest))]
    if program in ("svg-tf", "svg_tf"):
        name, *rest = rest
    else:
        name = _EXPORTS.get(Path(program).stem, Path(program).stem)
    name = name.replace("-", "_")
    return [Command(f"svg_tf.cli.{name}", tuple(rest))] if re.fullmatch(r"[a-z_]+", name) else []


def links(page):
    """Return the targets of links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchors(page):
    """Return the anchors of the page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
