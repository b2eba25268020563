import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from svg_tf.visualization import Row, animation, gif_bytes, sheet, strip, write_gif, write_png

_COLOURS = {"green": (0, 150, 70), "red": (220, 45, 45), "grey": (165, 165, 165)}
_BAIR = Path(__file__).resolve().parents[2] / "shared" / "data" / "bair"


def _clip(frames=6, side=32, channels=1, seed=0):
    """A soft blob on its way over a textured ground: float32 [T, H, W, C]."""
    rng = np.random.default_rng(seed)
    ground = 0.2 * rng.random((side, side, channels))
    start, speed = rng.uniform(0.3, 0.7, 2) * side, rng.uniform(-1, 1, 2)
    y, x = np.mgrid[:side, :side]
    centres = start + np.arange(frames)[:, None] * speed
    blobs = [np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (0.02 * side**2)) for cy, cx in centres]
    tint = np.array([0.8, 0.5, 0.3])[:channels]
    return np.stack([ground + tint * blob[..., None] for blob in blobs]).astype(np.float32)


def _rows(frames=6, side=32, channels=1, labels=("Truth", "Best of 5", "Sample 1")):
    clips = [_clip(frames, side, channels, seed) for seed in range(len(labels))]
    kinds = ["truth"] + (len(labels) - 1) * ["prediction"]
    return [Row(*row) for row in zip(labels, clips, kinds, strict=True)]


def _framed(image):
    """The framed pictures found in an image, line by line: lists of (x, y, name of the border's colour)."""
    pixels = np.pad(np.asarray(image.convert("RGB")), [(1, 32), (1, 32), (0, 0)])
    found = []
    for name, colour in _COLOURS.items():
        here = (pixels == colour).all(axis=-1)
        corner = here[1:-32, 1:-32] & ~here[:-33, 1:-32] & ~here[1:-32, :-33]
        for step in range(4, 33, 4):  # long edges both down and across, unlike a bar's or a letter's
            corner &= here[1 + step : len(here) - 32 + step, 1:-32]
            corner &= here[1:-32, 1 + step : here.shape[1] - 32 + step]
        found += [(y, x, name) for y, x in np.argwhere(corner).tolist()]
    lines = {}
    for y, x, name in sorted(found):
        lines.setdefault(y, []).append((x, y, name))
    return list(lines.values())


def _colours(image):
    return [[name for _, _, name in line] for line in _framed(image)]


def _content(image, place, side):
    """The picture inside the border at a place, at the size it is shown: uint8 [side, side, 3]."""
    pixels = np.asarray(image.convert("RGB"))
    x, y, name = place
    border = int(np.argmax((pixels[y + side // 2, x:] != _COLOURS[name]).any(axis=-1)))
    return pixels[y + border : y + border + side, x + border : x + border + side]


def _shown(frame, side):
    frame = np.round(255 * frame).astype(np.uint8)
    scale = side // frame.shape[0]
    return np.broadcast_to(np.kron(frame, np.ones([scale, scale, 1], np.uint8)), [side, side, 3])


def _gif(data):
    image = Image.open(io.BytesIO(data))
    return [(frame.info["duration"], frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_strip_frames_context_green_predictions_red_and_the_true_future_grey(channels):
    image = strip(_rows(frames=6, channels=channels), n_past=2)
    assert _colours(image) == [["green"] * 2 + ["grey"] * 4] + 2 * [["green"] * 2 + ["red"] * 4]


@pytest.mark.parametrize("n_past", [1, 5])
def test_a_strip_begins_to_predict_at_n_past(n_past):
    line = _colours(strip(_rows(frames=6), n_past))[1]
    assert line == ["green"] * n_past + ["red"] * (6 - n_past)


@pytest.mark.parametrize(("side", "scale", "shown"), [(16, None, 64), (64, None, 64), (128, None, 128), (32, 3, 96)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_strip_shows_every_frame_at_its_time_enlarged_without_smoothing(side, scale, shown, channels):
    rows = _rows(4, side, channels, labels=("Truth", "A label that is much too long for the place it has"))
    image = strip(rows, 2, scale)
    for row, line in zip(rows, _framed(image), strict=True):
        for frame, place in zip(row.frames, line, strict=True):
            np.testing.assert_array_equal(_content(image, place, shown), _shown(frame, shown))


def test_a_gap_parts_context_and_prediction():
    xs = [x for x, _, _ in _framed(strip(_rows(frames=6), 2))[0]]
    steps = np.diff(xs)
    assert steps[1] > steps[0] and set(steps[[0, 2, 3, 4]]) == {steps[0]}


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("frames", [2, 40])
def test_strips_of_all_sizes_hold_all_their_frames(rows, frames):
    image = strip(_rows(frames, labels=[f"Sample {number}" for number in range(rows)]), 1)
    assert [len(line) for line in _framed(image)] == rows * [frames]


def test_labels_are_drawn_beside_the_frames_and_do_not_move_them():
    labels = [("Truth", "A"), ("Truth", "B"), ("Truth", "A very long label, cut where the frames begin"), ("", "\n")]
    images = [strip(_rows(labels=pair), 2) for pair in labels]
    assert all(_framed(image) == _framed(images[0]) for image in images)
    left = _framed(images[0])[0][0][0]
    gutters = [np.asarray(image)[:, :left] for image in images]
    assert not any(np.array_equal(gutters[0], gutter) for gutter in gutters[1:])
    truths = [gutter[: _framed(images[0])[1][0][1]] for gutter in gutters]
    assert np.array_equal(truths[0], truths[1]) and not np.array_equal(truths[0], truths[2])  # all in one size
    assert all(np.array_equal(np.asarray(image)[:, left:], np.asarray(images[0])[:, left:]) for image in images)


def test_bytes_and_floats_make_one_picture():
    rows = _rows()
    as_bytes = [row._replace(frames=np.round(255 * row.frames).astype(np.uint8)) for row in rows]
    assert strip(rows, 2) == strip(as_bytes, 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_animation_turns_predictions_red_and_the_truth_grey_at_n_past(channels):
    images = animation([_rows(channels=channels)] * 2, n_past=2)
    lines = [_colours(image) for image in images]
    assert lines == 2 * [2 * [["green"] * 3]] + 4 * [2 * [["grey", "red", "red"]]]


@pytest.mark.parametrize(("side", "scale", "shown"), [(32, None, 96), (64, None, 128), (128, None, 128), (32, 2, 64)])
def test_an_animation_shows_every_clip_in_a_line_and_every_row_in_a_column(side, scale, shown):
    clips = [_rows(4, side), [row._replace(frames=1 - row.frames) for row in _rows(4, side)]]
    images = animation(clips, 2, scale)
    assert len(images) == 4 and len({image.size for image in images}) == 1
    for t, image in enumerate(images):
        for rows, line in zip(clips, _framed(image), strict=True):
            for row, place in zip(rows, line, strict=True):
                np.testing.assert_array_equal(_content(image, place, shown), _shown(row.frames[t], shown))


@pytest.mark.parametrize(("clips", "columns"), [(1, 1), (6, 7)])
def test_the_time_is_told_below_the_frames(clips, columns):
    still = np.zeros([4, 32, 32, 1], np.float32)
    images = animation([[Row(f"Sample {number}", still) for number in range(columns)]] * clips, 2)
    bar = _framed(images[0])[-1][0][1] + 102 + 2 * 6
    words = [np.asarray(image)[bar + 3 :] for image in images]
    assert len({word[:, : word.shape[1] // 2].tobytes() for word in words}) == 4
    phases = [word[:, word.shape[1] // 2 :].tobytes() for word in words]
    assert phases[0] == phases[1] != phases[2] == phases[3]
    reds = [int((np.asarray(image)[bar] == _COLOURS["red"]).all(axis=-1).sum()) for image in images]
    assert reds[:2] == [0, 0] and 0 < reds[2] < reds[3]


def test_headers_stay_over_their_columns_and_do_not_move_the_frames():
    short, long = (animation([_rows(labels=pair)], 2)[0] for pair in [("A", "B"), ("Truth", "A long label " * 5)])
    assert _framed(short) == _framed(long) and short != long
    (left, top, _), (right, _, _) = _framed(long)[0]
    assert (np.asarray(long)[:top, left + 102 : right] == 255).all()


@pytest.mark.parametrize(("side", "border"), [(8, 1), (32, 1), (64, 2), (128, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_holds_every_frame_as_it_is_in_a_border_that_tells_its_time(side, border, channels):
    rows = _rows(frames=4, side=side, channels=channels)
    image, width, height = sheet(rows, n_past=1)
    assert (width, height) == (side + 2 * border, side + 2 * border) and image.size == (4 * width, 3 * height)
    pixels = np.asarray(image)
    for r, row in enumerate(rows):
        for t, frame in enumerate(row.frames):
            tile = pixels[r * height : (r + 1) * height, t * width : (t + 1) * width]
            inside = tile[border:-border, border:-border]
            np.testing.assert_array_equal(inside, _shown(frame, side))
            colour = "green" if t < 1 else "grey" if row.kind == "truth" else "red"
            edges = [tile[:border], tile[-border:], tile[:, :border], tile[:, -border:]]
            assert all((edge == _COLOURS[colour]).all() for edge in edges)


def test_a_gif_plays_for_ever_at_its_rate_and_holds_its_last_image(tmp_path):
    path = tmp_path / "clip.gif"
    write_gif(str(path), animation([_rows(frames=7)], 2), fps=10)
    with Image.open(path) as image:
        assert image.n_frames == 7 and image.info["loop"] == 0
    assert [duration for duration, _ in _gif(path.read_bytes())] == 6 * [100] + [1000]
    assert _gif(gif_bytes(animation([_rows()], 2)))[0][0] == 170


def test_a_gif_shows_grey_frames_and_borders_as_they_are():
    images = animation([_rows()], 2)
    for image, (_, shown) in zip(images, _gif(gif_bytes(images)), strict=True):
        assert _framed(shown) == _framed(image)
        assert np.abs(np.asarray(shown, np.int32) - np.asarray(image)).max() <= 1
        np.testing.assert_array_equal(np.asarray(shown)[0], 255)


def test_a_gif_of_many_colours_keeps_borders_and_what_does_not_move():
    rng = np.random.default_rng(0)
    still = np.broadcast_to(rng.random([1, 32, 32, 3], np.float32), [5, 32, 32, 3])
    moving = rng.random([5, 32, 32, 3], np.float32)
    images = animation([[Row("Truth", still, "truth"), Row("Sample 1", moving)]], 2)
    assert len(np.unique(np.asarray(images[0]).reshape(-1, 3), axis=0)) > 256
    shown = [frame for _, frame in _gif(gif_bytes(images))]
    assert [_framed(frame) for frame in shown] == [_framed(image) for image in images]
    stills = [_content(frame, _framed(frame)[0][0], 96) for frame in shown]
    assert all(np.array_equal(stills[0], content) for content in stills)
    # Undithered: an enlarged pixel stays of one colour.
    np.testing.assert_array_equal(stills[0], np.kron(stills[0][::3, ::3], np.ones([3, 3, 1], np.uint8)))


def test_a_gif_shows_a_small_bright_object_in_its_colour():
    frames = np.repeat(_clip(1, 32, 3), 4, axis=0)
    frames = np.clip(frames + 0.02 * np.random.default_rng(0).random(frames.shape, np.float32), 0, 1)
    frames[:, 10:12, 10:12] = [0.2, 0.9, 0.1]
    shown = _gif(gif_bytes(animation([[Row("Sample 1", frames)]], 2)))[0][1]
    np.testing.assert_allclose(_content(shown, _framed(shown)[0][0], 96)[33, 33], [51, 230, 26], atol=8)


def test_a_gif_of_real_frames_is_close_to_them():
    paths = sorted(_BAIR.glob("*/0[0-5].png"))
    if not paths:
        pytest.skip("there are no clips in shared/data/bair")
    clips = np.stack([np.asarray(Image.open(path)) for path in paths]).reshape(-1, 6, 64, 64, 3)
    images = animation([[Row("Truth", clip, "truth")] for clip in clips], 2)
    for image, (_, shown) in zip(images, _gif(gif_bytes(images)), strict=True):
        assert np.abs(np.asarray(shown, np.int32) - np.asarray(image)).mean() < 3


def test_all_images_of_a_gif_use_the_palette_at_its_head():
    data = gif_bytes(animation([_rows(channels=3)], 2))
    position = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    images, local_palettes = 0, 0
    while data[position] != 0x3B:
        if data[position] == 0x21:
            position += 2
        else:
            images, local_palettes = images + 1, local_palettes + (data[position + 9] >> 7)
            position += 11
        while data[position]:
            position += data[position] + 1
        position += 1
    assert data[10] >> 7 == 1 and images == 6 and local_palettes == 0


def test_files_are_what_was_drawn_and_nothing_is_left_beside_them(tmp_path):
    image, images = strip(_rows(), 2), animation([_rows()], 2)
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
        raise OSError("the disk is full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk"):
        write_png(str(path), Image.new("RGB", (4, 4)))
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("rows", "n_past", "message"),
    [
        ([], 2, "no rows"),
        (_rows(), 0, "n_past is 0"),
        (_rows(frames=6), 6, "n_past is 6.*6 frames"),
        ([_rows(6)[0], _rows(5)[1]], 2, r"row 'Best of 5' has shape \(5, 32, 32, 1\).*\(6, 32, 32, 1\)"),
        ([_rows(side=32)[0], _rows(side=64)[1]], 2, "first row"),
        ([_rows(channels=1)[0], _rows(channels=3)[1]], 2, "first row"),
        ([Row("Truth", np.zeros([6, 32, 32]), "truth")], 2, r"must be \[T, H, W, C\]"),
        ([Row("Truth", np.zeros([6, 32, 32, 2]), "truth")], 2, "C of 1 or 3"),
        ([Row("Truth", np.full([6, 32, 32, 1], 255.0), "truth")], 2, r"255.0, but must be in \[0, 1\] or uint8"),
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
        animation([_rows(labels=("Truth", "Sample 1")), _rows(labels=("Truth", "Sample 2"))], 2)
    with pytest.raises(ValueError, match="shape"):
        animation([_rows(frames=6), _rows(frames=7)], 2)


@pytest.mark.parametrize("draw", [strip, lambda rows, n_past, scale: animation([rows], n_past, scale)])
def test_a_scale_below_one_is_refused(draw):
    with pytest.raises(ValueError, match="scale is 0"):
        draw(_rows(), 2, 0)


def test_images_that_make_no_gif_are_refused():
    image = Image.new("RGB", (8, 8))
    with pytest.raises(ValueError, match="no images"):
        gif_bytes([])
    with pytest.raises(ValueError, match="one size"):
        gif_bytes([image, Image.new("RGB", (8, 9))])
    for fps in (0, 51, float("nan")):
        with pytest.raises(ValueError, match="fps is"):
            gif_bytes([image], fps)
