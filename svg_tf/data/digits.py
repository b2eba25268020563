"""The digit images that Stochastic Moving MNIST is drawn from: MNIST, or scikit-learn's small digits."""

import contextlib
import gzip
import os
import struct
import urllib.request
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from absl import logging
from PIL import Image

from svg_tf.config import Config
from svg_tf.data.errors import DataError

SPLITS = ("train", "validation", "test")

_VALIDATION_IMAGES = 5_000
_MNIST_WIDTH = 28
_MNIST_IMAGES = {"train": 60_000, "test": 10_000}
_IDX_STEMS = {"train": "train-images", "test": "t10k-images"}
_IDX_ENDINGS = ("-idx3-ubyte", "-idx3-ubyte.gz", ".idx3-ubyte", ".idx3-ubyte.gz")
_IDX_MAGIC = 0x00000803  # unsigned bytes in three dimensions
_IDX_HEADER = struct.Struct(">4I")
_REMEDY = (
    "set --data_dir to a folder that holds train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
    "t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz, or set --digits=embedded"
)


def load_digits(config: Config, split: str) -> np.ndarray:
    """The digits of a split, resized as the original does, by Pillow's bilinear filter.

    MNIST comes from the idx files in config.data_dir where they are, else from TensorFlow Datasets, in the same
    order. Its splits share no image: train is the first 55,000 training images, validation the last 5,000 of
    them and test the 10,000 test images, so that choosing a model never sees a digit of the test set. (The
    original trains on all 60,000.) The embedded digits are split 70 : 15 : 15 in a fixed random order.

    Args:
        config: digits, digit_size and data_dir are read.
        split: train, validation or test.

    Returns:
        uint8 [N, D, D] in 0..255, 0 the background, D = config.digit_size.

    Raises:
        DataError: the split is unknown, or the digits are missing or damaged.
    """
    if split not in SPLITS:
        raise DataError(f"split is {split!r}, but must be one of {', '.join(SPLITS)}")
    images = _embedded(split) if config.digits == "embedded" else _mnist(config.data_dir, split)
    size = (config.digit_size, config.digit_size)
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)) for image in images])


def _embedded(split: str) -> np.ndarray:
    from sklearn import datasets

    images = datasets.load_digits().images.astype(np.int32)  # [1797, 8, 8] in 0..16
    images = ((images * 255 + 8) // 16).astype(np.uint8)
    # RandomState's streams are frozen for good, those of default_rng may change between releases of NumPy.
    order = np.random.RandomState(0).permutation(len(images))
    bounds = {"train": (0.0, 0.7), "validation": (0.7, 0.85), "test": (0.85, 1.0)}[split]
    start, stop = (round(bound * len(images)) for bound in bounds)
    return images[order[start:stop]]


def _mnist(data_dir: str, split: str) -> np.ndarray:
    part = "test" if split == "test" else "train"
    folder = os.path.expanduser(data_dir)
    paths = _find_idx_files(folder) if folder else {}
    images = _read_idx(paths[part], _MNIST_IMAGES[part]) if paths else _read_tfds(folder, part)
    if split == "train":
        return images[:-_VALIDATION_IMAGES]
    return images[-_VALIDATION_IMAGES:] if split == "validation" else images


def _find_idx_files(folder: str) -> dict[str, str]:
    """The paths of the two image files by part; empty where the folder has neither."""
    paths = {}
    for part, stem in _IDX_STEMS.items():
        candidates = [os.path.join(folder, stem + ending) for ending in _IDX_ENDINGS]
        found = [path for path in candidates if os.path.exists(path)]
        if found:
            paths[part] = found[0]
    for part in _IDX_STEMS:
        if paths and part not in paths:
            raise DataError(f"{folder} lacks {_IDX_STEMS[part]}-idx3-ubyte(.gz), but holds its companion: {_REMEDY}")
    return paths


def _read_idx(path: str, count: int) -> np.ndarray:
    """The images of an idx file, packed by gzip or not whatever its name says: uint8 [count, 28, 28]."""
    expected = count * _MNIST_WIDTH**2
    most = _IDX_HEADER.size + expected + 1  # whatever a file holds or unpacks to
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            data = gzip.GzipFile(fileobj=file).read(most) if packed else file.read(most)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); download it again") from None
    if len(data) < _IDX_HEADER.size:
        raise DataError(f"{path} is truncated: it has {len(data)} bytes, less than a header; download it again")
    magic, *shape = _IDX_HEADER.unpack_from(data)
    if magic != _IDX_MAGIC:
        raise DataError(f"{path} has the magic number 0x{magic:08x}, idx images have 0x{_IDX_MAGIC:08x}: {_REMEDY}")
    if shape != [count, _MNIST_WIDTH, _MNIST_WIDTH]:
        raise DataError(
            f"{path} announces {shape[0]} images of {shape[1]}x{shape[2]}, but MNIST's has {count} of "
            f"{_MNIST_WIDTH}x{_MNIST_WIDTH}: {_REMEDY}"
        )
    found = len(data) - _IDX_HEADER.size
    if found < expected:
        raise DataError(f"{path} is truncated: it has {found} bytes of pixels, not {expected}; download it again")
    if found > expected:
        raise DataError(f"{path} is too long: it has more than {expected} bytes of pixels; download it again")
    return np.frombuffer(data, np.uint8, offset=_IDX_HEADER.size).reshape(shape)


def _read_tfds(folder: str, part: str) -> np.ndarray:
    """As _read_idx, in the order of the idx files."""
    try:
        import tensorflow_datasets as tfds
        from tensorflow_datasets.core import hashing

        with _quiet():
            builder = tfds.builder("mnist:3.*.*", data_dir=folder or None)
        if not builder.is_prepared():
            _check_server(builder)
            builder.download_and_prepare()
        stored = tfds.as_numpy(builder.as_dataset(split=part, batch_size=-1))["image"][..., 0]  # [N, 28, 28]
    except Exception as error:  # it fails in many ways: network, disk, checksum, a missing dependency
        reason = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"MNIST's image files are not in data_dir {folder!r} and cannot be had from TensorFlow Datasets "
            f"({type(error).__name__}: {reason}): {_REMEDY}"
        ) from error
    # TFDS stores images in the order of their keys' hashes, which is fixed for a major version of a data set.
    order = sorted(range(len(stored)), key=hashing.Hasher(part).hash_key)
    images = np.empty_like(stored)
    images[order] = stored
    return images


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps to itself what TFDS has to say of a data set that is not prepared yet."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _check_server(builder: Any) -> None:
    """Fails at once where there is no network: TFDS tries again for minutes."""
    downloads = os.path.join(builder.data_dir_root, "downloads")
    if not os.path.isdir(downloads):  # which may hold the files already
        request = urllib.request.Request(next(iter(builder.url_infos)), method="HEAD")
        urllib.request.urlopen(request, timeout=10).close()
