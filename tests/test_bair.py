"""Tests of svg_tf/data/bair.py."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
import video_files
from PIL import Image

from svg_tf.config import Config
from svg_tf.data.bair import BAIR
from svg_tf.data.dataset import make_dataset
from svg_tf.data.errors import DataError

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "bair"
CONFIG = Config(dataset="bair", channels=3, n_past=2, n_future=4, n_eval=30, batch_size=3, validation_steps=1)


def trajectory(number):
    video = np.random.default_rng(number).integers(0, 256, (30, 64, 64, 3), np.uint8)
    video[:, 0, 0, 0], video[:, 0, 0, 1] = number, np.arange(30)
    return video


def write(folder, part, name, numbers):
    records = [video_files.bair_example(trajectory(number)) for number in numbers]
    video_files.write_records(folder / part / name, records)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """softmotion30_44k with 12 trajectories to train on and 3 to test."""
    folder = tmp_path_factory.mktemp("bair") / "softmotion30_44k"
    write(folder, "train", "traj_0_to_3.tfrecords", range(4))
    write(folder, "train", "traj_10_to_11.tfrecords", (10, 11))
    write(folder, "train", "traj_4_to_9.tfrecords", range(4, 10))
    write(folder, "test", "traj_0_to_255.tfrecords", (100, 101, 102))
    return folder


@pytest.fixture
def config(published, tmp_path):
    return CONFIG.replace(data_dir=str(published), cache_dir=str(tmp_path / "cache"))


def test_the_test_split_is_the_test_trajectories_in_order(config):
    (batch,) = list(make_dataset(config, "test"))
    np.testing.assert_array_equal(batch, np.stack([trajectory(number) for number in (100, 101, 102)]))


def test_training_clips_are_consecutive_frames_as_stored_and_validation_is_held_out(config):
    seen = {}
    for split in ("train", "validation"):
        clips = BAIR(config, split).frames(tf.range(60, dtype=tf.int64)).numpy()
        numbers, times = clips[:, 0, 0, 0, 0], clips[:, :, 0, 0, 1]
        for clip, number, time in zip(clips, numbers, times, strict=True):
            np.testing.assert_array_equal(clip, trajectory(int(number))[time[0] : time[0] + 6])
        assert len(set(times[:, 0])) > 10
        seen[split] = set(numbers.tolist())
    # In the order of the files' numbers, a tenth rounded up.
    assert seen == {"train": set(range(10)), "validation": {10, 11}}


def test_batches_resume_exactly_and_depend_on_the_seed(config):
    full = [batch.numpy() for batch in make_dataset(config, "train").take(9)]
    np.testing.assert_array_equal(next(iter(make_dataset(config, "train", 8))), full[8])
    assert not (next(iter(make_dataset(config.replace(seed=1), "train"))).numpy() == full[0]).all()


def test_the_folder_above_serves_too_and_contains_the_cache(config, published):
    source = BAIR(CONFIG.replace(data_dir=str(published.parent)), "test")
    assert [video.name for video in source.videos] == [f"test/traj_0_to_255.tfrecords:{n}" for n in range(3)]
    assert list((published / "svg_tf_cache" / "records").iterdir())


def test_records_prepared_by_tensorflow_datasets_give_the_same_pixels(published, tmp_path):
    builder = tfds.builder("bair_robot_pushing_small", data_dir=str(tmp_path))
    parts = {part: sorted(str(path) for path in (published / part).iterdir()) for part in ("train", "test")}
    builder._split_generators = lambda manager: {
        part: builder._generate_examples(filedir=str(published / part)) for part in parts
    }
    builder.download_and_prepare()
    config = CONFIG.replace(data_dir=str(tmp_path))
    clips = BAIR(config, "test").frames(tf.range(3, dtype=tf.int64)).numpy()
    numbers = clips[:, 0, 0, 0, 0].tolist()
    assert sorted(numbers) == [100, 101, 102]
    np.testing.assert_array_equal(clips, np.stack([trajectory(number) for number in numbers]))
    train = BAIR(config, "train").frames(tf.range(20, dtype=tf.int64)).numpy()
    for clip in train:
        start = clip[0, 0, 0, 1]
        np.testing.assert_array_equal(clip, trajectory(int(clip[0, 0, 0, 0]))[start : start + 6])
    assert len(BAIR(config, "train").videos) + len(BAIR(config, "validation").videos) == 12


def test_unusable_records_are_listed_and_the_others_stay(tmp_path):
    good = trajectory(1)
    records = [
        video_files.bair_example(good),
        video_files.bair_example(good, **{"7/image_aux1/encoded": None}),
        video_files.bair_example(good, **{"7/image_aux1/encoded": [b"short"]}),
        video_files.bair_example(good[:20]),
        b"this is no example",
        video_files.bair_example(good, **{"3/image_main/encoded": None}),  # not needed
    ]
    video_files.write_records(tmp_path / "test" / "traj_0_to_5.tfrecords", records)
    source = BAIR(CONFIG.replace(data_dir=str(tmp_path)), "test")
    assert [video.name[-1] for video in source.videos] == ["0", "5"]
    reasons = {name[-1]: reason for name, reason in source.collection.skipped.items()}
    assert reasons["1"] == "lacks the feature 7/image_aux1/encoded"
    assert reasons["2"] == "has a frame of 5 bytes, not 12288"
    assert reasons["3"] == "lacks the feature 20/image_aux1/encoded"
    assert set(reasons) == {"1", "2", "3", "4"}
    assert json.loads(Path(source.collection.skipped_path).read_text()) == source.collection.skipped


def test_a_cut_file_gives_its_complete_trajectories(published, tmp_path):
    data = (published / "train" / "traj_4_to_9.tfrecords").read_bytes()
    path = tmp_path / "test" / "traj_0_to_5.tfrecords"
    path.parent.mkdir()
    config = CONFIG.replace(data_dir=str(tmp_path))
    for tenth in (0, 1, 4, 5, 9):
        path.write_bytes(data[: len(data) * tenth // 10])
        count = 6 * tenth // 10
        if not count:
            with pytest.raises(DataError, match="has no usable trajectory in its test part"):
                BAIR(config, "test")
            continue
        source = BAIR(config, "test")
        np.testing.assert_array_equal(source.videos[-1].read(0, 30), trajectory(3 + count))
        assert len(source.videos) == count
        assert len(source.collection.skipped) == (6 * tenth % 10 > 0)  # a cut between two records cannot be seen


def test_a_wrong_folder_names_the_expected_files(tmp_path):
    with pytest.raises(DataError, match=r"neither train/\*\.tfrecords nor bair_robot_pushing_small.*\.tar"):
        BAIR(CONFIG.replace(data_dir=str(tmp_path)), "train")
    with pytest.raises(DataError, match="is not a folder: set --data_dir to softmotion30_44k"):
        BAIR(CONFIG.replace(data_dir=str(tmp_path / "none")), "train")
    assert not list(tmp_path.iterdir())
    write(tmp_path, "train", "traj_0_to_0.tfrecords", [1])
    with pytest.raises(DataError, match=r"has no test/\*\.tfrecords"):
        BAIR(CONFIG.replace(data_dir=str(tmp_path)), "test")
    with pytest.raises(DataError, match="train split of data_dir .* has no videos"):
        BAIR(CONFIG.replace(data_dir=str(tmp_path)), "train")  # validation has its only trajectory
    with pytest.raises(DataError, match="split is 'eval'"):
        BAIR(CONFIG.replace(data_dir=str(tmp_path)), "eval")


@pytest.mark.skipif(not SHARED.exists(), reason="the BAIR sample is not available")
def test_real_frames_come_back_as_they_were_written(tmp_path):
    videos = [
        np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])
        for folder in sorted(SHARED.iterdir())
    ]
    video_files.write_records(tmp_path / "test" / "traj_0_to_4.tfrecords", map(video_files.bair_example, videos))
    batches = make_dataset(CONFIG.replace(data_dir=str(tmp_path)), "test").unbatch()
    np.testing.assert_array_equal(list(batches), videos)
