"""Download of the published data sets with TensorFlow Datasets (TFDS)."""

import hashlib
import os
import shutil
import urllib.request
from typing import Any

from absl import logging

from svg_tf.config import Config
from svg_tf.data.errors import DataError

MNIST = "mnist:3.*.*"  # name and version in TFDS

_KTH_SHA1 = {
    "boxing.zip": "adb36ed9c29c846d44d2ba15f348bd115c951bbd",
    "handclapping.zip": "d3b81261aa822ef63d0d1523f945bfaff27814d2",
    "handwaving.zip": "0792f7cd69f7f895a205c08ac212ddaa7177e370",
    "jogging.zip": "21943bdbcef9dad106db0d74661e49eaeaa15a25",
    "running.zip": "da83bb313edfd4455fffdda6263696fa10d43c6f",
    "walking.zip": "a3e81537271a0ab4576591774baa38c2d97b7e3a",
}
_DISK_FACTOR = 3  # archives, extracted files and prepared files


def download(config: Config) -> None:
    """Download the data set of a configuration into data_dir, after a check of the free disk space.

    Raises:
        DataError: the disk is too small, or the download fails.
    """
    from svg_tf.data import bair

    folder = os.path.expanduser(config.data_dir)
    try:
        if config.dataset == "smmnist" and config.digits == "mnist":
            prepare_tfds(MNIST, folder)
        elif config.dataset == "bair" and not (os.path.isdir(folder) and bair.published(config, "train")[1]):
            prepare_tfds(bair.TFDS_NAME, folder)
        elif config.dataset == "kth":
            _download_kth(folder)
        else:
            logging.info("there is nothing to download")
    except DataError:
        raise
    except Exception as error:  # TFDS raises many types: network, disk, checksum
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise DataError(f"{config.dataset} cannot be downloaded ({reason}); try again") from error


def prepare_tfds(name: str, folder: str) -> Any:
    """Return the TFDS builder of a data set and download the data into folder (default: of TFDS) if it is missing."""
    import tensorflow_datasets as tfds

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)  # TFDS logs several errors if the data set is not prepared yet
    builder = tfds.builder(name, data_dir=folder or None)
    logging.set_verbosity(verbosity)
    if not builder.is_prepared():
        root = os.fspath(builder.data_dir_root)
        if not os.path.isdir(os.path.join(root, "downloads")):  # else the files may be there
            _size(next(iter(builder.url_infos)))  # without a network this fails at once, TFDS retries for minutes
        _check(builder.name, sum(info.size for info in builder.url_infos.values()), root, builder.info.homepage)
        builder.download_and_prepare()
    return builder


def _download_kth(folder: str) -> None:
    import tensorflow_datasets as tfds

    from svg_tf.data import kth

    if not folder:
        raise DataError("data_dir is empty: set --data_dir to the folder to download kth into")
    urls = {name: kth.URL + name for name in (*_KTH_SHA1, kth.SEQUENCES)}
    _check("kth", sum(map(_size, urls.values())), folder, kth.URL)
    manager = tfds.download.DownloadManager(download_dir=os.path.join(folder, "downloads"))
    paths = {name: os.fspath(path) for name, path in manager.download(urls).items()}
    for name, expected in _KTH_SHA1.items():
        with open(paths[name], "rb") as file:
            found = hashlib.file_digest(file, "sha1").hexdigest()
        if found != expected:
            os.remove(paths[name])
            raise DataError(f"{urls[name]} has the SHA-1 sum {found}, expected {expected}; download it again")
    manager.extract({name: paths[name] for name in _KTH_SHA1})
    shutil.copyfile(paths[kth.SEQUENCES], os.path.join(folder, kth.SEQUENCES))


def _check(name: str, size: int, folder: str, page: str) -> None:
    """Raise a DataError if the disk is too small, else log the download with its terms of use."""
    os.makedirs(folder, exist_ok=True)
    free, needed = shutil.disk_usage(folder).free, _DISK_FACTOR * size
    if free < needed:
        raise DataError(
            f"{name} needs {needed / 1e9:.1f} GB in {folder}, but only {free / 1e9:.1f} GB are free; set --data_dir "
            "to a folder on a larger disk"
        )
    logging.info("%s: downloading %.2f GB to %s; terms of use: %s", name, size / 1e9, folder, page)


def _size(url: str) -> int:
    """Return the size of a file on a server, 0 if the server does not report it."""
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=30) as response:
        return int(response.headers.get("Content-Length", 0))
