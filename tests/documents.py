"""What the pages of documentation show: blocks of code, commands, links and names in the text."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    page
    for pattern in ("*.md", "bin/*.md", "docs/*.md", "export/**/*.md", "svg_tf/**/*.md", "tests/*.md")
    for page in ROOT.glob(pattern)
)
_FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.M | re.S)
_VARIABLE = re.compile(r"[A-Z_]+=")
_NESTED = re.compile(r"python (?:bin|export)/.*")


class Command(NamedTuple):
    """A command line: environment variables, and words of which the first names the program."""

    variables: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def script(self) -> str:
        """The file that Python is to run, or nothing."""
        return self.words[1] if self.words[0] == "python" and self.words[1].endswith(".py") else ""


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page):
    """(language, text) of each fenced block."""
    return _FENCE.findall(page.read_text(encoding="utf-8"))


def prose(page):
    """The text without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page):
    """What stands between backticks in the text, in one line each."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]


def commands(page):
    """The commands of the blocks, in order, those inside other programs' files and arguments included."""
    found = []
    for language, text in blocks(page):
        if language == "bash":
            for line in _shell_lines(text):
                found += _commands_of(line)
        elif language == "yaml":
            found += _nested(text)
    return found


def span_commands(page):
    """The commands that stand in the text with their flags: `python bin/x.py --a=b` or `bin/x.py --a=b`."""
    found = []
    for span in spans(page):
        if re.match(r"(python )?(bin|export)/\w+\.py ", span) and not re.search(r"[<\[]|\.\.\.", span):
            found += _commands_of(span if span.startswith("python ") else f"python {span}")
    return found


def _shell_lines(text):
    """Lines of a shell script, joined where a quotation or a line goes on."""
    line = ""
    for part in text.splitlines():
        line += part
        if line.endswith("\\"):
            line = line[:-1]
            continue
        try:
            shlex.split(line, comments=True)
        except ValueError:  # inside a quotation
            line += "\n"
            continue
        yield line
        line = ""
    assert not line, f"a quotation does not end: {line}"


def _commands_of(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    found, words = [], []
    for word in [*lexer, "|"]:
        if word.strip("|&;"):
            words.append(word)
        elif words:
            count = next((i for i, word in enumerate(words) if not _VARIABLE.match(word)), len(words))
            if words[count:]:
                found.append(Command(tuple(words[:count]), tuple(words[count:])))
            found += [command for word in words for command in (_nested(word) if "\n" in word else [])]
            words = []
    return found


def _nested(text):
    return [Command((), tuple(shlex.split(line))) for line in _NESTED.findall(re.sub(r"\\\n\s*", "", text))]


def links(page):
    """Targets of the links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchors(page):
    """The names of the headings in links."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
