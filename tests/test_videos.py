"""Tests of svg_tf/data/videos.py."""

import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import video_files
from PIL import Image

from svg_tf import files
from svg_tf.config import Config, ConfigError
from svg_tf.data import decoding, videos
from svg_tf.data.dataset import make_dataset
from svg_tf.data.errors import DataError
from svg_tf.data.videos import Videos

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "videos"
CONFIG = Config(
    dataset="videos", channels=3, image_width=32, n_past=2, n_future=3, n_eval=8, batch_size=4, validation_steps=1
)


def array(count, number=0):
    """A video that says its number and its frames' numbers in its first pixel, and comes through exactly."""
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


def names(config, split):
    return [video.name for video in Videos(config, split).videos]


def test_videos_of_every_kind_are_found_and_decoded(folder, config):
    for ending in video_files.CODECS:
        video_files.write_video(folder / f"a{ending}", video_files.frames(12))
    (folder / "deep" / "er").mkdir(parents=True)
    video_files.write_video(folder / "deep" / "er" / "UPPER.avi", video_files.frames(12))
    (folder / "deep" / "er" / "UPPER.avi").rename(folder / "deep" / "er" / "UPPER.AVI")
    np.save(folder / "a.npy", array(12))
    np.savez(folder / "a.npz", array(12))
    (folder / "images").mkdir()
    for number, frame in enumerate(array(12)):
        Image.fromarray(frame).save(folder / "images" / f"{number}.png")
    (folder / "notes.txt").write_text("not a video")
    (folder / ".hidden.mp4").write_text("not shown")
    collection = videos.prepare(config)
    expected = ["a.avi", "a.gif", "a.mkv", "a.mov", "a.mp4", "a.npy", "a.npz", "a.webm", "deep/er/UPPER.AVI", "images"]
    assert [video.name for video in collection.videos] == expected and not collection.skipped
    assert {len(video) for video in collection.videos} == {12}
    for video in collection.videos:
        if video.name in ("a.npy", "a.npz", "images"):
            np.testing.assert_array_equal(video.read(0, 12), array(12))


def test_the_cache_is_an_array_file_for_each_video(folder, config):
    np.save(folder / "a.npy", array(12))
    videos.prepare(config)
    (cached,) = (folder / "svg_tf_cache" / "32x32x3_crop").glob("*.npy")
    np.testing.assert_array_equal(np.load(cached), array(12))


def test_folders_named_for_splits_are_the_splits(folder, config):
    for number, split in enumerate(("train", "validation", "test", "other")):
        (folder / split).mkdir()
        np.save(folder / split / "a.npy", array(12, number))
    for number, split in enumerate(("train", "validation", "test")):
        assert names(config, split) == [f"{split}/a.npy"]
        clips = next(iter(make_dataset(config, split))).numpy()
        assert set(clips[:, :, 0, 0, 0].ravel()) == {number}


def test_validation_is_held_out_of_train_where_it_has_no_folder(folder, config):
    (folder / "train").mkdir()
    (folder / "test").mkdir()
    np.save(folder / "test" / "a.npy", array(12, 50))
    for number in range(20):
        np.save(folder / "train" / f"{number}.npy", array(8, number))
    train, validation = names(config, "train"), names(config, "validation")
    assert len(train) == 17 and len(validation) == 3 and not set(train) & set(validation)
    assert names(config, "test") == ["test/a.npy"]


def test_videos_without_folders_are_divided_the_same_way_for_every_seed(folder, config):
    for number in range(20):
        np.save(folder / f"{number}.npy", array(8, number))
    divided = [names(config, split) for split in ("train", "validation", "test")]
    assert [len(part) for part in divided] == [14, 3, 3] and len({name for part in divided for name in part}) == 20
    assert names(config.replace(seed=7), "test") == divided[2]


def test_a_single_video_is_cut_in_time(folder, config):
    np.save(folder / "a.npy", array(100))
    seen = {}
    for split in ("train", "validation", "test"):
        clips = np.concatenate(list(make_dataset(config, split, n_clips=200)))
        seen[split] = set(clips[:, :, 0, 0, 1].ravel().tolist())
    assert seen["train"] == set(range(70)) and seen["validation"] == set(range(70, 85))
    assert seen["test"] <= set(range(85, 100)) and len(seen["test"]) > 10  # of its few clips


def test_batches_resume_exactly_at_any_step(folder, config):
    for number, length in enumerate((9, 40, 13)):
        np.save(folder / f"{number}.npy", array(length, number))
    full = [batch.numpy() for batch in make_dataset(config, "train").take(8)]
    for step in (1, 7):
        np.testing.assert_array_equal(next(iter(make_dataset(config, "train", step))), full[step])


def test_long_videos_are_visited_more_often(folder, config):
    for split in ("train", "validation", "test"):
        (folder / split).mkdir()
        np.save(folder / split / "a.npy", array(4, 9))
    np.save(folder / "train" / "0.npy", array(5, 0))
    np.save(folder / "train" / "1.npy", array(95, 1))
    clips = np.concatenate(list(make_dataset(config, "train", n_clips=40)))
    assert np.bincount(clips[:, 0, 0, 0, 0]).tolist() == [2, 38]


def test_forms_and_ways_of_resizing_have_a_cache_each(folder, config):
    video_files.write_video(folder / "a.mp4", video_files.frames(30))
    shapes = []
    for changes in ({}, {"channels": 1}, {"image_width": 64}, {"resize": "squash"}):
        video = videos.prepare(config.replace(**changes)).videos[0]
        shapes.append((video.shape, video.path))
    assert [shape for shape, _ in shapes] == [(32, 32, 3), (32, 32, 1), (64, 64, 3), (32, 32, 3)]
    assert len({path for _, path in shapes}) == 4


def test_what_is_decoded_is_not_decoded_again_until_the_file_changes(folder, config, monkeypatch):
    for name in "ab":
        np.save(folder / f"{name}.npy", array(12))
    (folder / "c").mkdir()
    Image.fromarray(array(1)[0]).save(folder / "c" / "1.png")
    videos.prepare(config)
    read = []
    actual = decoding.read
    monkeypatch.setattr(decoding, "read", lambda path, form: read.append(Path(path).name) or actual(path, form))
    videos.prepare(config)
    assert read == []
    np.save(folder / "a.npy", array(15, 3))
    Image.fromarray(array(2)[1]).save(folder / "c" / "2.png")
    collection = videos.prepare(config)
    assert sorted(read) == ["a.npy", "c"]
    np.testing.assert_array_equal(collection.videos[0].read(0, 15), array(15, 3))
    assert len(collection.videos[2]) == 2


def test_an_interrupted_preparation_goes_on_where_it_was(folder, config, monkeypatch):
    for name in "abcdef":
        np.save(folder / f"{name}.npy", array(12))
    actual, read = decoding.read, []

    def interrupt_at_third(path, form):
        read.append(path)
        if len(read) == 3:
            raise KeyboardInterrupt
        return actual(path, form)

    monkeypatch.setattr(decoding, "read", interrupt_at_third)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        videos.prepare(config)
    cache = folder / "svg_tf_cache" / "32x32x3_crop"
    done = len(list(cache.glob("*.npy")))
    assert 2 <= done < 6 and not list(cache.glob(f"{files._ASIDE}*"))
    read.clear()
    monkeypatch.setattr(decoding, "read", lambda path, form: read.append(path) or actual(path, form))
    assert len(videos.prepare(config).videos) == 6
    assert len(read) == 6 - done


def test_decoding_stops_within_a_video_when_asked(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", array(12))
    stop = threading.Event()
    stop.set()
    with pytest.raises(InterruptedError):
        videos._write(str(tmp_path / "out"), str(tmp_path / "a.npy"), decoding.Form(32, 3, "crop"), stop)


def test_files_that_cannot_be_used_are_listed_and_the_others_stay(folder, config):
    video_files.write_video(folder / "good.mp4", video_files.frames(30), faststart=True)
    data = (folder / "good.mp4").read_bytes()
    for tenth in range(10):
        (folder / f"cut{tenth}.mp4").write_bytes(data[: len(data) * tenth // 10])
    (folder / "text.avi").write_text("this is no video")
    np.save(folder / "wrong.npy", np.zeros((4, 4)))
    (folder / "sizes").mkdir()
    for number in range(3):
        Image.new("L", (32 + number // 2, 32)).save(folder / "sizes" / f"{number}.png")
    collection = videos.prepare(config)
    assert [video.name for video in collection.videos] == ["good.mp4"]
    assert set(collection.skipped) == {*(f"cut{n}.mp4" for n in range(10)), "text.avi", "wrong.npy", "sizes"}
    assert collection.skipped["cut0.mp4"] == "is empty"
    assert collection.skipped["sizes"] == "frame 2 is 33x32, not 32x32"
    assert json.loads(Path(collection.skipped_path).read_text()) == collection.skipped


def test_what_cannot_be_used_is_tried_again_when_replaced_or_asked_for(folder, config, monkeypatch):
    np.save(folder / "a.npy", array(12))
    (folder / "b.npy").write_bytes(b"broken")
    actual, read = decoding.read, []
    monkeypatch.setattr(decoding, "read", lambda path, form: read.append(Path(path).name) or actual(path, form))
    assert set(videos.prepare(config).skipped) == {"b.npy"}
    read.clear()
    assert set(videos.prepare(config).skipped) == {"b.npy"} and not read
    videos.prepare(config, retry=True)
    assert read == ["b.npy"]
    np.save(folder / "b.npy", array(12))
    collection = videos.prepare(config)
    assert len(collection.videos) == 2 and not collection.skipped
    assert json.loads(Path(collection.skipped_path).read_text()) == {}


def test_too_short_videos_are_left_out_and_too_few_are_an_error(folder, config):
    for split in ("train", "validation", "test"):
        (folder / split).mkdir()
        np.save(folder / split / "a.npy", array(9))
        np.save(folder / split / "b.npy", array(4))
    assert names(config, "train") == ["train/a.npy"]
    with pytest.raises(DataError, match="train split .* need 10 frames, and the longest of 2 has 9"):
        Videos(config.replace(n_future=8), "train")


def test_nothing_usable_is_one_sentence(folder, config):
    (folder / "a.mp4").write_bytes(b"broken")
    with pytest.raises(DataError, match="none of the 1 videos .* can be used; the first, a.mp4, cannot be read"):
        videos.prepare(config)


def test_a_wrong_folder_says_what_was_looked_for_and_nothing_is_made(folder, config):
    with pytest.raises(DataError, match=r"has no videos in it or its folders: set --data_dir to .*\.mp4"):
        videos.prepare(config)
    assert not list(folder.iterdir())
    with pytest.raises(DataError, match="data_dir is empty"):
        videos.prepare(CONFIG)
    np.save(folder / "a.npy", array(12))
    with pytest.raises(DataError, match="split is 'eval'"):
        Videos(config, "eval")


def test_a_cache_that_cannot_be_written_is_one_sentence(folder, config, tmp_path):
    np.save(folder / "a.npy", array(12))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written: .*; name a folder that can by --cache_dir"):
        videos.prepare(config.replace(cache_dir=str(tmp_path / "file")))


def test_one_cache_dir_serves_many_folders(tmp_path):
    for name in ("one/data", "two/data"):
        (tmp_path / name).mkdir(parents=True)
        np.save(tmp_path / name / "a.npy", array(12, len(name)))
        shutil.copystat(tmp_path / "one/data/a.npy", tmp_path / name / "a.npy")
    np.save(tmp_path / "two/data/a.npy", array(12, 77))
    shutil.copystat(tmp_path / "one/data/a.npy", tmp_path / "two/data/a.npy")
    config = CONFIG.replace(cache_dir=str(tmp_path / "c"))
    configs = [config.replace(data_dir=str(tmp_path / name)) for name in ("one/data", "two/data")]
    first = [videos.prepare(config).videos[0].read(0, 1)[0, 0, 0, 0] for config in configs]
    assert first == [8, 77]


@pytest.mark.parametrize(
    "fields", [{"channels": 2}, {"frame_stride": 0}, {"resize": "stretch"}, {"dataset": "smmnist", "frame_stride": 2}]
)
def test_a_configuration_that_does_not_fit_is_an_error(fields):
    with pytest.raises(ConfigError):
        CONFIG.replace(**fields)


@pytest.mark.skipif(not SHARED.exists(), reason="the sample videos are not here")
def test_the_real_videos_are_prepared(tmp_path):
    config = CONFIG.replace(data_dir=str(SHARED), cache_dir=str(tmp_path), image_width=64)
    collection = videos.prepare(config)
    assert {video.name: len(video) for video in collection.videos} == {"bikes.mp4": 250, "carphone_pristine.mp4": 120}
    assert next(iter(make_dataset(config, "train"))).shape == (4, 5, 64, 64, 3)
