"""Tests of svg_tf/data/bair.py."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
import video_files

from svg_tf.config import Config
from svg_tf.data.bair import BAIR
from svg_tf.data.dataset import make_dataset
from svg_tf.data.errors import DataError

CONFIG = Config(dataset="bair", channels=3, n_past=2, n_future=4, n_eval=30, batch_size=3, validation_steps=1)


def trajectory(number):
    """Frames with the number of the trajectory and their own number in the first pixel."""
    video = np.random.default_rng(number).integers(0, 256, (30, 64, 64, 3), np.uint8)
    video[:, 0, 0, 0], video[:, 0, 0, 1] = number, np.arange(30)
    return video


def write(folder, part, name, numbers):
    records = [video_files.bair_example(trajectory(number)) for number in numbers]
    video_files.write_records(folder / part / name, records)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """softmotion30_44k with 12 training trajectories and 3 test trajectories."""
    folder = tmp_path_factory.mktemp("bair") / "softmotion30_44k"
    write(folder, "train", "traj_0_to_3.tfrecords", range(4))
    write(folder, "train", "traj_10_to_11.tfrecords", (10, 11))
    write(folder, "train", "traj_4_to_9.tfrecords", range(4, 10))
    write(folder, "test", "traj_0_to_255.tfrecords", (100, 101, 102))
    return folder


@pytest.fixture
def config(published, tmp_path):
    return CONFIG.replace(data_dir=str(published), cache_dir=str(tmp_path / "cache"))


def check_clips(clips):
    """Compare clips of any trajectories with the pixels written."""
    for clip in clips:
        start = clip[0, 0, 0, 1]
        np.testing.assert_array_equal(clip, trajectory(int(clip[0, 0, 0, 0]))[start : start + len(clip)])


def test_clips_are_frames_as_stored_and_validation_is_held_out(config):
    (batch,) = list(make_dataset(config, "test"))
    np.testing.assert_array_equal(batch, np.stack([trajectory(number) for number in (100, 101, 102)]))
    seen = {}
    for split in ("train", "validation"):
        clips = BAIR(config, split).frames(tf.range(60, dtype=tf.int64)).numpy()
        check_clips(clips)
        assert len(set(clips[:, 0, 0, 0, 1])) > 10
        seen[split] = set(clips[:, 0, 0, 0, 0].tolist())
    assert seen == {"train": set(range(10)), "validation": {10, 11}}  # the last tenth in natural order of the files


def test_records_of_tensorflow_datasets_give_the_same_pixels(published, tmp_path):
    builder = tfds.builder("bair_robot_pushing_small", data_dir=str(tmp_path))
    builder._split_generators = lambda manager: {
        part: builder._generate_examples(filedir=str(published / part)) for part in ("train", "test")
    }
    builder.download_and_prepare()
    config = CONFIG.replace(data_dir=str(tmp_path))
    clips = BAIR(config, "test").frames(tf.range(3, dtype=tf.int64)).numpy()
    assert sorted(clips[:, 0, 0, 0, 0].tolist()) == [100, 101, 102]
    check_clips(clips)
    check_clips(BAIR(config, "train").frames(tf.range(20, dtype=tf.int64)).numpy())


def test_unusable_records_are_listed_and_the_others_stay(tmp_path):
    good = trajectory(1)
    good[5] = good[6]  # frames with equal bytes
    records = [
        video_files.bair_example(good),
        video_files.bair_example(good, **{"7/image_aux1/encoded": None}),
        video_files.bair_example(good, **{"7/image_aux1/encoded": [b"short"]}),
        b"this is not an example",
        video_files.bair_example(good),
    ]
    video_files.write_records(tmp_path / "test" / "traj_0_to_4.tfrecords", records)
    source = BAIR(CONFIG.replace(data_dir=str(tmp_path)), "test")
    assert [video.name[-1] for video in source.videos] == ["0", "4"]
    np.testing.assert_array_equal(source.videos[1].read(0, 30), good)
    reasons = {name[-1]: reason for name, reason in source.collection.skipped.items()}
    assert reasons == {
        "1": "lacks the feature 7/image_aux1/encoded",
        "2": "has a frame of 5 bytes, not 12288",
        "3": "is not a tf.train.Example",
    }


def test_a_cut_file_gives_the_trajectories_before_the_cut(published, tmp_path):
    data = (published / "train" / "traj_4_to_9.tfrecords").read_bytes()
    path = tmp_path / "test" / "traj_0_to_5.tfrecords"
    path.parent.mkdir()
    config = CONFIG.replace(data_dir=str(tmp_path))
    path.write_bytes(data[: len(data) * 8 // 10])
    source = BAIR(config, "test")
    assert len(source.videos) == 4 and list(source.collection.skipped) == [f"test/{path.name}:4"]
    np.testing.assert_array_equal(source.videos[-1].read(0, 30), trajectory(7))
    with pytest.raises(DataError, match=r"no train/\*\.tfrecords and no prepared bair_robot_pushing.*\.tar"):
        BAIR(config, "train")
