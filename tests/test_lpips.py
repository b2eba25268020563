"""Tests of svg_tf/metrics/lpips.py on stand-in weights."""

import functools

import numpy as np
import pytest
from lpips_files import LAYERS, numbers, sha256, standin, write, write_backbone, write_folder

from svg_tf.config import ConfigError
from svg_tf.metrics import lpips as lpips_module
from svg_tf.metrics.lpips import Lpips
from svg_tf.torch_import import TorchFileError

# Scores of the lpips package 0.1.4 with torchvision 0.28 and PyTorch 2.13 for the stand-in weights and _pair(...).
_PUBLISHED_CODE = {
    ("alex", 64, 64, 3): [0.19992847018234444, 0.2056722552852088],
    ("alex", 32, 32, 1): [0.20059171284745428, 0.198763293390955],
    ("vgg", 64, 64, 3): [0.1996936645651774, 0.19824755806558544],
    ("vgg", 32, 32, 1): [0.20485278507484947, 0.21326602272449247],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {net: write_folder(tmp_path_factory.mktemp(net), net) for net in LAYERS}


@pytest.fixture(scope="module")
def metrics(folders):
    return {net: functools.partial(Lpips(str(folder)).measure, None) for net, folder in folders.items()}


def _pair(*shape):
    """Return frames and distorted frames, float32 [*shape] in [0, 1]."""
    truth = 0.5 + 0.5 * numbers(shape, 7)
    return truth.astype(np.float32), np.clip(truth + 0.3 * numbers(shape, 8), 0, 1).astype(np.float32)


@pytest.mark.parametrize(("net", "height", "width", "channels"), _PUBLISHED_CODE)
def test_scores_are_those_of_the_published_code(metrics, net, height, width, channels):
    truth, prediction = _pair(2, height, width, channels)
    expected = _PUBLISHED_CODE[net, height, width, channels]
    np.testing.assert_allclose(metrics[net](truth, prediction[np.newaxis])[0], expected, rtol=3e-6)


def test_chunks_give_each_sample_and_frame_its_score(metrics, monkeypatch):
    truth, prediction = _pair(5, 32, 32, 1)
    samples = np.stack([prediction, np.roll(truth, 5, axis=1), truth])
    whole = metrics["alex"](truth, samples)
    assert whole.dtype == np.float32 and whole.shape == (3, 5)
    np.testing.assert_array_equal(whole[2], 0)
    monkeypatch.setattr(lpips_module, "_CHUNK_PIXELS", 2 * 32 * 32 + 5)
    np.testing.assert_allclose(metrics["alex"](truth, samples), whole, rtol=1e-5)
    alone = [metrics["alex"](truth[t : t + 1], samples[:, t : t + 1])[:, 0] for t in range(5)]
    np.testing.assert_allclose(np.stack(alone, axis=1), whole, rtol=1e-5)


def test_stronger_noise_scores_more_and_grey_frames_have_three_equal_channels(metrics):
    truth, _ = _pair(3, 64, 64, 1)
    noise = numbers(truth.shape, 9).astype(np.float32)
    samples = np.stack([np.clip(truth + amount * noise, 0, 1) for amount in (0, 0.05, 0.2, 0.8)])
    scores = metrics["alex"](truth, samples)
    assert np.all(np.diff(scores, axis=0) > 0)
    np.testing.assert_array_equal(scores, metrics["alex"](np.repeat(truth, 3, -1), np.repeat(samples, 3, -1)))


@pytest.mark.parametrize(("net", "title"), [("alex", "AlexNet"), ("vgg", "VGG16")])
def test_the_definition_names_the_network_the_version_and_the_files(folders, metrics, net, title):
    definition = metrics[net].func.__self__.definition
    assert title in definition and "version 0.1" in definition
    for path in folders[net].iterdir():
        assert f"{path.name} (SHA-256 {sha256(path)[:16]})" in definition


def test_a_folder_with_both_networks_needs_a_choice(folders, tmp_path):
    for folder in folders.values():
        for path in folder.iterdir():
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(ConfigError, match=r"holds two networks. Set --lpips_weights to its alex\.pth or vgg\.pth"):
        Lpips(str(tmp_path))
    assert "VGG16" in Lpips(str(tmp_path / "vgg.pth")).definition


def test_missing_files_are_named(tmp_path):
    for path in (tmp_path / "none", tmp_path, write(tmp_path / "other.pth", {})):
        with pytest.raises(
            ConfigError, match=r"Put alexnet-owt-7be5be79\.pth and alex\.pth or vgg16.* into one folder"
        ):
            Lpips(str(path))
    write(tmp_path / "vgg.pth", {})
    with pytest.raises(ConfigError, match=r"Put vgg16-397923af\.pth and vgg\.pth into one folder"):
        Lpips(str(tmp_path))


def test_the_calibration_of_version_0_0_is_refused(tmp_path, monkeypatch):
    write_backbone(tmp_path, "alex", {})
    linear = write(tmp_path / "alex.pth", {})
    alex = lpips_module._NETWORKS[0]._replace(outdated=sha256(linear)[:8])
    monkeypatch.setattr(lpips_module, "_NETWORKS", (alex,))
    with pytest.raises(TorchFileError, match=r"alex\.pth is of LPIPS version 0\.0"):
        Lpips(str(tmp_path))


def test_files_of_another_network_are_refused(tmp_path):
    features, linear = standin("alex")
    few = {key: array for key, array in features.items() if key.startswith("features.0.")}
    narrow = {"features.0.weight": features["features.0.weight"][..., 1:].copy()}
    broken = {key: np.full_like(array, np.nan) for key, array in few.items()}
    for tensors in ({}, narrow, broken):
        for path in tmp_path.iterdir():
            path.unlink()
        write_backbone(tmp_path, "alex", tensors)
        write(tmp_path / "alex.pth", linear)
        with pytest.raises(TorchFileError, match=r"no finite tensor features\.0\.weight of shape \(64, 3, 11, 11\)"):
            Lpips(str(tmp_path))
    (tmp_path / "alex.pth").write_bytes(b"<html>not found</html>")
    with pytest.raises(TorchFileError, match=r"alex\.pth"):
        Lpips(str(tmp_path))
