"""The clips of the report: what the page plays, and a strip of each as PNG."""

import io
import os
from typing import NamedTuple

from svg_tf import visualization
from svg_tf.report.inputs import Examples
from svg_tf.visualization import Row

_SIDES = {"small": 64, "medium": 96, "large": 128}  # screen pixels of a frame's side, at least


class Clip(NamedTuple):
    """One test clip as the page shows it.

    Attributes:
        number: of the clip in the test set.
        labels: of its videos, from top to bottom of the sheet.
        sheet: a PNG, see visualization.sheet.
        frames: T.
        width: of a frame of the sheet with its border, in pixels.
        height: the same.
        small: screen pixels a pixel, a whole number, where all frames are shown.
        medium: the same where it plays on a phone.
        large: the same where it plays on a wide screen.
    """

    number: int
    labels: list[str]
    sheet: bytes
    frames: int
    width: int
    height: int
    small: int
    medium: int
    large: int


def rows_of(examples: Examples, index: int) -> list[Row]:
    """The videos of one clip: the truth, the best, some samples and the posterior."""
    rows = [
        Row("Truth", examples.truth[index], "truth"),
        Row(f"Best, no. {examples.best_of[index]}", examples.best[index]),
    ]
    numbered = zip(examples.samples_of[index], examples.samples[index], strict=True)
    rows += [Row(f"Sample no. {number}", frames) for number, frames in numbered]
    return [*rows, Row("Posterior", examples.posterior[index])]


def clip(examples: Examples, index: int, n_past: int) -> Clip:
    """One clip for the page, its frames unchanged."""
    rows = rows_of(examples, index)
    sheet = visualization.sheet(rows, n_past)
    side = min(examples.truth.shape[2:4])
    buffer = io.BytesIO()
    sheet.image.save(buffer, format="PNG", optimize=True)
    return Clip(
        number=int(examples.clips[index]),
        labels=[row.label for row in rows],
        sheet=buffer.getvalue(),
        frames=examples.truth.shape[1],
        width=sheet.width,
        height=sheet.height,
        **{size: -(-pixels // side) for size, pixels in _SIDES.items()},
    )


def write_strips(folder: str, examples: Examples, n_past: int) -> list[str]:
    """Writes folder/clip_<number>.png for every clip, all frames side by side; their names."""
    names = [f"clip_{number}.png" for number in examples.clips]
    for index, name in enumerate(names):
        strip = visualization.strip(rows_of(examples, index), n_past)
        visualization.write_png(os.path.join(folder, name), strip)
    return names
