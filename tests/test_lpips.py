"""Tests of svg_tf/metrics/lpips.py on stand-in weights with the names and formats of the published files."""

import hashlib

import numpy as np
import pytest
from torch_files import TorchFile, ordered

from svg_tf.config import ConfigError
from svg_tf.metrics import lpips as lpips_module
from svg_tf.metrics.lpips import Lpips
from svg_tf.torch_import import TorchFileError

# Scores of the lpips package 0.1.4 with torchvision 0.28 and PyTorch 2.13 for the stand-in weights and _pair(...).
_PUBLISHED_CODE = {
    (64, 64, 3): [0.19992847018234444, 0.2056722552852088],
    (32, 32, 1): [0.20059171284745428, 0.198763293390955],
}
_CONVOLUTIONS = ((0, 3, 64, 11), (3, 64, 192, 5), (6, 192, 384, 3), (8, 384, 256, 3), (10, 256, 256, 3))


def _numbers(shape, seed):
    """Return pseudo-random numbers in [-1, 1), the same on every machine, float64."""
    bits = np.arange(np.prod(shape), dtype=np.uint32) + np.uint32(seed * 0x9E3779B1 & 0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):  # the finalizer of MurmurHash3
        bits = (bits ^ (bits >> np.uint32(shift))) * np.uint32(factor)
    return (bits ^ (bits >> np.uint32(16))).reshape(shape) / 2.0**31 - 1


@pytest.fixture(scope="module")
def weights():
    """Return the state dictionaries of the features and of the linear calibration."""
    features, linear = {}, {}
    for index, inputs, outputs, size in _CONVOLUTIONS:
        seed = 100 + 2 * len(features)
        weight = _numbers([outputs, inputs, size, size], seed) * np.sqrt(6 / (inputs * size * size))
        features[f"features.{index}.weight"] = weight.astype(np.float32)
        features[f"features.{index}.bias"] = (0.2 * _numbers([outputs], seed + 1)).astype(np.float32)
        weight = np.abs(_numbers([1, outputs, 1, 1], len(linear)))
        linear[f"lin{len(linear)}.model.1.weight"] = weight.astype(np.float32)
    return features, linear


def _write(folder, features, linear):
    """Write both files to a folder and return it."""
    for name, tensors, form in (("alexnet-owt-7be5be79.pth", features, "zip"), ("alex.pth", linear, "stream")):
        file = TorchFile()
        file.write(folder / name, ordered({key: file.tensor(array) for key, array in tensors.items()}), form)
    return folder


@pytest.fixture(scope="module")
def lpips(weights, tmp_path_factory):
    return Lpips(str(_write(tmp_path_factory.mktemp("weights"), *weights)))


def _pair(*shape):
    """Return frames and distorted frames, float32 [*shape] in [0, 1]."""
    truth = 0.5 + 0.5 * _numbers(shape, 7)
    return truth.astype(np.float32), np.clip(truth + 0.3 * _numbers(shape, 8), 0, 1).astype(np.float32)


@pytest.mark.parametrize("shape", _PUBLISHED_CODE)
def test_scores_are_those_of_the_published_code(lpips, shape):
    truth, prediction = _pair(2, *shape)
    scores = lpips.measure(None, truth, np.stack([prediction, truth]))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [_PUBLISHED_CODE[shape], [0, 0]], rtol=3e-6)


def test_the_definition_names_the_files_and_missing_ones_are_refused(weights, tmp_path):
    definition = Lpips(str(_write(tmp_path, *weights))).definition
    for path in tmp_path.iterdir():
        assert f"{path.name} (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]})" in definition
    for name in ("alex.pth", "alexnet-owt-7be5be79.pth"):
        (tmp_path / name).unlink()
        with pytest.raises(ConfigError, match=r"Put alexnet-owt-7be5be79\.pth .* and alex\.pth .* into one folder"):
            Lpips(str(tmp_path))


def test_other_files_are_refused(weights, tmp_path, monkeypatch):
    features, linear = weights
    narrow = {**features, "features.0.weight": features["features.0.weight"][..., 1:].copy()}
    broken = {**features, "features.0.weight": np.full_like(features["features.0.weight"], np.nan)}
    for tensors in ({}, narrow, broken):
        with pytest.raises(TorchFileError, match=r"no finite tensor features\.0\.weight of shape \(64, 3, 11, 11\)"):
            Lpips(str(_write(tmp_path, tensors, linear)))
    monkeypatch.setattr(lpips_module, "_OUTDATED", hashlib.sha256((tmp_path / "alex.pth").read_bytes()).hexdigest()[:8])
    with pytest.raises(TorchFileError, match=r"alex\.pth is of LPIPS version 0\.0"):
        Lpips(str(tmp_path))
    (tmp_path / "alex.pth").write_bytes(b"<html>not found</html>")
    with pytest.raises(TorchFileError, match=r"alex\.pth"):
        Lpips(str(tmp_path))
