"""Damaged data files of every format end in one sentence that names the file, or give what the whole file gives.

The cuts and flipped bytes are drawn with a fixed seed; the slow test draws eight times as many.
"""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
import video_files
from PIL import Image

from svg_tf.config import Config
from svg_tf.data.bair import BAIR
from svg_tf.data.digits import load_digits
from svg_tf.data.errors import DataError
from svg_tf.data.videos import Videos

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


def read_idx(path):
    (path.parent / "train-images-idx3-ubyte").touch()
    return load_digits(Config(data_dir=str(path.parent), digit_size=28), "test")


def saved(save, *arguments):
    file = io.BytesIO()
    save(file, *arguments)
    return file.getvalue()


def whole_file(name, folder):
    """Return the bytes of an undamaged file and the function that reads it."""
    if name in ("b.png", "b.jpg", "b.bmp"):
        kind = {"b.png": "PNG", "b.jpg": "JPEG", "b.bmp": "BMP"}[name]
        return saved(lambda file: Image.fromarray(VIDEO[1]).save(file, kind)), read_images
    if name == "traj_0_to_1.tfrecords":
        video = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3), np.uint8)
        video_files.write_records(folder / "whole", [video_files.bair_example(video)] * 2)
        return (folder / "whole").read_bytes(), read_trajectories
    if name.startswith("t10k"):
        data = struct.pack(">4I", 0x803, 10_000, 28, 28) + np.arange(7_840_000).astype(np.uint8).tobytes()
        return gzip.compress(data, 1) if name.endswith("gz") else data, read_idx
    if name.endswith((".npy", ".npz")):
        return saved({"a.npy": np.save, "a.npz": np.savez, "z.npz": np.savez_compressed}[name], VIDEO), read_video
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


CHECKSUMS = ("a.npz", "z.npz", "b.png", "traj_0_to_1.tfrecords", "t10k-images-idx3-ubyte.gz")
NAMES = [*CHECKSUMS, "a.npy", "b.jpg", "b.bmp", *(f"a{ending}" for ending in video_files.CODECS)]


def check(name, count, folder):
    data, read = whole_file(name, folder)
    whole, refused = outcome(read, data, name, folder / "whole_file"), 0
    assert whole is not None
    for number, bad in enumerate(damaged(data, count)):
        found = outcome(read, bad, name, folder / str(number))
        refused += found is None
        if found is not None and name in CHECKSUMS:
            np.testing.assert_array_equal(found, whole)
    assert refused > count // 2


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_a_clear_error_or_gives_what_it_contains(name, tmp_path):
    check(name, 5, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_damaged_files(name, tmp_path):
    check(name, 40, tmp_path)


def npy(shape, body=b"", descr="|u1"):
    header = str({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + body


def zipped(members):
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


HEADERS = [npy((10**6, 4_096, 4_096, 3), bytes(99)), npy((2**40, 2**40, 2**40)), npy((-12, 8, 8, 3))]
HEADERS += [
    npy((3,), b"abc"),
    npy((2**62, 2**62, 0)),
    npy((3, 8, 8), bytes(768), "<U1"),
    npy((2, 8, 8), bytes(512), "<f4"),
]
HEADERS += [b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text for text in (b"(" * 5_000, b"9" * 9_000, b"\xff")]
WRONG = [("a.npy", data) for data in HEADERS] + [("a.npz", zipped({"a.npy": data})) for data in HEADERS]
WRONG += [("a.npz", zipped({})), ("a.npz", zipped({"a.txt": b"text"})), ("a.mov", zipped({"a.mp4": b"text"}))]
WRONG += [(f"a{ending}", np.random.default_rng(0).bytes(5_000)) for ending in video_files.CODECS]


@pytest.mark.parametrize(("name", "data"), WRONG, ids=range(len(WRONG)))
def test_a_file_that_claims_what_it_does_not_contain_is_a_clear_error(name, data, tmp_path):
    assert outcome(read_video, data, name, tmp_path / "a") is None


def test_pictures_of_impossible_sizes_are_a_clear_error(tmp_path):
    gif, png = bytearray(whole_file("a.gif", tmp_path)[0]), bytearray(whole_file("b.png", tmp_path)[0])
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    png[16:24] = struct.pack(">II", 60_000, 60_000)
    assert outcome(read_video, bytes(gif), "a.gif", tmp_path / "gif") is None
    assert outcome(read_images, bytes(png), "b.png", tmp_path / "png") is None
