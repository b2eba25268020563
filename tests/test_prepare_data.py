"""Tests of svg-tf prepare-data: svg_tf/data/description.py, cache.py, download.py and the command."""

import dataclasses
import functools
import hashlib
import http.server
import logging as standard_logging
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
import video_files

from svg_tf.config import Config
from svg_tf.data import cache, description, download, kth
from svg_tf.data.bair import BAIR
from svg_tf.data.errors import DataError


@pytest.fixture
def config(tmp_path):
    """Six own videos in three splits, two of them too short, and a broken one."""
    (tmp_path / "data").mkdir()
    splits = ("train", 9), ("train", 20), ("train", 2), ("validation", 11), ("test", 8), ("test", 5)
    for number, (split, length) in enumerate(splits):
        (tmp_path / "data" / split).mkdir(exist_ok=True)
        video = np.full((length, 32, 32, 1), 10 * number, np.uint8)
        video[0, 0, 0] = 200
        np.save(tmp_path / "data" / split / f"{number}.npy", video)
    (tmp_path / "data" / "train" / "broken.mp4").write_bytes(b"text")
    return Config(dataset="videos", data_dir=str(tmp_path / "data"), image_width=32, n_past=2, n_future=3, n_eval=8)


def test_counts_lengths_and_pixels_are_those_of_the_stored_frames(config, tmp_path):
    text, complete = description.describe(config, str(tmp_path / "out"))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert complete
    mean = (200 + 200 + 10 * (20 * 1024 - 1)) / (29 * 1024)
    assert "train 2 videos of 9 to 20 frames (median 14), 29 in total" in lines
    assert "train 1 more videos are too short for a clip" in lines
    assert f"train pixels 0 to 200, mean {mean:.1f}" in lines
    assert "validation pixels 30 to 200, mean 30.0" in lines
    assert "test 1 distinct test clips; evaluation uses 1 by default" in lines
    assert any(line.startswith("skipped 1 files, listed in") for line in lines)
    assert "train/broken.mp4: cannot be read: Invalid data found when processing input" in text


def test_a_missing_split_is_reported_and_no_split_is_an_error(config, tmp_path):
    text, complete = description.describe(config.replace(n_eval=9), str(tmp_path / "out"))
    assert not complete
    assert "test       missing: the test split of data_dir" in text and "train      2 videos" in text
    assert not (tmp_path / "out" / "videos_test.png").exists()
    for path in (tmp_path / "data" / "svg_tf_cache").rglob("*.frames"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="none of .* is damaged in the cache; remove .* to decode it again"):
        description.describe(config, str(tmp_path / "out"))


def test_the_command_prepares_describes_and_fails_on_a_missing_split(tmp_path):
    video_files.write_kth(tmp_path / "kth", "person01_walking_d1", 45, [(1, 45)])
    video_files.write_kth(tmp_path / "kth", "person20_boxing_d1", 45, [(1, 45)])
    arguments = ["--dataset=kth", "--n_past=10", "--n_future=10", f"--data_dir={tmp_path / 'kth'}"]
    command = [sys.executable, "-m", "svg_tf", "prepare-data", *arguments, f"--out={tmp_path / 'out'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "train      1 videos of 45 to 45 frames" in done.stdout
    assert "test       missing: data_dir" in done.stdout and "https://www.csc.kth.se/cvap/actions/" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"kth_train.png", "kth_validation.png"}


def test_generated_clips_are_described_too(tmp_path, small):
    text, complete = description.describe(small(), str(tmp_path))
    assert complete and "clips are generated; pixels 0 to 255" in text


def test_the_cache_lies_in_the_data_or_in_a_unique_folder(tmp_path):
    assert cache.folder_of("/data/kth", "") == "/data/kth/svg_tf_cache"
    (tmp_path / "link").symlink_to("/data/kth")
    own = cache.folder_of("/data/kth", str(tmp_path))
    assert os.path.dirname(own) == str(tmp_path) and os.path.basename(own).startswith("kth-")
    assert cache.folder_of("/other/kth", str(tmp_path)) != own
    assert cache.folder_of(str(tmp_path / "link"), str(tmp_path)) == own


@pytest.fixture
def server(tmp_path):
    """A folder and the address at which an HTTP server publishes it."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        threading.Thread(target=http_server.serve_forever).start()
        yield tmp_path / "served", f"http://127.0.0.1:{http_server.server_port}/"
        http_server.shutdown()


def test_kth_is_downloaded_verified_and_ready_for_use(server, tmp_path, monkeypatch, caplog):
    caplog.set_level(standard_logging.INFO, "absl")
    config = Config(dataset="kth", data_dir=str(tmp_path / "kth"), n_past=2, n_future=3, n_eval=8)
    served, url = server
    for number, action in enumerate(kth.ACTIONS):
        name = f"person{(1, 19, 21)[number % 3]:02}_{action}_d1"
        video_files.write_kth(served, name, 12, [(1, 12)], seed=number)
        with zipfile.ZipFile(served / f"{action}.zip", "w") as archive:
            archive.write(served / f"{name}_uncomp.avi", f"{name}_uncomp.avi")
    monkeypatch.setattr(kth, "URL", url)
    whole = (served / "running.zip").read_bytes()
    (served / "running.zip").write_bytes(whole[:-99])
    with pytest.raises(DataError, match="running.zip is not a complete zip archive; download it again"):
        download.download(config)
    (served / "running.zip").write_bytes(whole)
    for _ in range(2):  # the second call finds the archives
        download.download(config)
    assert f"to {tmp_path / 'kth'}; terms of use: {url}" in caplog.text
    names = [video.name for video in kth.prepare(config).videos]
    assert names == sorted(f"person{(1, 19, 21)[n % 3]:02}_{action}_d1_1" for n, action in enumerate(kth.ACTIONS))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1_000))
    with pytest.raises(DataError, match=r"kth needs 0.0 GB in .*, but only 0.0 GB are free; set --data_dir"):
        download.download(config)


def test_no_network_is_a_data_error(tmp_path, monkeypatch):
    monkeypatch.setattr(kth, "URL", "http://127.0.0.1:9/")
    with pytest.raises(DataError, match="kth cannot be downloaded .*refused"):
        download.download(Config(dataset="kth", data_dir=str(tmp_path)))


def test_bair_is_downloaded_and_prepared_by_tensorflow_datasets(server, tmp_path, monkeypatch):
    served, url = server
    for part, count in (("train", 3), ("test", 1)):
        trajectories = [video_files.frames(30, 64, 64, seed=seed) for seed in range(count)]
        folder = tmp_path / "made" / "softmotion30_44k" / part
        video_files.write_records(folder / "traj_0_to_2.tfrecords", map(video_files.bair_example, trajectories))
    archive = Path(shutil.make_archive(str(served / "bair"), "tar", tmp_path / "made"))
    builder = type(tfds.builder("bair_robot_pushing_small", data_dir=str(tmp_path)))
    info = dataclasses.replace(
        next(iter(builder.url_infos.values())),
        size=tfds.core.units.Size(archive.stat().st_size),
        checksum=hashlib.sha256(archive.read_bytes()).hexdigest(),
    )
    monkeypatch.setattr(sys.modules[builder.__module__], "DATA_URL", f"{url}bair.tar")
    monkeypatch.setattr(builder, "url_infos", {f"{url}bair.tar": info})
    config = Config(dataset="bair", channels=3, data_dir=str(tmp_path / "bair"), n_past=2, n_future=4, n_eval=30)
    download.download(config)
    clip = BAIR(config, "test").frames(tf.constant([0])).numpy()[0]
    np.testing.assert_array_equal(clip, video_files.frames(30, 64, 64, seed=0))
