"""Tests of svg_tf/data/windows.py."""

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data import windows as windows_lib
from svg_tf.data.errors import DataError
from svg_tf.data.stored_video import Collection, StoredVideo, contiguous_spans
from svg_tf.data.windows import Windows

CONFIG = Config(dataset="videos", n_past=2, n_future=3, n_eval=8, data_dir="DIR", seed=5)


@pytest.fixture
def videos(tmp_path):
    """Makes videos of these lengths, of 1x1 frames: the video's number and the frame's, in two files."""

    def make(*lengths):
        made = []
        for number, length in enumerate(lengths):
            path = tmp_path / str(number)
            path.write_bytes(bytes([value for frame in range(length) for value in (number, frame, 0)]))
            made.append(StoredVideo(f"v{number}", str(path), contiguous_spans(0, length, 3), (1, 1, 3)))
        return made

    return make


def windows(videos, split="train", config=CONFIG, **options):
    return Windows(videos, config, split, Collection(videos, {}, ""), **options)


def places(source, count, first=0):
    video, start = tf.function(source.places)(tf.range(first, first + count, dtype=tf.int64))
    return video.numpy(), start.numpy()


def test_a_clip_is_consecutive_frames_of_the_video_and_place_that_were_drawn(videos):
    source = windows(videos(9, 30, 12))
    frames = source.frames(tf.range(40, dtype=tf.int64))
    video, start = places(source, 40)
    assert frames.dtype == tf.uint8 and frames.shape == (40, 5, 1, 1, 3)
    np.testing.assert_array_equal(frames[:, :, 0, 0, 0], np.repeat(video[:, None], 5, axis=1))
    np.testing.assert_array_equal(frames[:, :, 0, 0, 1], start[:, None] + np.arange(5))


def test_a_stride_takes_every_nth_frame(videos):
    source = windows(videos(20, 13, 12), config=CONFIG.replace(frame_stride=3))
    frames = source.frames(tf.range(40, dtype=tf.int64)).numpy()[:, :, 0, 0]
    np.testing.assert_array_equal(np.diff(frames[:, :, 1].astype(int), axis=1), 3)
    assert [video.name for video in source.videos] == ["v0", "v1"]
    assert [video.name for video in source.too_short] == ["v2"]
    assert set(frames[frames[:, 0, 0] == 1][:, 0, 1]) == {0}  # 13 frames leave one place


def test_every_epoch_takes_every_video_once_in_an_order_of_its_own(videos):
    video, _ = places(windows(videos(*[10] * 13)), 13 * 40)
    epochs = video.reshape(40, 13)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(13), (40, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 40


def test_by_length_a_video_is_taken_once_an_epoch_for_every_clip_that_fits(videos):
    video, _ = places(windows(videos(5, 9, 10, 26), by_length=True), 9 * 10)
    for epoch in video.reshape(10, 9):
        assert np.bincount(epoch).tolist() == [1, 1, 2, 5]


def test_all_places_of_a_video_are_equally_likely(videos):
    _, start = places(windows(videos(14)), 5000)
    counts = np.bincount(start, minlength=10)
    assert len(counts) == 10
    expected = 5000 / 10
    assert ((counts - expected) ** 2 / expected).sum() < 28  # chi-square of 9 degrees of freedom, 0.1 %


def test_a_clip_depends_on_its_index_alone(videos):
    source = windows(videos(9, 30, 12, 22))
    together = source.frames(tf.range(50, dtype=tf.int64)).numpy()
    for index in (0, 3, 17, 49):
        np.testing.assert_array_equal(source.frames(tf.constant([index], tf.int64))[0], together[index])
    far = 2**40
    np.testing.assert_array_equal(places(source, 4, far)[1][3:], places(source, 1, far + 3)[1])


def test_training_depends_on_the_seed_and_what_is_held_out_does_not(videos):
    given, other = videos(9, 30, 12, 22, 17), CONFIG.replace(seed=6)
    for split, same in (("train", False), ("validation", True), ("test", True)):
        one, two = (np.stack(places(windows(given, split, config), 30)) for config in (CONFIG, other))
        assert (one == two).all() == same, split
    drawn = [
        np.stack(places(windows(given, split, CONFIG.replace(seed=0, n_eval=5)), 30))
        for split in ("train", "validation", "test")
    ]
    assert not (drawn[0] == drawn[1]).all() and not (drawn[1] == drawn[2]).all() and not (drawn[0] == drawn[2]).all()


def test_in_order_the_test_takes_whole_videos_from_their_start(videos):
    given = videos(9, 30, 12)
    source = windows(given, "test", in_order=True)
    video, start = places(source, 7)
    assert video.tolist() == [0, 1, 2, 0, 1, 2, 0] and set(start) == {0}
    assert source.test_clips == 3
    assert set(places(windows(given, "train", in_order=True), 30)[1]) != {0}


def test_the_test_has_as_many_clips_as_there_are_places_to_a_thousand(videos):
    assert windows(videos(8, 10), "test").test_clips == 4
    assert windows(videos(*[255] * 5), "test").test_clips == 1000


def test_the_test_has_the_frames_of_n_eval(videos):
    assert windows(videos(9), "test").frames(tf.range(2, dtype=tf.int64)).shape == (2, 8, 1, 1, 3)
    assert windows(videos(9), "validation").frames(tf.range(2, dtype=tf.int64)).shape == (2, 5, 1, 1, 3)


def test_nothing_is_read_for_a_process_that_ends(videos, monkeypatch):
    source = windows(videos(9))
    monkeypatch.setattr(windows_lib._GUARD, "closing", True)
    monkeypatch.setattr(StoredVideo, "read", None)
    np.testing.assert_array_equal(source.frames(tf.range(2, dtype=tf.int64)), np.zeros([2, 5, 1, 1, 3]))


def test_nothing_that_is_long_enough_is_an_error_that_says_what_is_needed(videos):
    with pytest.raises(DataError, match=r"test split of data_dir DIR .* n_eval need 8 frames, .* longest of 2 has 7"):
        windows(videos(5, 7), "test")
    with pytest.raises(DataError, match="n_past and n_future need 9 frames at --frame_stride=2"):
        windows(videos(5, 7), config=CONFIG.replace(frame_stride=2))
    with pytest.raises(DataError, match="train split of data_dir DIR has no videos"):
        windows([])
