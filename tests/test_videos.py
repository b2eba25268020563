"""Tests of svg_tf/data/videos.py and of the decode cache in svg_tf/data/cache.py."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import video_files
from PIL import Image

from svg_tf.config import Config
from svg_tf.data import decoding, videos
from svg_tf.data.errors import DataError
from svg_tf.data.videos import Videos
from svg_tf.data.windows import SPLITS

CONFIG = Config(dataset="videos", channels=3, image_width=32, n_past=2, n_future=3, n_eval=8)


def array(count, number=0):
    """A video with its number and the numbers of its frames in the first pixel, which is decoded exactly."""
    video = np.random.default_rng(number).integers(0, 256, (count, 32, 32, 3), np.uint8)
    video[:, 0, 0, 0], video[:, 0, 0, 1] = number, np.arange(count)
    return video


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def config(folder):
    return CONFIG.replace(data_dir=str(folder))


@pytest.fixture
def decoded(monkeypatch):
    """Names of the videos that are decoded."""
    found, actual = [], decoding.read
    monkeypatch.setattr(decoding, "read", lambda path, *rest: found.append(Path(path).name) or actual(path, *rest))
    return found


def names(config, split):
    return [video.name for video in Videos(config, split).videos]


def test_videos_of_every_kind_are_found_and_decoded(folder, config):
    for ending in video_files.CODECS:
        video_files.write_video(folder / f"a{ending}", video_files.frames(12))
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.avi").rename(folder / "deep" / "er" / "UPPER.AVI")
    np.save(folder / "a.npy", array(12))
    np.savez(folder / "a.npz", array(12))
    (folder / "images").mkdir()
    for number, frame in enumerate(array(12)):
        Image.fromarray(frame).save(folder / "images" / f"{number}.png")
    (folder / "notes.txt").write_text("not a video")
    (folder / ".hidden.mp4").write_text("not shown")
    collection = videos.prepare(config)
    expected = ["a.gif", "a.mkv", "a.mov", "a.mp4", "a.npy", "a.npz", "a.webm", "deep/er/UPPER.AVI", "images"]
    assert [video.name for video in collection.videos] == expected and not collection.skipped
    assert {len(video) for video in collection.videos} == {12}
    for video in collection.videos:
        if video.name in ("a.npy", "a.npz", "images"):
            np.testing.assert_array_equal(video.read(0, 12), array(12))


def test_folders_named_like_splits_are_the_splits(folder, config):
    for number, split in enumerate((*SPLITS, "other")):
        (folder / split).mkdir()
        np.save(folder / split / "a.npy", array(12, number))
    for number, split in enumerate(SPLITS):
        assert names(config, split) == [f"{split}/a.npy"]
        clips = Videos(config, split).frames(tf.range(4, dtype=tf.int64))
        assert set(clips[:, :, 0, 0, 0].numpy().ravel()) == {number}


def test_a_split_without_a_folder_is_held_out_of_the_training_videos(folder, config):
    for number in range(20):
        np.save(folder / f"{number}.npy", array(8, number))
    divided = [names(config, split) for split in SPLITS]
    assert [len(part) for part in divided] == [14, 3, 3] and len({name for part in divided for name in part}) == 20
    for part in ("train", "test"):
        (folder / part).mkdir()
    for path in folder.glob("*.npy"):
        path.rename(folder / "train" / path.name)
    np.save(folder / "test" / "a.npy", array(12, 50))
    train, validation = names(config, "train"), names(config, "validation")
    assert len(train) == 17 and len(validation) == 3 and not set(train) & set(validation)
    assert names(config, "test") == ["test/a.npy"]


def test_a_single_video_is_cut_in_time(folder, config):
    np.save(folder / "a.npy", array(100))
    seen = {}
    for split in SPLITS:
        clips = Videos(config, split).frames(tf.range(200, dtype=tf.int64))
        seen[split] = set(clips[:, :, 0, 0, 1].numpy().ravel().tolist())
    assert seen == {"train": set(range(70)), "validation": set(range(70, 85)), "test": set(range(85, 100))}


def test_each_size_and_resize_mode_has_its_own_cache(folder, config):
    np.save(folder / "a.npy", array(12))
    changes = ({}, {"channels": 1}, {"image_width": 64}, {"resize": "squash"})
    made = [videos.prepare(config.replace(**change)).videos[0] for change in changes]
    assert [video.shape for video in made] == [(32, 32, 3), (32, 32, 1), (64, 64, 3), (32, 32, 3)]
    assert len({video.path for video in made}) == 4


def test_a_video_is_decoded_again_only_after_a_change(folder, config, decoded):
    for name in "ab":
        np.save(folder / f"{name}.npy", array(12))
    (folder / "c").mkdir()
    Image.fromarray(array(1)[0]).save(folder / "c" / "1.png")
    videos.prepare(config)
    decoded.clear()
    videos.prepare(config)
    assert decoded == []
    np.save(folder / "a.npy", array(15, 3))
    Image.fromarray(array(2)[1]).save(folder / "c" / "2.png")
    collection = videos.prepare(config)
    assert sorted(decoded) == ["a.npy", "c"]
    np.testing.assert_array_equal(collection.videos[0].read(0, 15), array(15, 3))
    assert len(collection.videos[2]) == 2


def test_an_interrupted_preparation_continues(folder, config, decoded, monkeypatch):
    for name in "abcd":
        np.save(folder / f"{name}.npy", array(12))
    recording = decoding.read

    def interrupt_at_third(*arguments):
        if len(decoded) == 2:
            raise KeyboardInterrupt
        return recording(*arguments)

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(decoding, "read", interrupt_at_third)
        videos.prepare(config)
    assert len(list((folder / "svg_tf_cache" / "32x32x3_crop").iterdir())) == 2
    assert len(videos.prepare(config).videos) == 4 and len(decoded) == 4


def test_unusable_files_are_listed_and_tried_again_when_replaced_or_on_request(folder, config, decoded):
    np.save(folder / "good.npy", array(12))
    (folder / "text.avi").write_text("this is not a video")
    (folder / "link.mp4").symlink_to(folder / "missing.mp4")
    (folder / "sizes").mkdir()
    for number in range(3):
        Image.new("L", (32 + number // 2, 32)).save(folder / "sizes" / f"{number}.png")
    collection = videos.prepare(config)
    assert [video.name for video in collection.videos] == ["good.npy"]
    assert collection.skipped == {
        "link.mp4": "cannot be read: No such file or directory",
        "sizes": "frame 2 is 33x32, not 32x32",
        "text.avi": "cannot be read: Invalid data found when processing input",
    }
    assert json.loads(Path(collection.skipped_path).read_text()) == collection.skipped
    decoded.clear()
    assert videos.prepare(config).skipped == collection.skipped and not decoded
    videos.prepare(config, retry=True)
    assert sorted(decoded) == ["link.mp4", "sizes", "text.avi"]
    video_files.write_video(folder / "text.avi", video_files.frames(12))
    assert set(videos.prepare(config).skipped) == {"link.mp4", "sizes"}


def test_a_wrong_folder_names_the_expected_files_and_is_left_unchanged(folder, config, tmp_path):
    with pytest.raises(DataError, match=r"contain no videos: set --data_dir to .*\.mp4"):
        videos.prepare(config)
    assert not list(folder.iterdir())
    for missing in ("", str(tmp_path / "none")):
        with pytest.raises(DataError, match=f"data_dir '{missing}' is not a folder: set --data_dir to"):
            videos.prepare(CONFIG.replace(data_dir=missing))
    (folder / "a.mp4").write_bytes(b"broken")
    with pytest.raises(DataError, match="none of the 1 videos .* is usable; the first, a.mp4, cannot be read"):
        videos.prepare(config)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written: .*; set --cache_dir to a writable folder"):
        videos.prepare(config.replace(cache_dir=str(tmp_path / "file")))
