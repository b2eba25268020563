"""Tests of svg_tf/data/videos.py and of the decode cache in svg_tf/data/cache.py."""

import json
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


def test_a_video_is_decoded_again_only_after_a_change(folder, config, decoded):
    for name in "ab":
        np.save(folder / f"{name}.npy", array(12))
    (folder / "c").mkdir()
    Image.fromarray(array(1)[0]).save(folder / "c" / "1.png")
    videos.prepare(config)
    decoded.clear()
    np.save(folder / "a.npy", array(15, 3))
    Image.fromarray(array(2)[1]).save(folder / "c" / "2.png")
    collection = videos.prepare(config)
    assert sorted(decoded) == ["a.npy", "c"]
    np.testing.assert_array_equal(collection.videos[0].read(0, 15), array(15, 3))
    assert len(collection.videos[2]) == 2
    other_form = videos.prepare(config.replace(channels=1)).videos[0]
    assert other_form.shape == (32, 32, 1) and other_form.path != collection.videos[0].path


def test_unusable_files_are_listed_and_tried_again_when_replaced_or_on_request(folder, config, decoded):
    np.save(folder / "good.npy", array(12))
    (folder / "text.avi").write_text("this is not a video")
    (folder / "sizes").mkdir()
    for number in range(3):
        Image.new("L", (32 + number // 2, 32)).save(folder / "sizes" / f"{number}.png")
    collection = videos.prepare(config)
    assert [video.name for video in collection.videos] == ["good.npy"]
    assert collection.skipped == {
        "sizes": "frame 2 is 33x32, not 32x32",
        "text.avi": "cannot be read: Invalid data found when processing input",
    }
    assert json.loads(Path(collection.skipped_path).read_text()) == collection.skipped
    decoded.clear()
    assert videos.prepare(config).skipped == collection.skipped and not decoded
    videos.prepare(config, retry=True)
    assert sorted(decoded) == ["sizes", "text.avi"]
    video_files.write_video(folder / "text.avi", video_files.frames(12))
    assert set(videos.prepare(config).skipped) == {"sizes"}
    with pytest.raises(DataError, match="data_dir '' is not a folder: set --data_dir to"):
        videos.prepare(config.replace(data_dir=""))
