"""Tests of svg_tf/data/stored_video.py."""

import io

import numpy as np
import pytest
from PIL import Image

from svg_tf.data.errors import DataError
from svg_tf.data.stored_video import StoredVideo, contiguous_spans


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), np.uint8)


def stored(path, pixels, order=None, gap=b"", encode=lambda frame: frame.tobytes(), encoded=False):
    """Writes the frames in some order with a gap before each, and says where they are."""
    spans, data = {}, b"head"
    for number in order or range(len(pixels)):
        data += gap
        frame = encode(pixels[number])
        spans[number] = (len(data), len(data) + len(frame))
        data += frame
    path.write_bytes(data + b"tail")
    places = np.array([spans[number] for number in range(len(pixels))], np.int64)
    return StoredVideo("a", str(path), places, pixels.shape[1:], encoded)


def png(frame):
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("layout", ["contiguous", "scattered", "png"])
@pytest.mark.parametrize(("start", "count", "stride"), [(0, 10, 1), (3, 4, 1), (9, 1, 1), (1, 3, 4), (0, 1, 50)])
def test_any_window_is_read_exactly(layout, start, count, stride, pixels, tmp_path):
    video = {
        "contiguous": lambda path: stored(path, pixels),
        "scattered": lambda path: stored(path, pixels, order=[3, 7, 1, 0, 9, 2, 8, 5, 4, 6], gap=b"xyz"),
        "png": lambda path: stored(path, pixels, gap=b"xyz", encode=png, encoded=True),
    }[layout](tmp_path / "a")
    expected = pixels[start : start + count * stride : stride][:count]
    np.testing.assert_array_equal(video.read(start, count, stride), expected)


def test_a_window_past_the_end_is_an_error(pixels, tmp_path):
    video = stored(tmp_path / "a", pixels)
    with pytest.raises(IndexError, match="10 frames, not 4 from 7 by 1"):
        video.read(7, 4)


def test_a_part_is_a_video_of_its_own(pixels, tmp_path):
    part = stored(tmp_path / "a", pixels).part(2, 7)
    assert len(part) == 5 and part.name == "a"
    np.testing.assert_array_equal(part.read(1, 3), pixels[3:6])


def test_contiguous_spans_touch(pixels):
    np.testing.assert_array_equal(contiguous_spans(7, 3, 10), [[7, 17], [17, 27], [27, 37]])


def test_a_file_that_went_or_shrank_is_an_error_that_names_it(pixels, tmp_path):
    video = stored(tmp_path / "a", pixels)
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:-60])
    with pytest.raises(DataError, match="a has become shorter since"):
        video.read(0, 10)
    np.testing.assert_array_equal(video.read(0, 5), pixels[:5])
    (tmp_path / "a").unlink()
    with pytest.raises(DataError, match="a cannot be read: No such file"):
        video.read(0, 1)


def test_a_broken_or_wrongly_sized_image_is_an_error(pixels, tmp_path):
    broken = stored(tmp_path / "a", pixels, encode=lambda frame: b"no PNG", encoded=True)
    with pytest.raises(DataError, match="broken image"):
        broken.read(0, 1)
    small = stored(tmp_path / "b", pixels, encode=lambda frame: png(frame[:2]), encoded=True)
    with pytest.raises(DataError, match=r"uint8 \(2, 4, 3\) in a, not uint8 \(4, 4, 3\)"):
        small.read(0, 1)
