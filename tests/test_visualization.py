"""Tests of svg_tf/visualization."""

import errno
from pathlib import Path

import numpy as np
import pytest
from drawn import COLOURS, as_shown, colours_in, content_at, framed_in, gif_frames, rows_of
from PIL import Image

from svg_tf.visualization import Row, animation, gif_bytes, sheet, strip, write_gif, write_png

BAIR = Path(__file__).resolve().parents[2] / "shared" / "data" / "bair"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_strip_frames_context_green_predictions_red_and_the_true_future_grey(channels):
    image = strip(rows_of(frames=6, channels=channels), n_past=2)
    assert colours_in(image) == [["green"] * 2 + ["grey"] * 4] + 2 * [["green"] * 2 + ["red"] * 4]


@pytest.mark.parametrize("n_past", [1, 5])
def test_a_strip_begins_to_predict_at_n_past(n_past):
    line = colours_in(strip(rows_of(frames=6), n_past))[1]
    assert line == ["green"] * n_past + ["red"] * (6 - n_past)


@pytest.mark.parametrize(("side", "scale", "shown"), [(16, None, 64), (64, None, 64), (128, None, 128), (32, 3, 96)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_strip_shows_every_frame_at_its_time_enlarged_without_smoothing(side, scale, shown, channels):
    rows = rows_of(4, side, channels, labels=("Truth", "A label that is much too long for the place it has"))
    image = strip(rows, 2, scale)
    for row, line in zip(rows, framed_in(image), strict=True):
        for frame, place in zip(row.frames, line, strict=True):
            np.testing.assert_array_equal(content_at(image, place, shown), as_shown(frame, shown))


def test_a_gap_parts_context_and_prediction():
    xs = [x for x, _, _ in framed_in(strip(rows_of(frames=6), 2))[0]]
    steps = np.diff(xs)
    assert steps[1] > steps[0] and set(steps[[0, 2, 3, 4]]) == {steps[0]}


def test_labels_are_drawn_beside_the_frames_and_do_not_move_them():
    labels = [("Truth", "A"), ("Truth", "B"), ("Truth", "A very long label, cut where the frames begin"), ("", "\n")]
    images = [strip(rows_of(labels=pair), 2) for pair in labels]
    assert all(framed_in(image) == framed_in(images[0]) for image in images)
    left = framed_in(images[0])[0][0][0]
    gutters = [np.asarray(image)[:, :left] for image in images]
    assert not any(np.array_equal(gutters[0], gutter) for gutter in gutters[1:])
    truths = [gutter[: framed_in(images[0])[1][0][1]] for gutter in gutters]
    assert np.array_equal(truths[0], truths[1]) and not np.array_equal(truths[0], truths[2])  # all in one size
    assert all(np.array_equal(np.asarray(image)[:, left:], np.asarray(images[0])[:, left:]) for image in images)


def test_bytes_and_floats_make_one_picture():
    rows = rows_of()
    as_bytes = [row._replace(frames=np.round(255 * row.frames).astype(np.uint8)) for row in rows]
    assert strip(rows, 2) == strip(as_bytes, 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_animation_turns_predictions_red_and_the_truth_grey_at_n_past(channels):
    images = animation([rows_of(channels=channels)] * 2, n_past=2)
    lines = [colours_in(image) for image in images]
    assert lines == 2 * [2 * [["green"] * 3]] + 4 * [2 * [["grey", "red", "red"]]]


@pytest.mark.parametrize(("side", "scale", "shown"), [(32, None, 96), (64, None, 128), (128, None, 128), (32, 2, 64)])
def test_an_animation_shows_every_clip_in_a_line_and_every_row_in_a_column(side, scale, shown):
    clips = [rows_of(4, side), [row._replace(frames=1 - row.frames) for row in rows_of(4, side)]]
    images = animation(clips, 2, scale)
    assert len(images) == 4 and len({image.size for image in images}) == 1
    for t, image in enumerate(images):
        for rows, line in zip(clips, framed_in(image), strict=True):
            for row, place in zip(rows, line, strict=True):
                np.testing.assert_array_equal(content_at(image, place, shown), as_shown(row.frames[t], shown))


@pytest.mark.parametrize(("clips", "columns"), [(1, 1), (6, 7)])
def test_the_time_is_told_below_the_frames(clips, columns):
    still = np.zeros([4, 32, 32, 1], np.float32)
    images = animation([[Row(f"Sample {number}", still) for number in range(columns)]] * clips, 2)
    bar = framed_in(images[0])[-1][0][1] + 102 + 2 * 6
    words = [np.asarray(image)[bar + 3 :] for image in images]
    assert len({word[:, : word.shape[1] // 2].tobytes() for word in words}) == 4
    phases = [word[:, word.shape[1] // 2 :].tobytes() for word in words]
    assert phases[0] == phases[1] != phases[2] == phases[3]
    reds = [int((np.asarray(image)[bar] == COLOURS["red"]).all(axis=-1).sum()) for image in images]
    assert reds[:2] == [0, 0] and 0 < reds[2] < reds[3]


def test_headers_stay_over_their_columns_and_do_not_move_the_frames():
    short, long = (animation([rows_of(labels=pair)], 2)[0] for pair in [("A", "B"), ("Truth", "A long label " * 5)])
    assert framed_in(short) == framed_in(long) and short != long
    (left, top, _), (right, _, _) = framed_in(long)[0]
    assert (np.asarray(long)[:top, left + 102 : right] == 255).all()


@pytest.mark.parametrize(("side", "border"), [(8, 1), (32, 1), (64, 2), (128, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_holds_every_frame_as_it_is_in_a_border_that_tells_its_time(side, border, channels):
    rows = rows_of(frames=4, side=side, channels=channels)
    image, width, height = sheet(rows, n_past=1)
    assert (width, height) == (side + 2 * border, side + 2 * border) and image.size == (4 * width, 3 * height)
    pixels = np.asarray(image)
    for r, row in enumerate(rows):
        for t, frame in enumerate(row.frames):
            tile = pixels[r * height : (r + 1) * height, t * width : (t + 1) * width]
            inside = tile[border:-border, border:-border]
            np.testing.assert_array_equal(inside, as_shown(frame, side))
            colour = "green" if t < 1 else "grey" if row.kind == "truth" else "red"
            edges = [tile[:border], tile[-border:], tile[:, :border], tile[:, -border:]]
            assert all((edge == COLOURS[colour]).all() for edge in edges)


@pytest.mark.parametrize(
    ("rows", "n_past", "message"),
    [
        ([], 2, "no rows"),
        (rows_of(), 0, "n_past is 0"),
        (rows_of(frames=6), 6, "n_past is 6.*6 frames"),
        ([rows_of(6)[0], rows_of(5)[1]], 2, r"row 'Best of 5' has shape \(5, 32, 32, 1\).*\(6, 32, 32, 1\)"),
        ([rows_of(side=32)[0], rows_of(side=64)[1]], 2, "first row"),
        ([rows_of(channels=1)[0], rows_of(channels=3)[1]], 2, "first row"),
        ([Row("Truth", np.zeros([6, 32, 32]), "truth")], 2, r"must be \[T, H, W, C\]"),
        ([Row("Truth", np.zeros([6, 32, 32, 2]), "truth")], 2, "C of 1 or 3"),
        ([Row("Truth", np.full([6, 32, 32, 1], 255.0), "truth")], 2, r"255.0; they must be in \[0, 1\] or uint8"),
        ([Row("Truth", np.full([6, 32, 32, 1], -1.0), "truth")], 2, "values -1.0"),
        ([Row("Truth", np.full([6, 32, 32, 1], np.nan), "truth")], 2, "nan"),
        ([Row("Truth", np.zeros([6, 32, 32, 1]), "future")], 2, "kind 'future'"),
    ],
)
def test_rows_that_make_no_picture_are_refused(rows, n_past, message):
    with pytest.raises(ValueError, match=message):
        strip(rows, n_past)
    with pytest.raises(ValueError, match=message):
        animation([rows], n_past)
    with pytest.raises(ValueError, match=message):
        sheet(rows, n_past)


def test_clips_that_make_no_grid_are_refused():
    with pytest.raises(ValueError, match="no clips"):
        animation([], 2)
    with pytest.raises(ValueError, match="clip 1 has the rows"):
        animation([rows_of(labels=("Truth", "Sample 1")), rows_of(labels=("Truth", "Sample 2"))], 2)
    with pytest.raises(ValueError, match="shape"):
        animation([rows_of(frames=6), rows_of(frames=7)], 2)


def test_a_gif_plays_for_ever_at_its_rate_and_holds_its_last_image(tmp_path):
    path = tmp_path / "clip.gif"
    write_gif(str(path), animation([rows_of(frames=7)], 2), fps=10)
    with Image.open(path) as image:
        assert image.n_frames == 7 and image.info["loop"] == 0
    assert [duration for duration, _ in gif_frames(path.read_bytes())] == 6 * [100] + [1000]
    assert gif_frames(gif_bytes(animation([rows_of()], 2)))[0][0] == 170


def test_a_gif_shows_grey_frames_and_borders_as_they_are():
    images = animation([rows_of()], 2)
    for image, (_, shown) in zip(images, gif_frames(gif_bytes(images)), strict=True):
        assert framed_in(shown) == framed_in(image)
        assert np.abs(np.asarray(shown, np.int32) - np.asarray(image)).max() <= 1
        np.testing.assert_array_equal(np.asarray(shown)[0], 255)


def test_a_gif_of_many_colours_keeps_borders_and_what_does_not_move():
    rng = np.random.default_rng(0)
    still = np.broadcast_to(rng.random([1, 32, 32, 3], np.float32), [5, 32, 32, 3])
    moving = rng.random([5, 32, 32, 3], np.float32)
    images = animation([[Row("Truth", still, "truth"), Row("Sample 1", moving)]], 2)
    assert len(np.unique(np.asarray(images[0]).reshape(-1, 3), axis=0)) > 256
    shown = [frame for _, frame in gif_frames(gif_bytes(images))]
    assert [framed_in(frame) for frame in shown] == [framed_in(image) for image in images]
    stills = [content_at(frame, framed_in(frame)[0][0], 96) for frame in shown]
    assert all(np.array_equal(stills[0], content) for content in stills)
    # Undithered: an enlarged pixel stays of one colour.
    np.testing.assert_array_equal(stills[0], np.kron(stills[0][::3, ::3], np.ones([3, 3, 1], np.uint8)))


def test_a_gif_of_real_frames_is_close_to_them():
    paths = sorted(BAIR.glob("*/0[0-5].png"))
    if not paths:
        pytest.skip("there are no clips in shared/data/bair")
    clips = np.stack([np.asarray(Image.open(path)) for path in paths]).reshape(-1, 6, 64, 64, 3)
    images = animation([[Row("Truth", clip, "truth")] for clip in clips], 2)
    for image, (_, shown) in zip(images, gif_frames(gif_bytes(images)), strict=True):
        assert np.abs(np.asarray(shown, np.int32) - np.asarray(image)).mean() < 3


def test_files_are_what_was_drawn_and_nothing_is_left_beside_them(tmp_path):
    image, images = strip(rows_of(), 2), animation([rows_of()], 2)
    write_png(str(tmp_path / "new" / "strip.png"), image)
    write_gif(str(tmp_path / "new" / "clip.gif"), images)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["clip.gif", "strip.png"]
    with Image.open(tmp_path / "new" / "strip.png") as shown:
        assert shown.format == "PNG"
        np.testing.assert_array_equal(np.asarray(shown), np.asarray(image))
    assert (tmp_path / "new" / "clip.gif").read_bytes() == gif_bytes(images)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "strip.png"
    path.write_bytes(b"old")

    def fail(self, file, **options):
        Path(file).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk"):
        write_png(str(path), Image.new("RGB", (4, 4)))
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_images_that_make_no_gif_are_refused():
    image = Image.new("RGB", (8, 8))
    with pytest.raises(ValueError, match="no images"):
        gif_bytes([])
    with pytest.raises(ValueError, match="one size"):
        gif_bytes([image, Image.new("RGB", (8, 9))])
    for fps in (0, 51, float("nan")):
        with pytest.raises(ValueError, match="fps is"):
            gif_bytes([image], fps)
