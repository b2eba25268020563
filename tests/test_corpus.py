"""A corpus of broken files: each ends in one sentence, or gives what the whole file gives as far as one can tell.

`PYTHONPATH=bin python tests/test_corpus.py` prints the table that tests/README.md has.
"""

import hashlib
import shutil
import tempfile
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from corpus import KINDS

from svg_tf.cli import errors as user_errors

MEMORY = 64 * 2**20  # that a case may take at most
COUNT = 10  # random cases of a file and a kind; the slow test has more


class Outcome(NamedTuple):
    """What became of the cases of a kind: those that were told, what the accepted gave, and other errors."""

    clear: list[str]
    accepted: dict[str, np.ndarray]
    tracebacks: list[str]

    @property
    def cases(self):
        return sum(map(len, self))


def tried(kind, count, folder):
    """Judges all cases of a kind, each in a folder of its own."""
    clear, accepted, tracebacks = [], {}, []
    (folder / "made").mkdir()
    for number, case in enumerate(KINDS[kind].make(folder / "made", count)):
        where = folder / f"{number}"
        where.mkdir()
        path = where / case.name
        path.mkdir() if case.data is None else path.write_bytes(case.data)
        label = f"{case.name}, {case.fault}"
        tracemalloc.start()
        try:
            accepted[label] = KINDS[kind].judge(path, where)
        except Exception as error:
            sentence = str(error) if isinstance(error, user_errors.named()) else ""
            named = str(where) in sentence or case.name in sentence or "holds a broken" in sentence
            if named and "\n" not in sentence and len(sentence.replace(str(where), "")) < 500:
                clear.append(label)
            else:
                tracebacks.append(f"{label}: {type(error).__name__}: {error}")
        finally:
            memory = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert memory < MEMORY, label
        shutil.rmtree(where)
    return Outcome(clear, accepted, tracebacks)


def judge_whole(kind, folder):
    """Digests of what the whole files of a kind give, by their names."""
    found = {}
    (folder / "whole").mkdir()
    for name, data in KINDS[kind].whole(folder / "whole").items():
        (folder / name).mkdir()
        (folder / name / name).write_bytes(data)
        found[name] = digest(KINDS[kind].judge(folder / name / name, folder / name))
    return found


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def check(kind, count, folder):
    outcome = tried(kind, count, folder)
    assert not outcome.tracebacks
    assert outcome.clear
    assert not outcome.accepted or KINDS[kind].harmless, list(outcome.accepted)
    if KINDS[kind].whole:
        whole = judge_whole(kind, folder)
        for label, array in outcome.accepted.items():
            assert digest(array) == whole[label.split(",")[0]], label
    return outcome


def documented():
    """The rows of the table in tests/README.md, by kind: cases, clear errors, accepted, tracebacks."""
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    lines = text.split("## Broken files")[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if line.startswith("| ")]
    return {row[0]: [int(cell) for cell in row[1:5]] for row in rows if row[1].isdigit()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_file_is_one_sentence_that_names_it_or_gives_what_it_holds(kind, tmp_path):
    outcome = check(kind, COUNT, tmp_path)
    cases, _, _, tracebacks = documented()[kind]
    assert (outcome.cases, tracebacks) == (cases, 0)


def test_the_table_in_the_readme_has_every_kind_and_adds_up():
    table = documented()
    in_all = table.pop("all")
    assert list(table) == list(KINDS)
    assert all(cases == clear + accepted for cases, clear, accepted, _ in table.values())
    assert in_all == [sum(column) for column in zip(*table.values(), strict=True)]
    assert {kind for kind, row in table.items() if row[2]} <= {kind for kind in KINDS if KINDS[kind].harmless}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_broken_files(kind, tmp_path):
    check(kind, 80, tmp_path)


if __name__ == "__main__":
    rows = {}
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            found = tried(kind, COUNT, Path(folder))
        rows[kind] = [found.cases, *map(len, found)]
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    for kind, row in rows.items():
        why = KINDS[kind].harmless if kind != "all" and row[2] else ""
        print(f"| {kind} | {' | '.join(map(str, row))} | {why} |".replace("  ", " "))
