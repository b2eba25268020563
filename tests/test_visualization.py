"""Tests of svg_tf/visualization: pictures are found by their coloured borders and compared with the frames."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from svg_tf.visualization import Row, animation, sheet, strip, write_gif, write_png

COLOURS = {"green": (0, 150, 70), "red": (220, 45, 45), "grey": (165, 165, 165)}


def rows_of(frames=6, side=32, channels=1, labels=("Truth", "Best of 5", "Sample 1")):
    """Return rows of dark random frames."""
    videos = 0.4 * np.random.default_rng(0).random([len(labels), frames, side, side, channels], np.float32)
    kinds = ["truth"] + (len(labels) - 1) * ["prediction"]
    return [Row(*row) for row in zip(labels, videos, kinds, strict=True)]


def framed_in(image):
    """Return the framed pictures in an image, line by line: lists of (x, y, name of the border's colour)."""
    pixels = np.pad(np.asarray(image.convert("RGB")), [(1, 32), (1, 32), (0, 0)])
    found = []
    for name, colour in COLOURS.items():
        here = (pixels == colour).all(axis=-1)
        corner = here[1:-32, 1:-32] & ~here[:-33, 1:-32] & ~here[1:-32, :-33]
        for step in range(4, 33, 4):  # long edges both down and across, unlike those of a bar or a letter
            corner &= here[1 + step : len(here) - 32 + step, 1:-32]
            corner &= here[1:-32, 1 + step : here.shape[1] - 32 + step]
        found += [(y, x, name) for y, x in np.argwhere(corner).tolist()]
    lines = {}
    for y, x, name in sorted(found):
        lines.setdefault(y, []).append((x, y, name))
    return list(lines.values())


def colours_in(image):
    return [[name for _, _, name in line] for line in framed_in(image)]


def content_at(image, place, side):
    """Return the picture inside the border at a place: uint8 [side, side, 3]."""
    pixels = np.asarray(image.convert("RGB"))
    x, y, name = place
    border = int(np.argmax((pixels[y + side // 2, x:] != COLOURS[name]).any(axis=-1)))
    return pixels[y + border : y + border + side, x + border : x + border + side]


def as_shown(frame, side):
    frame = np.round(255 * frame).astype(np.uint8)
    scale = side // frame.shape[0]
    return np.broadcast_to(np.kron(frame, np.ones([scale, scale, 1], np.uint8)), [side, side, 3])


@pytest.mark.parametrize(("n_past", "channels"), [(1, 1), (5, 3)])
def test_a_strip_has_green_context_red_predictions_and_a_grey_true_future(n_past, channels):
    image = strip(rows_of(channels=channels), n_past)
    context, future = ["green"] * n_past, 6 - n_past
    assert colours_in(image) == [context + ["grey"] * future] + 2 * [context + ["red"] * future]
    steps = np.diff([x for x, _, _ in framed_in(image)[0]])
    assert all((step > min(steps)) == (t == n_past - 1) for t, step in enumerate(steps))  # a gap before the future


@pytest.mark.parametrize(("side", "shown", "channels"), [(16, 64, 3), (128, 128, 1)])
def test_a_strip_shows_each_frame_at_its_time_without_smoothing(side, shown, channels, tmp_path):
    rows = rows_of(4, side, channels, labels=("Truth", "A label that is much too long for the place it has"))
    path = tmp_path / "new" / "strip.png"
    write_png(str(path), strip(rows, 2))
    image = Image.open(path)
    for row, line in zip(rows, framed_in(image), strict=True):
        for frame, place in zip(row.frames, line, strict=True):
            np.testing.assert_array_equal(content_at(image, place, shown), as_shown(frame, shown))
    as_bytes = [row._replace(frames=np.round(255 * row.frames).astype(np.uint8)) for row in rows]
    np.testing.assert_array_equal(strip(as_bytes, 2), image)


@pytest.mark.parametrize(("side", "shown"), [(32, 96), (128, 128)])
def test_an_animation_has_a_line_per_clip_and_a_column_per_row(side, shown):
    clips = [rows_of(4, side), [row._replace(frames=1 - row.frames) for row in rows_of(4, side)]]
    images = animation(clips, 2)
    assert len(images) == 4 and len({image.size for image in images}) == 1
    assert [colours_in(image) for image in images] == 2 * [2 * [["green"] * 3]] + 2 * [2 * [["grey", "red", "red"]]]
    for t, image in enumerate(images):
        for rows, line in zip(clips, framed_in(image), strict=True):
            for row, place in zip(rows, line, strict=True):
                np.testing.assert_array_equal(content_at(image, place, shown), as_shown(row.frames[t], shown))


@pytest.mark.parametrize(("side", "border", "channels"), [(64, 2, 3), (8, 1, 1)])
def test_a_sheet_has_each_frame_with_its_border(side, border, channels):
    rows = rows_of(4, side, channels)
    image, width, height = sheet(rows, n_past=1)
    assert (width, height) == (side + 2 * border, side + 2 * border) and image.size == (4 * width, 3 * height)
    pixels = np.asarray(image)
    for r, row in enumerate(rows):
        for t, frame in enumerate(row.frames):
            tile = pixels[r * height : (r + 1) * height, t * width : (t + 1) * width]
            np.testing.assert_array_equal(tile[border:-border, border:-border], as_shown(frame, side))
            colour = "green" if t < 1 else "grey" if row.kind == "truth" else "red"
            edges = [tile[:border], tile[-border:], tile[:, :border], tile[:, -border:]]
            assert all((edge == COLOURS[colour]).all() for edge in edges)


@pytest.mark.parametrize(
    ("rows", "n_past", "message"),
    [
        (rows_of(), 6, "n_past is 6.*6 frames"),
        ([rows_of(6)[0], rows_of(5)[1]], 2, r"row 'Best of 5' has shape \(5, 32, 32, 1\).*\(6, 32, 32, 1\)"),
        ([Row("Truth", np.full([6, 32, 32, 1], np.nan), "truth")], 2, r"nan; they must be in \[0, 1\]"),
    ],
)
def test_rows_that_do_not_match_are_refused(rows, n_past, message):
    for draw in (strip, sheet, lambda rows, n_past: animation([rows], n_past)):
        with pytest.raises(ValueError, match=message):
            draw(rows, n_past)


def test_a_gif_loops_holds_its_last_image_and_shows_grey_frames_to_one_level(tmp_path):
    path, images = str(tmp_path / "clip.gif"), animation([rows_of()], 2)
    write_gif(path, images)
    with Image.open(path) as gif:
        assert gif.n_frames == 6 and gif.info["loop"] == 0
        for t, (image, frame) in enumerate(zip(images, ImageSequence.Iterator(gif), strict=True)):
            assert frame.info["duration"] == (1000 if t == 5 else 170)
            shown = frame.convert("RGB")
            assert framed_in(shown) == framed_in(image)
            for place in framed_in(image)[0]:
                contents = [content_at(picture, place, 96).astype(np.int32) for picture in (shown, image)]
                np.testing.assert_allclose(*contents, rtol=0, atol=1)


def test_a_gif_of_many_colours_keeps_borders_and_static_parts(tmp_path):
    rng, path = np.random.default_rng(0), str(tmp_path / "clip.gif")
    still = np.broadcast_to(rng.random([1, 32, 32, 3], np.float32), [5, 32, 32, 3])
    images = animation([[Row("Truth", still, "truth"), Row("Sample 1", rng.random([5, 32, 32, 3], np.float32))]], 2)
    write_gif(path, images)
    with Image.open(path) as gif:
        shown = [frame.convert("RGB") for frame in ImageSequence.Iterator(gif)]
    assert [framed_in(frame) for frame in shown] == [framed_in(image) for image in images]
    stills = [content_at(frame, framed_in(frame)[0][0], 96) for frame in shown]
    assert all(np.array_equal(stills[0], content) for content in stills)
    np.testing.assert_array_equal(stills[0], np.kron(stills[0][::3, ::3], np.ones([3, 3, 1], np.uint8)))  # no dithering
