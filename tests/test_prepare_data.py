"""Tests of svg-tf prepare-data: svg_tf/data/description.py, cache.py, download.py and the command."""

import functools
import http.server
import os
import shutil
import threading
import zipfile

import numpy as np
import pytest
import video_files

from svg_tf.config import Config
from svg_tf.data import cache, description, download, kth
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
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["videos_train.png", "videos_validation.png"]
    for path in (tmp_path / "data" / "svg_tf_cache").rglob("*.frames"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="none of .* is damaged in the cache; remove .* to decode it again"):
        description.describe(config, str(tmp_path / "out"))


def test_the_cache_lies_in_the_data_or_in_a_unique_folder(tmp_path):
    assert cache.folder_of("/data/kth", "") == "/data/kth/svg_tf_cache"
    (tmp_path / "link").symlink_to("/data/kth")
    own = cache.folder_of("/data/kth", str(tmp_path))
    assert os.path.dirname(own) == str(tmp_path) and os.path.basename(own).startswith("kth-")
    assert cache.folder_of("/other/kth", str(tmp_path)) != own
    assert cache.folder_of(str(tmp_path / "link"), str(tmp_path)) == own


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder that an HTTP server publishes as kth.URL."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        threading.Thread(target=http_server.serve_forever).start()
        monkeypatch.setattr(kth, "URL", f"http://127.0.0.1:{http_server.server_port}/")
        yield tmp_path / "served"
        http_server.shutdown()


def test_kth_is_downloaded_verified_and_ready_for_use(server, tmp_path, monkeypatch):
    config = Config(dataset="kth", data_dir=str(tmp_path / "kth"), n_past=2, n_future=3, n_eval=8)
    for number, action in enumerate(kth.ACTIONS):
        name = f"person{(1, 19, 21)[number % 3]:02}_{action}_d1"
        video_files.write_kth(server, name, 12, [(1, 12)], seed=number)
        with zipfile.ZipFile(server / f"{action}.zip", "w") as archive:
            archive.write(server / f"{name}_uncomp.avi", f"{name}_uncomp.avi")
    whole = (server / "running.zip").read_bytes()
    (server / "running.zip").write_bytes(whole[:-99])
    with pytest.raises(DataError, match="running.zip is not a complete zip archive; download it again"):
        download.download(config)
    (server / "running.zip").write_bytes(whole)
    for _ in range(2):  # the second call finds the archives
        download.download(config)
    names = [video.name for video in kth.prepare(config).videos]
    assert names == sorted(f"person{(1, 19, 21)[n % 3]:02}_{action}_d1_1" for n, action in enumerate(kth.ACTIONS))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1_000))
    with pytest.raises(DataError, match=r"kth needs 0.0 GB in .*, but only 0.0 GB are free; set --data_dir"):
        download.download(config)
