"""Pictures of video prediction: a PNG strip of a clip in time, a GIF of several clips side by side.

The border of a frame says what the model saw: green is context, given to the model; red is its prediction; grey is
the true future, which it never saw.
"""

import functools
import io
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from svg_tf import files

_BACKGROUND = (255, 255, 255)
_INK = (45, 45, 45)
_GREEN = (0, 150, 70)
_RED = (220, 45, 45)
_GREY = (165, 165, 165)
_TRACK = (225, 225, 225)
_FUTURE = {"truth": _GREY, "prediction": _RED}  # the border from n_past on, by the row's kind
_FIXED_COLOURS = (_BACKGROUND, _INK, _GREEN, _RED, _GREY, _TRACK)
_SMALLEST_TEXT = 9
_HOLD_SECONDS = 1.0
# One of GIF's 256 colours stays free: the encoder marks by it the pixels that do not change, which halves the file.
_GIF_COLOURS = 255
_PALETTE_SAMPLE = 1 << 16


class Row(NamedTuple):
    """One video of a picture.

    Attributes:
        label: what it is, for example "Best of 100"; in ASCII, which is what the font has.
        frames: float32 [T, H, W, C] in [0, 1], or uint8; C is 1 (grey) or 3 (RGB).
        kind: "truth" or "prediction"; the first n_past frames of either are context.
    """

    label: str
    frames: np.ndarray
    kind: str = "prediction"


class _Layout(NamedTuple):
    """Sizes in pixels. They depend on the size of the frames alone, so pictures of one data set line up."""

    scale: int
    width: int
    height: int
    border: int
    gap: int
    text: int

    @classmethod
    def of(cls, frames: np.ndarray, scale: int | None, smallest: int, text: float) -> "_Layout":
        height, width = frames.shape[1:3]
        if scale is None:
            scale = -(-smallest // min(height, width))
        elif scale < 1:
            raise ValueError(f"scale is {scale}, but must be at least 1")
        side = min(height, width) * scale
        border = max(3, side // 32)
        gap, text = max(3, side // 16), int(np.clip(text * side, 12, 26))
        return cls(scale, width * scale + 2 * border, height * scale + 2 * border, border, gap, text)

    def paste(self, canvas: np.ndarray, frame: np.ndarray, colour: tuple[int, int, int], x: int, y: int) -> None:
        """Draws a frame, uint8 [H, W, C], enlarged without smoothing and with its border, at the canvas' (x, y)."""
        place = canvas[y : y + self.height, x : x + self.width]
        place[:] = colour
        inside = slice(self.border, -self.border)
        place[inside, inside] = frame.repeat(self.scale, axis=0).repeat(self.scale, axis=1)


class _Text(NamedTuple):
    text: str
    place: tuple[float, float]
    anchor: str
    width: float


def strip(rows: Sequence[Row], n_past: int, scale: int | None = None) -> Image.Image:
    """A clip as a table: a line for every row, a column for every frame, time from left to right.

    Args:
        rows: videos of one shape.
        n_past: frames of context; a gap and a line part them from the future.
        scale: screen pixels a pixel; by default the smallest that shows a frame at 64 pixels or more.

    Raises:
        ValueError: rows that do not match or are no frames, n_past out of range, scale below 1.
    """
    videos = _as_bytes(rows, n_past)
    frames, layout = len(videos[0]), _Layout.of(videos[0], scale, smallest=64, text=0.26)
    margin = divider = 2 * layout.gap
    gutter, line, pitch = 7 * layout.text, round(1.4 * layout.text), layout.width + layout.gap
    lefts = [margin + gutter + t * pitch + (divider if t >= n_past else 0) for t in range(frames)]
    top = margin + 2 * line + layout.gap
    tops = [top + r * (layout.height + layout.gap) for r in range(len(rows))]

    canvas = np.full((tops[-1] + layout.height + margin, lefts[-1] + layout.width + margin, 3), _BACKGROUND, np.uint8)
    for row, video, y in zip(rows, videos, tops, strict=True):
        for t, (frame, x) in enumerate(zip(video, lefts, strict=True)):
            layout.paste(canvas, frame, _GREEN if t < n_past else _FUTURE[row.kind], x, y)
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)

    bar = margin + line
    spans = [
        ("context", _GREEN, lefts[0], lefts[n_past - 1] + layout.width),
        ("prediction", _RED, lefts[n_past], lefts[-1] + layout.width),
    ]
    for _, colour, x0, x1 in spans:
        draw.rectangle([x0, bar, x1 - 1, bar + layout.border - 1], fill=colour)
    words = [_Text(word, ((x0 + x1) / 2, margin + line / 2), "mm", x1 - x0) for word, _, x0, x1 in spans]
    _write(draw, words, layout.text)
    x = lefts[n_past] - (divider + layout.gap + layout.border) // 2
    draw.rectangle([x, bar, x + max(1, layout.border // 2), tops[-1] + layout.height - 1], fill=_INK)

    axis = bar + layout.border + line / 2
    # Every second, third, ... time is labelled where frames are too narrow for all.
    every = -(-round(_font(layout.text).getlength(f"{frames}") + layout.gap) // pitch)
    times = [_Text(str(t), (lefts[t] + layout.width / 2, axis), "mm", every * pitch) for t in range(0, frames, every)]
    _write(draw, [_Text("t =", (lefts[0] - layout.gap, axis), "rm", gutter), *times], layout.text)
    x, middles = lefts[0] - 2 * layout.gap, [y + layout.height / 2 for y in tops]
    labels = [_Text(row.label, (x, y), "rm", gutter - layout.gap) for row, y in zip(rows, middles, strict=True)]
    _write(draw, labels, layout.text)
    return image


def animation(clips: Sequence[Sequence[Row]], n_past: int, scale: int | None = None) -> list[Image.Image]:
    """Several clips playing together: a line for every clip, a column for every row; one image a time step.

    Args:
        clips: the rows of every clip; all clips have rows of the same labels, kinds and shapes, in one order.
        n_past: frames of context.
        scale: screen pixels a pixel; by default the smallest that shows a frame at 96 pixels or more.

    Returns:
        T images of one size.

    Raises:
        ValueError: clips or rows that do not match or are no frames, n_past out of range, scale below 1.
    """
    if not clips:
        raise ValueError("there are no clips to show; give at least one")
    heads = [[(row.label, row.kind) for row in rows] for rows in clips]
    for number, head in enumerate(heads):
        if head != heads[0]:
            raise ValueError(f"clip {number} has the rows {head}, but clip 0 has {heads[0]}; they must be the same")
    columns = len(heads[0])
    videos = _as_bytes(list(itertools.chain.from_iterable(clips)), n_past)
    frames, layout = len(videos[0]), _Layout.of(videos[0], scale, smallest=96, text=0.17)
    margin, line = 2 * layout.gap, round(1.5 * layout.text)
    grid = columns * layout.width + (columns - 1) * layout.gap
    width = max(grid, 14 * layout.text)  # the footer's words need it
    lefts = [margin + (width - grid) // 2 + c * (layout.width + layout.gap) for c in range(columns)]
    tops = [margin + line + r * (layout.height + layout.gap) for r in range(len(clips))]
    bottom = tops[-1] + layout.height + 2 * layout.gap

    image = Image.new("RGB", (width + 2 * margin, bottom + layout.border + line + margin), _BACKGROUND)
    middles = [(x + layout.width / 2, margin + line / 2) for x in lefts]
    labels = [_Text(row.label, place, "mm", layout.width) for row, place in zip(clips[0], middles, strict=True)]
    _write(ImageDraw.Draw(image), labels, layout.text)
    canvas = np.array(image)

    images = []
    for t in range(frames):
        for cell, video in enumerate(videos):
            r, c = divmod(cell, columns)
            colour = _GREEN if t < n_past else _FUTURE[heads[0][c][1]]
            layout.paste(canvas, video[t], colour, lefts[c], tops[r])
        image = Image.fromarray(canvas)
        _footer(ImageDraw.Draw(image), t, frames, n_past, (margin, bottom, width), layout)
        images.append(image)
    return images


def write_png(path: str, image: Image.Image) -> None:
    """Writes an image as PNG, aside and renamed."""
    files.write_with(path, lambda aside: image.save(aside, format="PNG", optimize=True))


def write_gif(path: str, images: Sequence[Image.Image], fps: float = 6) -> None:
    """Writes an animated GIF, aside and renamed; see gif_bytes."""
    files.write_bytes(path, gif_bytes(images, fps))


def gif_bytes(images: Sequence[Image.Image], fps: float = 6) -> bytes:
    """An animated GIF that loops for ever and holds its last image for a second.

    All images share one palette and none is dithered, so that what does not move does not flicker.

    Args:
        images: RGB images of one size.
        fps: images a second, to 50; GIF counts time in hundredths of a second.

    Raises:
        ValueError: no images, images of several sizes, or fps out of range.
    """
    if not images:
        raise ValueError("there are no images to animate; give at least one")
    sizes = {image.size for image in images}
    if len(sizes) > 1:
        raise ValueError(f"the images of an animation must have one size, but they have {sorted(sizes)}")
    if not 0 < fps <= 50:
        raise ValueError(f"fps is {fps}, but must be more than 0 and at most 50")
    palette, indices = _shared_palette(np.stack([np.asarray(image.convert("RGB")) for image in images]))
    paletted = [Image.fromarray(index) for index in indices]
    for image in paletted:
        image.putpalette(palette.tobytes())
    step = 10 * round(100 / fps)
    durations = [step] * (len(images) - 1) + [max(step, round(1000 * _HOLD_SECONDS))]
    options = {"loop": 0, "duration": durations, "optimize": True, "palette": palette.tobytes()}
    buffer = io.BytesIO()
    paletted[0].save(buffer, format="GIF", save_all=True, append_images=paletted[1:], **options)
    return buffer.getvalue()


def _as_bytes(rows: Sequence[Row], n_past: int) -> list[np.ndarray]:
    """The rows' frames, checked, as uint8 [T, H, W, C]."""
    if not rows:
        raise ValueError("there are no rows to show; give at least one")
    videos = []
    for row in rows:
        frames = np.asarray(row.frames)
        if row.kind not in _FUTURE:
            raise ValueError(f"row {row.label!r} is of kind {row.kind!r}, but must be 'truth' or 'prediction'")
        if frames.ndim != 4 or frames.shape[-1] not in (1, 3) or frames.size == 0:
            raise ValueError(f"row {row.label!r} has shape {frames.shape}, but must be [T, H, W, C] with C of 1 or 3")
        if videos and frames.shape != videos[0].shape:
            raise ValueError(f"row {row.label!r} has shape {frames.shape}, but the first row has {videos[0].shape}")
        if frames.dtype != np.uint8:
            low, high = frames.min(), frames.max()
            if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN fails too
                raise ValueError(f"row {row.label!r} has values {low} to {high}, but must be in [0, 1] or uint8")
            frames = np.round(255 * np.clip(frames.astype(np.float32), 0, 1)).astype(np.uint8)
        videos.append(frames)
    if not 1 <= n_past < len(videos[0]):
        raise ValueError(f"n_past is {n_past}, but must be from 1 to one less than the clip's {len(videos[0])} frames")
    return videos


def _footer(
    draw: ImageDraw.ImageDraw, t: int, frames: int, n_past: int, place: tuple[int, int, int], layout: _Layout
) -> None:
    """A bar that fills as time goes by, green up to n_past and red from there, and the time in words."""
    x, y, width = place
    now, future = (x + round(width * steps / frames) for steps in (t + 1, n_past))
    for colour, start, stop in ((_TRACK, x, x + width), (_GREEN, x, min(now, future)), (_RED, future, now)):
        if start < stop:
            draw.rectangle([start, y, stop - 1, y + layout.border - 1], fill=colour)
    middle = y + layout.border + 0.75 * layout.text
    phase = "context" if t < n_past else "prediction"
    time = _Text(f"t = {t} / {frames}", (x, middle), "lm", width / 2)
    _write(draw, [time, _Text(phase, (x + width, middle), "rm", width / 2)], layout.text)


@functools.lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _write(draw: ImageDraw.ImageDraw, texts: Sequence[_Text], size: int) -> None:
    """Draws texts in one size, small enough for all of them if that is legible, and cuts those that never fit."""
    texts = [text._replace(text=" ".join(text.text.split())) for text in texts]
    while size > _SMALLEST_TEXT and any(_font(size).getlength(text.text) > text.width for text in texts):
        size -= 1
    for text, place, anchor, width in texts:
        if _font(size).getlength(text) > width:
            while text and _font(size).getlength(text + "...") > width:
                text = text[:-1]
            text += "..."
        draw.text(place, text, fill=_INK, font=_font(size), anchor=anchor)


def _shared_palette(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [..., 3] -> the palette, uint8 [N, 3], and every pixel's nearest colour in it, uint8 [...].

    Pillow maps to a given palette at 6 bits a channel, which bands greys and tints white, hence the exact search.
    """
    flat = pixels.reshape(-1, 3)
    sample = flat[np.linspace(0, len(flat) - 1, _PALETTE_SAMPLE).astype(np.int64)]
    # Maximum coverage keeps the few pixels of a small bright object, which median cut gives up.
    free = _GIF_COLOURS - len(_FIXED_COLOURS)
    adaptive = Image.fromarray(sample[None]).quantize(free, Image.Quantize.MAXCOVERAGE, kmeans=1)
    palette = np.concatenate([_FIXED_COLOURS, np.reshape(adaptive.getpalette(), [-1, 3])]).astype(np.uint8)
    entries = palette.astype(np.float32)
    packed = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)  # [...]
    seen = np.zeros(1 << 24, bool)
    seen[packed] = True
    nearest = np.zeros(1 << 24, np.uint8)
    used = np.flatnonzero(seen)
    for part in np.array_split(used, 1 + len(used) // 65536):
        colours = np.stack([part >> 16, (part >> 8) & 255, part & 255], axis=-1).astype(np.float32)
        nearest[part] = np.argmin((entries**2).sum(axis=1) - 2 * colours @ entries.T, axis=1)
    return palette, nearest[packed]
