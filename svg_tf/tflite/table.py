"""The table of a device's files: what there is, how near and how fast it is, and why the rest is not there."""

import json
import os
from collections.abc import Sequence
from typing import NamedTuple

from svg_tf import files
from svg_tf.tflite.quality import Quality

_HEAD = (
    "file",
    "MB",
    "dB to TF",
    "max error",
    "PSNR, dB",
    "less than float32",
    "observe, ms",
    "ms a frame, 1 thread",
    "2 threads",
)


class Row(NamedTuple):
    """One file, or TensorFlow itself."""

    name: str
    size_mb: float | None = None  # 1 MB is 1,000,000 bytes
    quality: Quality | None = None
    observe_ms: float | None = None  # 1 thread; a rollout's frames include it
    frame_ms: Sequence[float] | None = None  # by the number of threads, 1 and 2
    refused: str | None = None  # why there is no such file


def markdown(rows: Sequence[Row], notes: Sequence[str]) -> str:
    """The table as Markdown, columns aligned; refusals and notes below it."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    text = ["| " + " | ".join(_aligned(line, widths)) + " |" for line in lines]
    rule = ["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]
    text.insert(1, "|" + "|".join(rule) + "|")
    refusals = [f"- {row.name} is not there: {row.refused}." for row in rows if row.refused]
    return "\n".join([*text, "", *refusals, *([""] if refusals else []), *notes]) + "\n"


def write(folder: str, rows: Sequence[Row], notes: Sequence[str]) -> None:
    """Writes table.md and table.json, whole or not at all."""
    files.write_text(os.path.join(folder, "table.md"), markdown(rows, notes))
    entries = [row._asdict() | {"quality": row.quality and row.quality._asdict()} for row in rows]
    content = json.dumps({"rows": entries, "notes": notes}, indent=2, allow_nan=False)
    files.write_text(os.path.join(folder, "table.json"), content + "\n")


def _cells(row: Row) -> tuple[str, ...]:
    quality, frame_ms = row.quality, row.frame_ms or (None, None)
    scores = ("", "", "", "")
    if quality is not None:
        scores = (
            f"{quality.psnr_to_tensorflow:.1f}",
            f"{quality.max_error:.1e}",
            f"{quality.psnr:.2f}",
            quality.loss,
        )
    size = "" if row.size_mb is None else f"{row.size_mb:.2f}"
    times = ("" if ms is None else f"{ms:.2f}" for ms in (row.observe_ms, *frame_ms))
    return (f"{row.name} (refused)" if row.refused else row.name, size, *scores, *times)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
