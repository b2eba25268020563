import errno
from pathlib import Path

import numpy as np
import pytest
from drawn import content_at, framed_in, gif_frames, moving_clip, rows_of
from PIL import Image

from svg_tf.visualization import Row, animation, gif_bytes, strip, write_gif, write_png

BAIR = Path(__file__).resolve().parents[2] / "shared" / "data" / "bair"


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


def test_a_gif_shows_a_small_bright_object_in_its_colour():
    frames = np.repeat(moving_clip(1, 32, 3), 4, axis=0)
    frames = np.clip(frames + 0.02 * np.random.default_rng(0).random(frames.shape, np.float32), 0, 1)
    frames[:, 10:12, 10:12] = [0.2, 0.9, 0.1]
    shown = gif_frames(gif_bytes(animation([[Row("Sample 1", frames)]], 2)))[0][1]
    np.testing.assert_allclose(content_at(shown, framed_in(shown)[0][0], 96)[33, 33], [51, 230, 26], atol=8)


def test_a_gif_of_real_frames_is_close_to_them():
    paths = sorted(BAIR.glob("*/0[0-5].png"))
    if not paths:
        pytest.skip("there are no clips in shared/data/bair")
    clips = np.stack([np.asarray(Image.open(path)) for path in paths]).reshape(-1, 6, 64, 64, 3)
    images = animation([[Row("Truth", clip, "truth")] for clip in clips], 2)
    for image, (_, shown) in zip(images, gif_frames(gif_bytes(images)), strict=True):
        assert np.abs(np.asarray(shown, np.int32) - np.asarray(image)).mean() < 3


def test_all_images_of_a_gif_use_the_palette_at_its_head():
    data = gif_bytes(animation([rows_of(channels=3)], 2))
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
