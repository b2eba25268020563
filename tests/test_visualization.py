"""Tests of svg_tf/visualization."""

import numpy as np
import pytest
from drawn import COLOURS, as_shown, colours_in, content_at, framed_in, gif_frames, rows_of
from PIL import Image

from svg_tf.visualization import Row, animation, gif_bytes, sheet, strip, write_gif, write_png


@pytest.mark.parametrize(("n_past", "channels"), [(1, 1), (2, 3), (5, 1)])
def test_a_strip_has_green_context_red_predictions_and_a_grey_true_future(n_past, channels):
    image = strip(rows_of(frames=6, channels=channels), n_past)
    context, future = ["green"] * n_past, 6 - n_past
    assert colours_in(image) == [context + ["grey"] * future] + 2 * [context + ["red"] * future]
    steps = np.diff([x for x, _, _ in framed_in(image)[0]])
    assert all((step > min(steps)) == (t == n_past - 1) for t, step in enumerate(steps))  # a gap before the future


@pytest.mark.parametrize(("side", "shown", "channels"), [(16, 64, 3), (128, 128, 1)])
def test_a_strip_shows_each_frame_at_its_time_without_smoothing(side, shown, channels):
    rows = rows_of(4, side, channels, labels=("Truth", "A label that is much too long for the place it has"))
    image = strip(rows, 2)
    for row, line in zip(rows, framed_in(image), strict=True):
        for frame, place in zip(row.frames, line, strict=True):
            np.testing.assert_array_equal(content_at(image, place, shown), as_shown(frame, shown))
    as_bytes = [row._replace(frames=np.round(255 * row.frames).astype(np.uint8)) for row in rows]
    assert strip(as_bytes, 2) == image


def test_labels_of_any_length_leave_the_frames_in_place():
    labels = [("Truth", "A"), ("Truth", "B"), ("Truth", "A very long label, cut where the frames begin"), ("", "\n")]
    images = [strip(rows_of(labels=pair), 2) for pair in labels]
    left = framed_in(images[0])[0][0][0]
    gutters = [np.asarray(image)[:, :left] for image in images]
    assert not any(np.array_equal(gutters[0], gutter) for gutter in gutters[1:])
    assert all(np.array_equal(np.asarray(image)[:, left:], np.asarray(images[0])[:, left:]) for image in images)


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


@pytest.mark.parametrize(("clips", "columns"), [(1, 1), (6, 7)])
def test_the_time_is_shown_below_the_frames(clips, columns):
    still = np.zeros([4, 32, 32, 1], np.float32)
    images = animation([[Row(f"Sample {number}", still) for number in range(columns)]] * clips, 2)
    bar = framed_in(images[0])[-1][0][1] + 102 + 2 * 6
    words = [np.asarray(image)[bar + 3 :] for image in images]
    assert len({word[:, : word.shape[1] // 2].tobytes() for word in words}) == 4
    reds = [int((np.asarray(image)[bar] == COLOURS["red"]).all(axis=-1).sum()) for image in images]
    assert reds[:2] == [0, 0] and 0 < reds[2] < reds[3]


@pytest.mark.parametrize(("side", "border", "channels"), [(8, 1, 1), (64, 2, 3), (128, 4, 1)])
def test_a_sheet_has_each_frame_with_its_border(side, border, channels):
    rows = rows_of(frames=4, side=side, channels=channels)
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
        (rows_of(), 0, "n_past is 0"),
        (rows_of(frames=6), 6, "n_past is 6.*6 frames"),
        ([rows_of(6)[0], rows_of(5)[1]], 2, r"row 'Best of 5' has shape \(5, 32, 32, 1\).*\(6, 32, 32, 1\)"),
        ([Row("Truth", np.full([6, 32, 32, 1], 255.0), "truth")], 2, r"255.0; they must be in \[0, 1\]"),
        ([Row("Truth", np.full([6, 32, 32, 1], np.nan), "truth")], 2, "nan"),
    ],
)
def test_rows_that_do_not_match_are_refused(rows, n_past, message):
    for draw in (strip, sheet, lambda rows, n_past: animation([rows], n_past)):
        with pytest.raises(ValueError, match=message):
            draw(rows, n_past)


def test_a_gif_loops_holds_its_last_image_and_shows_grey_frames_exactly(tmp_path):
    path, images = tmp_path / "clip.gif", animation([rows_of()], 2)
    write_gif(str(path), images)
    with Image.open(path) as image:
        assert image.n_frames == 6 and image.info["loop"] == 0
    frames = gif_frames(path.read_bytes())
    assert [duration for duration, _ in frames] == 5 * [170] + [1000]
    for image, (_, shown) in zip(images, frames, strict=True):
        assert framed_in(shown) == framed_in(image)
        assert np.abs(np.asarray(shown, np.int32) - np.asarray(image)).max() <= 1


def test_a_gif_of_many_colours_keeps_borders_and_static_parts():
    rng = np.random.default_rng(0)
    still = np.broadcast_to(rng.random([1, 32, 32, 3], np.float32), [5, 32, 32, 3])
    moving = rng.random([5, 32, 32, 3], np.float32)
    images = animation([[Row("Truth", still, "truth"), Row("Sample 1", moving)]], 2)
    shown = [frame for _, frame in gif_frames(gif_bytes(images))]
    assert [framed_in(frame) for frame in shown] == [framed_in(image) for image in images]
    stills = [content_at(frame, framed_in(frame)[0][0], 96) for frame in shown]
    assert all(np.array_equal(stills[0], content) for content in stills)
    np.testing.assert_array_equal(stills[0], np.kron(stills[0][::3, ::3], np.ones([3, 3, 1], np.uint8)))  # no dithering


def test_a_png_holds_the_image_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "strip.png"
    image = strip(rows_of(), 2)
    write_png(str(path), image)
    with Image.open(path) as shown:
        np.testing.assert_array_equal(np.asarray(shown), np.asarray(image))
