"""Tests of svg_tf/data/decoding.py."""

import numpy as np
import pytest
import video_files
from PIL import Image

from svg_tf.data import decoding
from svg_tf.data.decoding import Form
from svg_tf.data.errors import DataError

COLOUR = Form(32, 3, "crop")


def read(path, form=COLOUR, **options):
    return np.stack(list(decoding.read(str(path), form, **options)))


def pillow(image, size):
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC), np.int64)


@pytest.mark.parametrize("ending", sorted(video_files.CODECS))
def test_a_video_has_all_its_frames_in_order_and_in_the_right_colours(ending, tmp_path):
    video = video_files.frames(23)
    video_files.write_video(tmp_path / f"a{ending}", video)
    decoded = read(tmp_path / f"a{ending}")
    expected = np.stack([pillow(frame, (43, 32))[:, 5:37] for frame in video])
    assert decoded.shape == (23, 32, 32, 3) and decoded.dtype == np.uint8
    worst = 12 if ending == ".gif" else 5  # GIF has 8 bits per pixel
    error = decoded.astype(int) - expected
    assert np.abs(error).mean() < worst
    assert np.abs(error.mean(axis=(1, 2))).max() < worst  # of every frame and colour


@pytest.mark.parametrize("ending", sorted([*video_files.CODECS, "fast.mp4"]))
def test_a_video_cut_anywhere_is_recognised(ending, tmp_path):
    path = tmp_path / f"whole{ending}"
    video_files.write_video(path, video_files.frames(40), faststart=ending == "fast.mp4")
    whole, data = read(path), path.read_bytes()
    for part in range(30):  # includes all tenths
        cut = tmp_path / f"cut{ending}"
        cut.write_bytes(data[: len(data) * part // 30])
        try:
            decoded = read(cut)
        except DataError as error:
            assert "empty" in str(error) if part == 0 else "cut short" in str(error) or "cannot be read" in str(error)
            continue
        if ending == ".gif":
            assert cut.read_bytes().endswith(b";")  # a byte in the middle equals the trailer
            continue
        # A file that lost only its index, or a part of its last packet, may pass for whole.
        assert len(decoded) >= len(whole) - 1, f"{part} thirtieths gave {len(decoded)} frames"
        sound = len(whole) - 4  # the last packet, and the frames between it and the one before
        np.testing.assert_array_equal(decoded[:sound], whole[:sound])


def test_resizing_is_pillows_bicubic_cropping_keeps_the_centre(tmp_path):
    video = video_files.frames(3, width=100, height=150)
    np.save(tmp_path / "a.npy", video)
    cropped = np.stack([pillow(frame, (64, 96))[16:80] for frame in video])
    squashed = np.stack([pillow(frame, (64, 64)) for frame in video])
    for resize, expected in (("crop", cropped), ("squash", squashed)):
        assert np.abs(read(tmp_path / "a.npy", Form(64, 3, resize)) - expected).max() <= 2


@pytest.mark.parametrize("channels", [1, 3])
def test_video_levels_become_image_levels_without_a_bias(channels):
    levels = np.arange(16, 236, dtype=np.uint8)  # black to white in yuv420p
    frames = []
    for level in levels:
        planes = np.concatenate([np.full((32, 32), level, np.uint8), np.full((16, 32), 128, np.uint8)])
        frames.append(video_files.av.VideoFrame.from_ndarray(planes, "yuv420p"))
    shaped = np.stack(list(decoding._shaped(iter(frames), Form(32, channels, "squash"))))
    error = shaped - ((levels - 16.0) * 255 / 219).reshape(-1, 1, 1, 1)
    assert np.abs(error).max() < 1.1 and abs(error.mean()) < 0.3


@pytest.mark.parametrize("channels", [1, 3])
def test_frames_of_the_right_form_come_through_exactly(channels, tmp_path):
    video = np.random.default_rng(0).integers(0, 256, (5, 32, 32, channels), np.uint8)
    np.save(tmp_path / "a.npy", video)
    np.savez_compressed(tmp_path / "b.npz", anything=video if channels == 3 else video[..., 0])
    (tmp_path / "c").mkdir()
    for number, frame in enumerate(video):  # frame8 comes before frame10
        Image.fromarray(frame if channels == 3 else frame[..., 0]).save(tmp_path / "c" / f"frame{number + 8}.png")
    np.save(tmp_path / "d.npy", np.asfortranarray(video))
    for name in ("a.npy", "b.npz", "c", "d.npy"):
        np.testing.assert_array_equal(read(tmp_path / name, Form(32, channels, "crop")), video)


def test_the_rotation_of_a_phone_video_is_applied(tmp_path):
    video = np.zeros((6, 32, 32, 3), np.uint8)
    video[:, :16] = 255  # the upper half
    for angle, bright in ((90, "left"), (-90, "right"), (180, "lower")):
        video_files.write_video(tmp_path / "a.mp4", video, rotation=angle)
        decoded = read(tmp_path / "a.mp4")[0].astype(int)
        halves = {"left": decoded[:, :12], "right": decoded[:, -12:], "lower": decoded[-12:], "upper": decoded[:12]}
        assert max(halves, key=lambda side: halves[side].mean()) == bright, angle


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("float.npy", np.zeros((3, 8, 8)), r"is float64 \[3, 8, 8\], but must be uint8"),
        ("none.npy", np.zeros((3, 0, 8), np.uint8), r"is uint8 \[3, 0, 8\]"),
        ("pickle.npy", np.array([{}]), "cannot be read as one NumPy array"),
        ("text.npz", b"text", "cannot be read as one NumPy array .*; use numpy.save"),
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"this is no video, but a text " * 99, "cannot be read: Invalid data"),
    ],
)
def test_the_error_says_why_a_file_is_not_a_video(name, content, reason, tmp_path):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        np.save(tmp_path / name, content)
    with pytest.raises(DataError, match=reason):
        read(tmp_path / name)
