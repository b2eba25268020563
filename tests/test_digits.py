"""Tests of svg_tf/data/digits.py."""

import gzip
import os
import struct
import urllib.error
import urllib.request

import numpy as np
import pytest
from sklearn import datasets

from svg_tf.config import Config
from svg_tf.data.digits import load_digits
from svg_tf.data.errors import DataError

TEST_NAME = "t10k-images-idx3-ubyte"
TRAIN_NAME = "train-images-idx3-ubyte"


def config(folder="", **fields):
    return Config(**{"data_dir": str(folder), "digit_size": 28, **fields})


def numbered_images(count):
    """Images whose first two pixels encode their number."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(count), 256)
    return images


def check_splits(folder, train_count, test_count):
    """Compare the digits of all splits with the numbers of their images."""
    whole = np.arange(train_count)
    for split, expected in (("train", whole[:-5_000]), ("validation", whole[-5_000:]), ("test", np.arange(test_count))):
        images = load_digits(config(folder), split)
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images[:, 0, 0].astype(int) * 256 + images[:, 0, 1], expected)


def idx_bytes(images):
    return struct.pack(">4I", 0x00000803, *images.shape) + images.tobytes()


def test_train_and_validation_share_the_training_images_and_test_has_the_test_images(tmp_path):
    (tmp_path / TRAIN_NAME).write_bytes(idx_bytes(numbered_images(60_000)))
    (tmp_path / f"{TEST_NAME}.gz").write_bytes(gzip.compress(idx_bytes(numbered_images(10_000)), 1))
    check_splits(tmp_path, 60_000, 10_000)


@pytest.mark.parametrize("fault", ["short", "long", "labels", "packed"])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, fault):
    whole = idx_bytes(np.zeros((10_000, 28, 28), np.uint8))
    labels = struct.pack(">2I", 0x801, 10_000) + bytes(10_000)
    content = {"short": whole[:-1], "long": whole + b"x", "labels": labels, "packed": gzip.compress(whole, 1)[:-9]}
    (tmp_path / TRAIN_NAME).touch()
    (tmp_path / TEST_NAME).write_bytes(content[fault])
    with pytest.raises(DataError, match=f"{TEST_NAME} (is damaged or not an idx file|cannot be read).*again"):
        load_digits(config(tmp_path), "test")


@pytest.mark.parametrize(("there", "stem"), [(TRAIN_NAME, "t10k-images"), (TEST_NAME, "train-images")])
@pytest.mark.parametrize("split", ["train", "test"])
def test_one_file_without_the_other_is_an_error_in_every_split(tmp_path, there, stem, split):
    (tmp_path / there).touch()
    with pytest.raises(DataError, match=f"has no {stem}-idx3-ubyte.*--data_dir.*--digits=embedded"):
        load_digits(config(tmp_path), split)


def test_without_files_and_network_the_error_names_the_remedies(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    with pytest.raises(DataError, match="no route to host.*--data_dir.*train-images.*t10k-images.*--digits=embedded"):
        load_digits(config(tmp_path), "test")
    assert os.listdir(tmp_path) == []


def test_tensorflow_datasets_gives_the_images_in_the_order_of_the_files(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    class FewDigits(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """As TFDS' mnist, with 5,040 and 40 images."""

        VERSION = tfds.core.Version("3.0.1")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(28, 28, 1))})
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(5_040), "test": self._generate_examples(40)}

        def _generate_examples(self, count):
            yield from ((i, {"image": image[..., np.newaxis]}) for i, image in enumerate(numbered_images(count)))

    def builder(name, data_dir):
        assert name.startswith("mnist:3.")
        return FewDigits(data_dir=data_dir)

    monkeypatch.setattr(tfds, "builder", builder)
    FewDigits(data_dir=str(tmp_path)).download_and_prepare()
    check_splits(tmp_path, 5_040, 40)


def test_embedded_digits_are_all_of_scikit_learns_each_in_one_split():
    splits = [load_digits(config(digits="embedded", digit_size=8), s) for s in ("train", "validation", "test")]
    assert [len(split) for split in splits] == [1_258, 269, 270]
    values = datasets.load_digits().images * (255 / 16)
    expected = np.floor(values + 0.5).astype(np.uint8)
    assert sorted(map(bytes, np.concatenate(splits))) == sorted(map(bytes, expected))
    train, validation, test = ({bytes(image) for image in split} for split in splits)
    assert not (train & validation or train & test or validation & test)
