"""Tests of svg_tf/data/kth.py."""

from pathlib import Path

import numpy as np
import pytest
import video_files
from PIL import Image

from svg_tf.config import Config
from svg_tf.data import cache, kth
from svg_tf.data.errors import DataError
from svg_tf.data.kth import KTH
from svg_tf.data.windows import SPLITS

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "kth"
CONFIG = Config(dataset="kth", n_past=2, n_future=3, n_eval=8, batch_size=4, validation_steps=2)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Persons 1, 19, 21 and 22 in two folders."""
    folder = tmp_path_factory.mktemp("kth")
    walking, running = folder / "walking", folder / "running"
    video_files.write_kth(walking, "person01_walking_d1", 40, [(1, 12), (15, 31), (32, 40)], seed=1)
    video_files.write_kth(walking, "person19_walking_d2", 20, [(3, 20)], seed=2)
    video_files.write_kth(walking, "person21_walking_d1", 30, [(1, 10), (11, 15)], seed=3)
    video_files.write_kth(running, "person22_running_d4", 25, seed=4)
    with open(walking / "00sequences.txt", "a") as file:
        file.write("person22_running_d4   frames   1-9,10-25\r\nperson13_handclapping_d3  *missing*\r\n")
    return folder


@pytest.fixture(scope="module")
def config(original, tmp_path_factory):
    return CONFIG.replace(data_dir=str(original), cache_dir=str(tmp_path_factory.mktemp("cache")))


def names(source):
    return [video.name for video in source.videos]


def test_clips_are_the_official_sub_sequences_and_splits_the_persons_of_the_protocol(config):
    sources = {split: KTH(config, split) for split in SPLITS}
    assert names(sources["train"]) == [f"person01_walking_d1_{number}" for number in (1, 2, 3)]
    assert names(sources["validation"]) == ["person19_walking_d2_1"]
    assert names(sources["test"]) == ["person21_walking_d1_1", "person22_running_d4_1", "person22_running_d4_2"]
    assert [video.name for video in sources["test"].too_short] == ["person21_walking_d1_2"]
    assert [len(video) for video in sources["train"].videos] == [12, 17, 9]


def test_frames_are_those_of_the_original_squashed_and_grey(config):
    video = KTH(config, "train").videos[1]  # frames 15 to 31, counted from 1
    expected = video_files.frames(40, width=160, height=120, seed=1)[14:31]
    expected = [Image.fromarray(f).convert("L").resize((64, 64), Image.Resampling.BICUBIC) for f in expected]
    error = video.read(0, 17)[..., 0].astype(int) - np.stack([np.asarray(image) for image in expected])
    assert np.abs(error).mean() < 2 and np.abs(error.mean(axis=(1, 2))).max() < 2  # no more than the codec's
    assert video.shape == (64, 64, 1)


def test_protocols_and_whole_videos_share_the_decoded_cache(config, monkeypatch):
    kth.prepare(config)
    monkeypatch.setattr(cache.decoding, "read", None)
    assert names(KTH(config.replace(kth_split="savp"), "test"))[0] == "person19_walking_d2_1"
    assert names(KTH(config.replace(kth_split="official"), "validation"))[0] == "person01_walking_d1_1"
    with pytest.raises(DataError, match=r"persons \[1, 19, 21, 22\], none .*cvap/actions/.* --kth_split=trial"):
        KTH(config.replace(kth_split="official"), "train")
    whole = KTH(config.replace(kth_clips="whole"), "train")
    assert names(whole) == ["person01_walking_d1"] and len(whole.videos[0]) == 40
    trial = config.replace(kth_split="trial", n_past=1, n_future=1, n_eval=2)
    assert all(KTH(trial, split).videos for split in SPLITS)


def test_unusable_videos_are_listed(tmp_path):
    (tmp_path / "person02_boxing_d1_uncomp.avi").write_bytes(b"")
    video_files.write_kth(tmp_path, "person13_boxing_d1", 39, [(1, 40)])
    video_files.write_kth(tmp_path, "person14_boxing_d1", 12)
    video_files.write_kth(tmp_path, "person20_boxing_d1", 40, [(1, 40)])
    collection = kth.prepare(CONFIG.replace(data_dir=str(tmp_path)))
    assert [video.name for video in collection.videos] == ["person20_boxing_d1_1"]
    assert {name[6:8]: reason for name, reason in collection.skipped.items()} == {
        "02": "is empty",
        "13": "is cut short: it has 39 frames, 00sequences.txt lists 1-40",
        "14": "has no line in 00sequences.txt",
    }


@pytest.mark.skipif(not SHARED.exists(), reason="the KTH sample is not available")
def test_the_official_list_has_2391_sub_sequences():
    ranges = kth.read_sequences(SHARED)
    assert len(ranges) == 599 and sum(len(pairs) for pairs in ranges.values()) == 2391
    assert sum(last - first + 1 for pairs in ranges.values() for first, last in pairs) == 227_637
