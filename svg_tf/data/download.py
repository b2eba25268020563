"""Download of the published data sets with TensorFlow Datasets (TFDS)."""

import os
import shutil
import urllib.request
import zipfile
from typing import Any

from absl import logging

from svg_tf.config import Config
from svg_tf.data.errors import DataError

MNIST = "mnist:3.*.*"  # name and version in TFDS

_DISK_FACTOR = 3  # archives, extracted files and prepared files


def download(config: Config) -> None:
    """Download the data set into config.data_dir; raise a DataError if the disk is too small or the download fails."""
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
    archives = [f"{action}.zip" for action in kth.ACTIONS]
    urls = {name: kth.URL + name for name in (*archives, kth.SEQUENCES)}
    _check("kth", sum(map(_size, urls.values())), folder, kth.URL)
    manager = tfds.download.DownloadManager(download_dir=os.path.join(folder, "downloads"))
    paths = {name: os.fspath(path) for name, path in manager.download(urls).items()}
    for name in archives:
        if not zipfile.is_zipfile(paths[name]):
            os.remove(paths[name])
            os.remove(f"{paths[name]}.INFO")  # TFDS would require the next download to have the same checksum
            raise DataError(f"{urls[name]} is not a complete zip archive; download it again")
    manager.extract({name: paths[name] for name in archives})
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
