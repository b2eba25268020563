"""Tests of svg_tf/data/kth.py and svg_tf/data/kth_actions.py."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
import video_files
from PIL import Image

from svg_tf.config import Config, ConfigError
from svg_tf.data import kth, kth_actions
from svg_tf.data.dataset import make_dataset
from svg_tf.data.errors import DataError
from svg_tf.data.kth import KTH

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "kth"
CONFIG = Config(dataset="kth", n_past=2, n_future=3, n_eval=8, batch_size=4, validation_steps=2)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder of originals in two folders: persons 1, 19, 21 and what is wrong with others."""
    folder = tmp_path_factory.mktemp("kth")
    walking, running = folder / "walking", folder / "running"
    video_files.write_kth(walking, "person01_walking_d1", 40, [(1, 12), (15, 31), (32, 40)], seed=1)
    video_files.write_kth(walking, "person19_walking_d2", 20, [(3, 20)], seed=2)
    video_files.write_kth(walking, "person21_walking_d1", 30, [(1, 10), (11, 15)], seed=3)
    video_files.write_kth(running, "person22_running_d4", 25, seed=4)
    with open(walking / "00sequences.txt", "a") as file:
        file.write("person22_running_d4   frames   1-9,10-25\r\nperson13_handclapping_d3  *missing*\r\n")
    return folder


@pytest.fixture
def config(original, tmp_path):
    return CONFIG.replace(data_dir=str(original), cache_dir=str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def prepared(original, tmp_path_factory):
    """A configuration whose data is decoded."""
    config = CONFIG.replace(data_dir=str(original), cache_dir=str(tmp_path_factory.mktemp("cache")))
    kth.prepare(config)
    return config


def names(source):
    return [video.name for video in source.videos]


def test_the_clips_are_the_official_sub_sequences_and_the_splits_the_persons_of_the_protocol(prepared):
    sources = {split: KTH(prepared, split) for split in ("train", "validation", "test")}
    assert names(sources["train"]) == [f"person01_walking_d1_{number}" for number in (1, 2, 3)]
    assert names(sources["validation"]) == ["person19_walking_d2_1"]
    assert names(sources["test"]) == ["person21_walking_d1_1", "person22_running_d4_1", "person22_running_d4_2"]
    assert [video.name for video in sources["test"].too_short] == ["person21_walking_d1_2"]
    assert [len(video) for video in sources["train"].videos] == [12, 17, 9]


def test_frames_are_the_original_s_squashed_and_grey(prepared):
    video = KTH(prepared, "train").videos[1]  # frames 15 to 31, counted from 1
    expected = video_files.frames(40, width=160, height=120, seed=1)[14:31]
    expected = [Image.fromarray(f).convert("L").resize((64, 64), Image.Resampling.BICUBIC) for f in expected]
    error = video.read(0, 17)[..., 0].astype(int) - np.stack([np.asarray(image) for image in expected])
    assert np.abs(error).mean() < 2 and np.abs(error.mean(axis=(1, 2))).max() < 2  # the codec's and no more
    assert video.shape == (64, 64, 1)


def test_the_published_splits_share_no_person_and_leave_none_out():
    for name, persons in kth.PERSONS.items():
        together = sorted(person for split in persons.values() for person in split)
        assert together == list(range(1, 26)), name
    assert set(kth.PERSONS["svg"]["test"]) == set(range(21, 26))
    assert set(kth.PERSONS["savp"]["test"]) == set(range(17, 26))
    assert set(kth.PERSONS["official"]["train"]) == set(range(11, 19))
    assert {len(kth.PERSONS["official"][split]) for split in ("validation", "test")} == {8, 9}


def test_a_protocol_is_chosen_without_decoding_again(prepared, monkeypatch):
    monkeypatch.setattr(kth_actions.decoding, "read", None)
    assert names(KTH(prepared.replace(kth_split="savp"), "test"))[0] == "person19_walking_d2_1"
    assert names(KTH(prepared.replace(kth_split="official"), "validation"))[0] == "person01_walking_d1_1"


def test_persons_who_are_not_there_are_named_with_where_to_get_them(original, prepared):
    with pytest.raises(DataError) as error:
        KTH(prepared.replace(kth_split="official"), "train")
    for part in ("11, 12, 13", "persons 1, 19, 21, 22", "www.csc.kth.se/cvap/actions/", "--kth_split=trial"):
        assert part in str(error.value)


def test_a_trial_needs_no_person_in_particular(prepared):
    sources = [KTH(prepared.replace(kth_split="trial", n_past=1, n_future=1, n_eval=2), s) for s in kth.SPLITS]
    assert all(source.videos for source in sources)


def test_whole_videos_are_a_data_set_of_their_own(config):
    whole = config.replace(kth_clips="whole")
    assert names(KTH(whole, "train")) == ["person01_walking_d1"]
    assert len(KTH(whole, "train").videos[0]) == 40


def test_the_larger_size_is_made_from_the_original(config):
    source = KTH(config.replace(image_width=128), "train")
    assert source.frames(tf.constant([0], tf.int64)).shape == (1, 5, 128, 128, 1)


def test_batches_resume_exactly_at_any_step(prepared):
    full = [batch.numpy() for batch in make_dataset(prepared, "train").take(6)]
    for step in (1, 5):
        np.testing.assert_array_equal(next(iter(make_dataset(prepared, "train", step))), full[step])
    assert full[0].shape == (4, 5, 64, 64, 1) and full[0].dtype == np.uint8
    assert sum(len(batch) for batch in make_dataset(prepared, "validation")) == 8


def test_the_test_is_the_same_in_every_run(prepared):
    one, two = (list(make_dataset(prepared.replace(seed=seed), "test").unbatch()) for seed in (0, 9))
    assert len(one) == KTH(prepared, "test").test_clips == 3 + 2 + 9
    np.testing.assert_array_equal(one, two)


def test_tensorflow_datasets_loads_it_by_name(prepared, original, tmp_path):
    download = tfds.download.DownloadConfig(manual_dir=str(original))
    loaded = tfds.load(
        "kth_actions/64", data_dir=str(tmp_path), download_and_prepare_kwargs={"download_config": download}
    )
    assert set(loaded) == {"train", "test"}
    examples = {example["name"].decode(): example for example in tfds.as_numpy(loaded["train"])}
    assert set(examples) == {"person19_walking_d2_1", *(f"person01_walking_d1_{number}" for number in (1, 2, 3))}
    example = examples["person19_walking_d2_1"]
    assert (example["person"], example["scenario"], kth_actions.ACTIONS[example["action"]]) == (19, 2, "walking")
    np.testing.assert_array_equal(example["video"], KTH(prepared, "validation").videos[0].read(0, 18))
    # The same folder serves as data_dir, without the originals.
    assert names(KTH(prepared.replace(data_dir=str(tmp_path)), "validation")) == ["person19_walking_d2_1"]


def test_originals_that_were_added_are_decoded_too_and_those_that_went_are_not_missed(original, config, tmp_path):
    folder = tmp_path / "kth"
    shutil.copytree(original, folder)
    config = config.replace(data_dir=str(folder))
    (folder / "walking" / "person19_walking_d2_uncomp.avi").rename(tmp_path / "away.avi")
    with pytest.raises(DataError, match="persons 19, 20"):
        KTH(config, "validation")
    (tmp_path / "away.avi").rename(folder / "person19_walking_d2_uncomp.avi")
    assert names(KTH(config, "validation")) == ["person19_walking_d2_1"]
    for path in folder.rglob("*.avi"):
        path.unlink()
    assert names(KTH(config, "validation")) == ["person19_walking_d2_1"]


def test_files_that_cannot_be_used_are_listed_and_the_others_stay(original, config, tmp_path):
    folder = tmp_path / "kth"
    shutil.copytree(original, folder)
    good = (folder / "walking" / "person01_walking_d1_uncomp.avi").read_bytes()
    line = "person{:02}_boxing_d1\tframes\t1-40\r\n"
    with open(folder / "walking" / "00sequences.txt", "a") as file:
        file.writelines(line.format(person) for person in range(2, 14))
    for tenth in range(10):
        (folder / f"person{2 + tenth:02}_boxing_d1_uncomp.avi").write_bytes(good[: len(good) * tenth // 10])
    video_files.write_video(folder / "person12_boxing_d1_uncomp.avi", video_files.frames(40))
    video_files.write_kth(folder, "person13_boxing_d1", 39)
    video_files.write_kth(folder, "person14_boxing_d1", 12)
    source = KTH(config.replace(data_dir=str(folder)), "train")
    assert [name for name in names(source) if "walking" in name] == [f"person01_walking_d1_{n}" for n in (1, 2, 3)]
    with open(source.collection.skipped_path) as file:
        skipped = json.load(file)
    assert skipped == source.collection.skipped
    reasons = {name[6:8]: reason for name, reason in skipped.items()}
    assert set(reasons) == {f"{person:02}" for person in range(2, 15)}
    assert reasons["02"] == "is empty"
    assert reasons["12"] == "frame 0 is 64x48, not 160x120"
    assert reasons["13"] == "is cut short: it has 39 frames, and 00sequences.txt counts 40"
    assert reasons["14"] == "has no line in 00sequences.txt"


def test_nothing_usable_is_one_sentence(config, tmp_path):
    folder = tmp_path / "kth"
    video_files.write_kth(folder, "person01_walking_d1", 9, [(1, 9)])
    (folder / "person01_walking_d1_uncomp.avi").write_bytes(b"no video")
    with pytest.raises(DataError, match="person01_walking_d1_uncomp.avi cannot be read"):
        KTH(config.replace(data_dir=str(folder)), "train")


def test_a_wrong_folder_says_what_was_looked_for_and_nothing_is_made(tmp_path):
    config = CONFIG.replace(data_dir=str(tmp_path))
    with pytest.raises(DataError, match=r"no files such as person01_boxing_d1_uncomp\.avi"):
        KTH(config, "train")
    with pytest.raises(DataError, match="data_dir is empty: set --data_dir to a folder of the original videos"):
        KTH(CONFIG, "train")
    with pytest.raises(DataError, match="is not a folder"):
        KTH(CONFIG.replace(data_dir=str(tmp_path / "none")), "train")
    assert not list(tmp_path.iterdir())
    video_files.write_kth(tmp_path, "person01_walking_d1", 9)
    with pytest.raises(DataError, match="has no 00sequences.txt; get it from https.*--kth_clips=whole"):
        KTH(config, "train")
    (tmp_path / "00sequences.txt").write_text("<html>Not found</html>")
    with pytest.raises(DataError, match="has no lines such as"):
        KTH(config, "train")
    with pytest.raises(DataError, match="split is 'eval'"):
        KTH(config.replace(kth_clips="whole"), "eval")


@pytest.mark.parametrize(
    "fields", [{"channels": 3}, {"image_width": 32}, {"dataset": "videos", "kth_split": "savp"}, {"resize": "squash"}]
)
def test_a_configuration_that_does_not_fit_is_an_error(fields):
    with pytest.raises(ConfigError):
        CONFIG.replace(**fields)


@pytest.mark.skipif(not SHARED.exists(), reason="the sample of KTH is not here")
def test_the_official_list_counts_2391_sub_sequences():
    ranges = kth_actions.read_sequences(SHARED)
    assert len(ranges) == 599 and sum(len(pairs) for pairs in ranges.values()) == 2391
    frames = [last - first + 1 for pairs in ranges.values() for first, last in pairs]
    assert sum(frames) == 227_637
    assert [sum(length >= least for length in frames) for least in (20, 30, 40, 50)] == [2391, 2384, 2285, 2122]


@pytest.mark.skipif(not SHARED.exists(), reason="the sample of KTH is not here")
def test_the_real_videos_are_prepared(tmp_path):
    config = CONFIG.replace(data_dir=str(SHARED), cache_dir=str(tmp_path))
    collection = kth.prepare(config)
    assert not collection.skipped
    assert {video.name: len(video) for video in collection.videos if "running" in video.name} == {
        f"person04_running_d1_{number}": length for number, length in ((1, 35), (2, 41), (3, 39), (4, 41))
    }
    assert len(collection.videos) == 12
