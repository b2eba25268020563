"""Damaged data files of every format end in one sentence that names the file, or give what the whole file gives.

The cuts and flipped bytes are drawn with a fixed seed.
"""

import io

import numpy as np
import pytest
import video_files
from PIL import Image

from svg_tf.config import Config
from svg_tf.data.bair import BAIR
from svg_tf.data.errors import DataError
from svg_tf.data.videos import Videos

IMAGES = {"b.png": "PNG", "b.jpg": "JPEG"}
CHECKSUMS = ("a.npz", "b.png", "traj_0_to_1.tfrecords")
VIDEO = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)


def read_video(path):
    config = Config(dataset="videos", image_width=32, channels=3, n_past=1, n_future=1, n_eval=2)
    source = Videos(config.replace(data_dir=str(path.parent)), "train")
    if source.collection.skipped:
        raise DataError(f"{source.collection.skipped}")
    return source.videos[0].read(0, len(source.videos[0]))


def read_images(path):
    (path.parent / "images").mkdir()
    path.rename(path.parent / "images" / path.name)
    for name in ("a.png", "c.png"):
        Image.fromarray(VIDEO[0]).save(path.parent / "images" / name)
    return read_video(path)


def read_trajectories(path):
    (path.parent / "test").mkdir()
    path.rename(path.parent / "test" / path.name)
    config = Config(dataset="bair", channels=3, n_past=2, n_future=4, n_eval=30, data_dir=str(path.parent))
    source = BAIR(config, "test")
    if source.collection.skipped:
        raise DataError(f"{source.collection.skipped}")
    return np.stack([video.read(0, 30) for video in source.videos])


def saved(save, *arguments):
    file = io.BytesIO()
    save(file, *arguments)
    return file.getvalue()


def whole_file(name, folder):
    """Return the bytes of an undamaged file and the function that reads it."""
    if name in IMAGES:
        return saved(lambda file: Image.fromarray(VIDEO[1]).save(file, IMAGES[name])), read_images
    if name == "traj_0_to_1.tfrecords":
        video = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3), np.uint8)
        video_files.write_records(folder / "whole", [video_files.bair_example(video)] * 2)
        return (folder / "whole").read_bytes(), read_trajectories
    if name.endswith((".npy", ".npz")):
        return saved({"a.npy": np.save, "a.npz": np.savez}[name], VIDEO), read_video
    video_files.write_video(folder / f"whole{name[1:]}", video_files.frames(12))
    return (folder / f"whole{name[1:]}").read_bytes(), read_video


def damaged(data, count):
    rng = np.random.default_rng(len(data))
    yield from (data[:point] for point in (0, *rng.integers(1, len(data) - 1, count), len(data) - 1))
    for number in range(count):
        changed = bytearray(data)
        for place in rng.integers(0, min(len(data), 200) if number % 2 else len(data), 1 + number % 3):
            changed[place] ^= int(rng.integers(1, 256))
        yield bytes(changed)


def outcome(read, data, name, folder):
    """Return what the file gives, or None after an error of one line that names the file."""
    folder.mkdir()
    (folder / name).write_bytes(data)
    try:
        return read(folder / name)
    except DataError as error:
        sentence = str(error).replace(str(folder), "")
        assert name in sentence or not data
        assert "\n" not in sentence and len(sentence) < 600
        return None


@pytest.mark.parametrize("name", [*CHECKSUMS, "a.npy", "b.jpg", "a.avi", "a.gif", "a.mkv", "a.mp4"])
def test_a_damaged_file_is_a_clear_error_or_gives_what_it_contains(name, tmp_path):
    data, read = whole_file(name, tmp_path)
    whole, refused = outcome(read, data, name, tmp_path / "whole_file"), 0
    assert whole is not None
    for number, bad in enumerate(damaged(data, 5)):
        found = outcome(read, bad, name, tmp_path / str(number))
        refused += found is None
        if found is not None and name in CHECKSUMS:
            np.testing.assert_array_equal(found, whole)
    assert refused > 2
