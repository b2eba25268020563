"""The files of LPIPS' weights, found and read."""

import dataclasses

import numpy as np
import pytest
from lpips_files import LAYERS, sha256, standin, write, write_backbone, write_folder
from torch_files import TorchFile

from svg_tf.config import ConfigError
from svg_tf.metrics import lpips_weights
from svg_tf.metrics.lpips import load
from svg_tf.metrics.lpips_weights import read_weights
from svg_tf.torch_import.records import TorchFileError


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder with stand-in weights for each network."""
    return {net: write_folder(tmp_path_factory.mktemp(net), net) for net in LAYERS}


@pytest.fixture
def small_folder(tmp_path):
    """Files of AlexNet that are sound as files, without a tensor in them."""
    write_backbone(tmp_path, "alex", {})
    write(tmp_path / "alex.pth", {})
    return tmp_path


@pytest.mark.parametrize(("net", "title"), [("alex", "AlexNet"), ("vgg", "VGG16")])
def test_the_definition_names_the_network_the_version_and_the_files(folders, net, title):
    definition = load(str(folders[net])).definition
    assert title in definition and "version 0.1" in definition and "\n" not in definition
    for path in folders[net].iterdir():
        assert f"{path.name} (SHA-256 {sha256(path)[:16]}, not published)" in definition


def test_published_files_are_not_called_unpublished(folders, monkeypatch):
    digits = tuple(sha256(path)[:8] for path in folders["alex"].iterdir())
    alex = dataclasses.replace(lpips_weights.NETWORKS[0], digits=digits)
    monkeypatch.setattr(lpips_weights, "NETWORKS", (alex,))
    assert "not published" not in load(str(folders["alex"])).definition


@pytest.mark.parametrize("form", ["stream", "zip"])
def test_files_of_either_format_of_pytorch_are_read_bit_for_bit(tmp_path, form):
    features, linear = standin("alex")
    write_backbone(tmp_path, "alex", features, form)
    write(tmp_path / "alex.pth", linear, form)
    weights = read_weights(str(tmp_path))
    for number, index in enumerate([0, 3, 6, 8, 10]):
        kernel = weights.kernels[number].transpose(3, 2, 0, 1)
        np.testing.assert_array_equal(kernel, features[f"features.{index}.weight"])
        np.testing.assert_array_equal(weights.biases[number], features[f"features.{index}.bias"])
        lin = linear[f"lin{number}.model.1.weight"]
        np.testing.assert_array_equal(weights.calibration[number], lin.reshape(-1))


def test_of_a_folder_with_both_networks_one_is_named(folders, tmp_path):
    for folder in folders.values():
        for path in folder.iterdir():
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(ConfigError, match=r"two networks.*alex\.pth or .*vgg\.pth"):
        load(str(tmp_path))
    assert "AlexNet" in load(str(tmp_path / "alex.pth")).definition
    assert "VGG16" in load(str(tmp_path / "vgg.pth")).definition


def test_files_that_are_not_there_are_named_with_where_they_are_published(tmp_path, monkeypatch):
    with pytest.raises(
        ConfigError, match=r"none is not there; put alexnet-owt-7be5be79\.pth and alex\.pth or vgg16.*"
    ):
        load(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"nor a folder with one of them; put .* torchvision publishes the first"):
        load(str(tmp_path))
    with pytest.raises(ConfigError, match=r"other\.pth is neither"):
        load(str(write(tmp_path / "other.pth", {})))
    write(tmp_path / "vgg.pth", {})
    with pytest.raises(
        ConfigError, match=r"one file vgg16-397923af\.pth beside .*vgg\.pth, but there are 0; put vgg16"
    ):
        load(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"one file vgg16-397923af\.pth beside vgg\.pth, but there are 0"):
        load("vgg.pth")


def test_two_files_of_features_are_not_chosen_from(small_folder):
    write_backbone(small_folder, "alex", {"other": np.zeros(1, np.float32)})
    with pytest.raises(ConfigError, match="but there are 2"):
        load(str(small_folder))


def test_a_file_that_is_not_what_its_name_promises_is_damaged(small_folder):
    (path,) = small_folder.glob("alexnet-owt-*.pth")
    path.rename(small_folder / "alexnet-owt-01234567.pth")
    with pytest.raises(TorchFileError, match=r"alexnet-owt-01234567\.pth is damaged: .* should with the 01234567"):
        load(str(small_folder))


def test_the_calibration_of_version_0_0_is_refused(small_folder, monkeypatch):
    outdated = sha256(small_folder / "alex.pth")[:8]
    alex = dataclasses.replace(lpips_weights.NETWORKS[0], outdated=outdated)
    monkeypatch.setattr(lpips_weights, "NETWORKS", (alex,))
    with pytest.raises(TorchFileError, match=r"alex\.pth is of LPIPS version 0\.0.*take weights/v0\.1/alex\.pth"):
        load(str(small_folder))


def test_files_that_do_not_fit_are_named_with_their_tensor(tmp_path):
    features, linear = standin("alex")
    few = {key: array for key, array in features.items() if key.startswith("features.0.")}

    def sentence(features, linear):
        for path in tmp_path.iterdir():
            path.unlink()
        write_backbone(tmp_path, "alex", features)
        write(tmp_path / "alex.pth", linear)
        with pytest.raises(TorchFileError) as error:
            load(str(tmp_path))
        assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)
        return str(error.value)

    assert "has no tensor features.0.weight, but nothing" in sentence({}, linear)
    message = sentence({"features.0.bias": few["features.0.bias"]}, linear)
    assert "has no tensor features.0.weight, but 'features.0.bias': it is of another network" in message
    narrow = {"features.0.weight": features["features.0.weight"][..., 1:].copy()}
    message = sentence(narrow, linear)
    assert "the tensor features.0.weight has shape (64, 3, 11, 10), but must have (64, 3, 11, 11)" in message
    assert "alex.pth has no tensor lin0.model.1.weight" in sentence(few, {})
    other = {"lin0.model.1.weight": np.ones([1, 128, 1, 1], np.float32)}
    assert "alex.pth: the tensor lin0.model.1.weight has shape (1, 128, 1, 1)" in sentence(few, other)
    broken = {key: np.full_like(array, np.nan) for key, array in few.items()}
    assert "the tensor features.0.weight is not finite" in sentence(broken, linear)


def test_files_that_are_not_of_pytorch_are_named(small_folder):
    path = small_folder / "alex.pth"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(TorchFileError, match=r"alex\.pth holds no weights that can be read: "):
        load(str(small_folder))
    file = TorchFile()
    file.write(path, [file.tensor(np.zeros(1, np.float32))], "zip")
    with pytest.raises(TorchFileError, match=r"alex\.pth holds no state dictionary"):
        load(str(small_folder))
    path.unlink()
    path.mkdir()
    with pytest.raises(TorchFileError, match=r"alex\.pth cannot be read: Is a directory"):
        load(str(small_folder))
