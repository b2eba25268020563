"""Tests of svg_tf/data/windows.py."""

import io
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from svg_tf.config import Config
from svg_tf.data.errors import DataError
from svg_tf.data.windows import Collection, StoredVideo, Windows, divide

CONFIG = Config(dataset="videos", n_past=2, n_future=3, n_eval=8, data_dir="DIR", seed=5)
PIXELS = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), np.uint8)


def spans(length, size):
    edges = size * np.arange(length + 1)
    return np.stack([edges[:-1], edges[1:]], axis=1)


@pytest.fixture
def videos(tmp_path):
    """Make videos of these lengths with frames of one pixel: number of the video, number of the frame, 0."""

    def make(*lengths):
        made = []
        for number, length in enumerate(lengths):
            path = tmp_path / str(number)
            path.write_bytes(bytes([value for frame in range(length) for value in (number, frame, 0)]))
            made.append(StoredVideo(f"v{number}", str(path), spans(length, 3), (1, 1, 3)))
        return made

    return make


def windows(videos, split="train", config=CONFIG, **options):
    return Windows(videos, config, split, Collection(videos, {}, ""), **options)


def places(source, count):
    video, start = source.places(tf.range(count, dtype=tf.int64))
    return video.numpy(), start.numpy()


@pytest.mark.parametrize("stride", [1, 3])
def test_a_clip_is_every_nth_frame_from_the_drawn_place(stride, videos):
    source = windows(videos(20, 13, 12), config=CONFIG.replace(frame_stride=stride))
    frames = source.frames(tf.range(40, dtype=tf.int64))
    video, start = places(source, 40)
    assert frames.dtype == tf.uint8 and frames.shape == (40, 5, 1, 1, 3)
    np.testing.assert_array_equal(frames[:, :, 0, 0, 0], np.repeat(video[:, None], 5, axis=1))
    np.testing.assert_array_equal(frames[:, :, 0, 0, 1], start[:, None] + stride * np.arange(5))
    assert [video.name for video in source.too_short] == ([] if stride == 1 else ["v2"])


def test_every_epoch_visits_every_video_in_a_different_order(videos):
    video, _ = places(windows(videos(*[10] * 13)), 13 * 40)
    epochs = video.reshape(40, 13)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(13), (40, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 40
    video, _ = places(windows(videos(5, 9, 10, 26), by_length=True), 9 * 10)
    for epoch in video.reshape(10, 9):  # once for every clip that fits
        assert np.bincount(epoch).tolist() == [1, 1, 2, 5]


def test_places_never_change_and_only_those_of_training_depend_on_the_seed(videos):
    given = videos(9, 30, 12, 22)
    train = [[3, 0, 2, 1, 1, 3, 2], [5, 1, 7, 5, 17, 17, 3]]
    validation = [[3, 2, 1, 0, 2, 1, 0], [2, 1, 11, 2, 4, 7, 0]]
    test = [[3, 1, 0, 2, 0, 3, 1], [4, 14, 0, 1, 1, 13, 12]]
    for seed in (0, 5, 6):
        config = CONFIG.replace(seed=seed)
        drawn = {s: np.array(places(windows(given, s, config), 7)).tolist() for s in ("train", "validation", "test")}
        assert (drawn["validation"], drawn["test"]) == (validation, test)
        assert (drawn["train"] == train) == (seed == 5) and drawn["train"] != validation


def test_test_clips_are_all_windows_once_and_as_many_as_counted(videos):
    lengths = (8, 30, 12, 108)  # 1, 23, 5 and 101 windows of 8 frames
    for by_length in (False, True):
        source = windows(videos(*lengths), "test", by_length=by_length)
        assert source.test_clips == 1 + 23 + 5 + 101
        drawn = list(zip(*places(source, source.test_clips), strict=True))
        assert set(drawn) == {(v, start) for v, length in enumerate(lengths) for start in range(length - 7)}
        assert drawn[:4] != sorted(drawn[:4])
    # Like training, the order visits all videos in turn as long as they have windows.
    video, _ = places(windows(videos(*lengths), "test"), 7)
    assert sorted(video[:4]) == [0, 1, 2, 3] and sorted(video[4:7]) == [1, 2, 3]
    video, start = places(windows(videos(9, 30, 12), "test", in_order=True), 7)
    assert video.tolist() == [0, 1, 2, 0, 1, 2, 0] and set(start) == {0}


def test_too_short_videos_are_an_error_that_names_the_required_length(videos):
    with pytest.raises(DataError, match="test split of data_dir DIR .* of 8 frames, .* has 7. Lower --n_eval"):
        windows(videos(5, 7), "test")


@pytest.mark.slow
def test_a_process_that_leaves_an_iterator_open_ends(tmp_path):
    for number in range(12):
        np.save(tmp_path / f"{number}.npy", np.zeros((60, 64, 64), np.uint8))
    code = f"""
import time
from svg_tf.config import Config
from svg_tf.data.dataset import make_dataset
config = Config(dataset="videos", data_dir={str(tmp_path)!r}, image_width=64, batch_size=100)
batches = iter(make_dataset(config, "train"))  # a global: it lives until the interpreter ends
end = time.time() + 2  # tf.data makes its buffers large in this time
while time.time() < end:
    next(batches)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def stored(path, encode=lambda frame: frame.tobytes(), **options):
    """Write PIXELS with a gap before each frame, and return the video."""
    positions, data = [], b"head"
    for frame in map(encode, PIXELS):
        positions.append((len(data) + 3, len(data) + 3 + len(frame)))
        data += b"xyz" + frame
    path.write_bytes(data)
    return StoredVideo("a", str(path), np.array(positions), PIXELS.shape[1:], **options)


def png(frame):
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("layout", [{}, {"encode": png, "encoded": True}])
def test_any_frames_are_read_exactly(layout, tmp_path):
    video = stored(tmp_path / "a", **layout)
    np.testing.assert_array_equal(video.read(0, 10), PIXELS)
    np.testing.assert_array_equal(video.read(1, 3, 4), PIXELS[1::4])
    np.testing.assert_array_equal(video.part(2, 7).read(1, 3), PIXELS[3:6])


def test_a_removed_truncated_or_damaged_file_is_an_error_that_names_it(tmp_path):
    video = stored(tmp_path / "a")
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:-60])
    with pytest.raises(DataError, match="a became shorter after"):
        video.read(0, 10)
    (tmp_path / "a").unlink()
    with pytest.raises(DataError, match="a cannot be read: No such file"):
        video.read(0, 1)
    with pytest.raises(DataError, match="broken image"):
        stored(tmp_path / "a", encode=lambda frame: b"no PNG", encoded=True).read(0, 1)


def test_of_many_videos_whole_ones_are_held_out_by_their_names():
    def divided(videos):
        parts = divide(videos, ("validation", "test"))
        return {split: sorted((v.name for v in part), key=lambda name: int(name[5:])) for split, part in parts.items()}

    videos = [StoredVideo(f"video{number}", "", spans(100, 1), (1, 1, 1)) for number in range(40)]
    found = divided(videos)
    assert sorted(sum(found.values(), [])) == sorted(video.name for video in videos)
    assert divided(videos[::-1]) == found
    # Older runs must find the same split: a change here changes everybody's test set.
    assert found["test"] == ["video3", "video6", "video18", "video22", "video30", "video33"]
