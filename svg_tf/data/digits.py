"""Digit images for Stochastic Moving MNIST: MNIST, or the small digits that scikit-learn ships."""

import gzip
import os
import struct
import zlib

import numpy as np
from PIL import Image

from svg_tf.config import Config
from svg_tf.data import download
from svg_tf.data.errors import DataError

_VALIDATION_IMAGES = 5_000
_WIDTH = 28
_FILES = {"train": ("train-images", 60_000), "test": ("t10k-images", 10_000)}  # name without ending, and images
_ENDINGS = ("-idx3-ubyte", "-idx3-ubyte.gz", ".idx3-ubyte", ".idx3-ubyte.gz")
_MAGIC = 0x00000803  # an idx file of unsigned bytes in three dimensions
_REMEDY = (
    "set --data_dir to a folder that contains train-images-idx3-ubyte.gz and t10k-images-idx3-ubyte.gz, or set "
    "--digits=embedded"
)


def load_digits(config: Config, split: str) -> np.ndarray:
    """Return the digits of a split, resized with Pillow's bilinear filter as in the original.

    MNIST is read from the idx files in config.data_dir, or from TensorFlow Datasets if the folder has none. Train has
    the first 55,000 training images, validation the last 5,000 and test the 10,000 test images. (The original trains
    on all 60,000.) The embedded digits are split 70 : 15 : 15 in a fixed random order.

    Returns:
        uint8 [N, D, D] in 0..255, background 0; D is config.digit_size.

    Raises:
        DataError: the digits are missing or damaged.
    """
    images = _embedded(split) if config.digits == "embedded" else _mnist(config.data_dir, split)
    size = (config.digit_size, config.digit_size)
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)) for image in images])


def _embedded(split: str) -> np.ndarray:
    from sklearn import datasets

    images = datasets.load_digits().images.astype(np.int32)  # [1797, 8, 8] in 0..16
    images = ((images * 255 + 8) // 16).astype(np.uint8)
    order = np.random.RandomState(0).permutation(len(images))  # RandomState draws the same in every NumPy release
    bounds = {"train": (0.0, 0.7), "validation": (0.7, 0.85), "test": (0.85, 1.0)}[split]
    start, stop = (round(bound * len(images)) for bound in bounds)
    return images[order[start:stop]]


def _mnist(data_dir: str, split: str) -> np.ndarray:
    part = "test" if split == "test" else "train"
    stem, count = _FILES[part]
    folder = os.path.expanduser(data_dir)
    places = {name: [os.path.join(folder, name + ending) for ending in _ENDINGS] for name, _ in _FILES.values()}
    found = {name: path for name, paths in places.items() for path in filter(os.path.exists, paths) if folder}
    missing = [name for name in places if name not in found]
    if found and missing:
        raise DataError(f"{folder} has no {missing[0]}-idx3-ubyte(.gz): {_REMEDY}")
    images = _read_idx(found[stem], count) if found else _read_tfds(folder, part)
    if split == "train":
        return images[:-_VALIDATION_IMAGES]
    return images[-_VALIDATION_IMAGES:] if split == "validation" else images


def _read_idx(path: str, count: int) -> np.ndarray:
    """Read the images of an idx file, compressed by gzip or not: uint8 [count, 28, 28]."""
    header = struct.pack(">4I", _MAGIC, count, _WIDTH, _WIDTH)
    expected = len(header) + count * _WIDTH**2
    try:
        with open(path, "rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            # One byte more than expected shows that the file is too long.
            data = (gzip.GzipFile(fileobj=file) if compressed else file).read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); download it again") from None
    if not data.startswith(header) or len(data) != expected:
        raise DataError(
            f"{path} is damaged or not an idx file of {count} images of {_WIDTH}x{_WIDTH} pixels; download it again"
        )
    return np.frombuffer(data, np.uint8, offset=len(header)).reshape(count, _WIDTH, _WIDTH)


def _read_tfds(folder: str, part: str) -> np.ndarray:
    """Read the images of TensorFlow Datasets, downloading them if needed, and restore the order of the idx files."""
    try:
        import tensorflow_datasets as tfds
        from tensorflow_datasets.core import hashing

        builder = download.prepare_tfds(download.MNIST, folder)
        stored = tfds.as_numpy(builder.as_dataset(split=part, batch_size=-1))["image"][..., 0]  # [N, 28, 28]
    except Exception as error:  # TFDS raises many types: network, disk, checksum, missing dependency
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise DataError(
            f"MNIST is not in data_dir {folder!r} and TensorFlow Datasets cannot provide it ({reason}): {_REMEDY}"
        ) from error
    # TFDS orders images by the hashes of their keys, which are fixed for a major version of a data set.
    order = sorted(range(len(stored)), key=hashing.Hasher(part).hash_key)
    images = np.empty_like(stored)
    images[order] = stored
    return images
