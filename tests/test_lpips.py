"""LPIPS of frames, on stand-in weights."""

import dataclasses

import numpy as np
import pytest
from lpips_files import LAYERS, numbers, standin, write_folder
from numpy.lib.stride_tricks import sliding_window_view

from svg_tf.config import ConfigError
from svg_tf.metrics import lpips as lpips_module
from svg_tf.metrics.lpips import load
from svg_tf.metrics.lpips_weights import read_weights

# What the lpips package 0.1.4 with torchvision 0.28 and PyTorch 2.13 gives for the stand-in weights and _pair(...).
_PUBLISHED_CODE = {
    ("alex", 64, 64, 3): [0.19992847018234444, 0.2056722552852088],
    ("alex", 32, 32, 1): [0.20059171284745428, 0.198763293390955],
    ("vgg", 64, 64, 3): [0.1996936645651774, 0.19824755806558544],
    ("vgg", 32, 32, 1): [0.20485278507484947, 0.21326602272449247],
}


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    return {net: load(str(write_folder(tmp_path_factory.mktemp(net), net))) for net in LAYERS}


def _pair(*shape):
    """Frames, and distorted ones: float32 [*shape] in [0, 1]."""
    truth = 0.5 + 0.5 * numbers(shape, 7)
    return truth.astype(np.float32), np.clip(truth + 0.3 * numbers(shape, 8), 0, 1).astype(np.float32)


def _expected(net, truth, prediction):
    """Equation 1 in float64 for two frames [H, W, C], from the convolution's definition."""
    features, linear = standin(net)
    weights = iter(linear.values())
    maps = [np.broadcast_to(frame, (*frame.shape[:2], 3)).astype(np.float64) for frame in (truth, prediction)]
    maps = [(2 * m - 1 - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450] for m in maps]
    total = 0.0
    for layer in LAYERS[net]:
        if isinstance(layer, int):
            maps = [sliding_window_view(m, (layer, layer), (0, 1))[::2, ::2].max(axis=(-2, -1)) for m in maps]
            continue
        name, _, _, size, stride, padding = layer
        weight, bias = (
            features[f"features.{name.strip('*')}.{part}"].astype(np.float64) for part in ("weight", "bias")
        )
        for number, m in enumerate(maps):
            padded = np.pad(m, ((padding, padding), (padding, padding), (0, 0)))
            windows = sliding_window_view(padded, (size, size), (0, 1))[::stride, ::stride]  # [H, W, in, size, size]
            maps[number] = np.maximum(np.tensordot(windows, weight, ([2, 3, 4], [1, 2, 3])) + bias, 0)
        if "*" in name:
            a, b = (m / np.linalg.norm(m, axis=-1, keepdims=True).clip(1e-10) for m in maps)
            total += ((a - b) ** 2 @ next(weights).reshape(-1)).mean()
    return total


@pytest.mark.parametrize(("net", "height", "width", "channels"), _PUBLISHED_CODE)
def test_scores_are_those_of_the_published_code(metrics, net, height, width, channels):
    truth, prediction = _pair(2, height, width, channels)
    expected = _PUBLISHED_CODE[net, height, width, channels]
    np.testing.assert_allclose(metrics[net](truth[None], prediction[None, None])[0, 0], expected, rtol=3e-6)


@pytest.mark.parametrize(
    ("net", "shape"), [("alex", [2, 2, 40, 33, 3]), ("alex", [1, 2, 31, 31, 1]), ("vgg", [1, 1, 16, 19, 3])]
)
def test_every_sample_and_frame_scores_as_the_definition_has_it(metrics, net, shape):
    truth, prediction = _pair(*shape)
    samples = np.stack([prediction, np.zeros_like(truth), np.roll(truth, 5, axis=2)])
    scores = metrics[net](truth, samples)
    assert scores.dtype == np.float32 and scores.shape == samples.shape[:3]
    for place in np.ndindex(scores.shape):
        expected = _expected(net, truth[place[1:]], samples[place])
        np.testing.assert_allclose(scores[place], expected, rtol=1e-5)


def test_identical_frames_score_zero_and_stronger_noise_scores_more(metrics):
    truth, _ = _pair(1, 3, 64, 64, 1)
    noise = numbers(truth.shape, 9).astype(np.float32)
    samples = np.stack([np.clip(truth + amount * noise, 0, 1) for amount in (0, 0.05, 0.2, 0.8)])
    scores = metrics["alex"](truth, samples)
    np.testing.assert_array_equal(scores[0], 0)
    assert np.all(np.diff(scores, axis=0) > 0)


def test_pixels_without_any_feature_score_zero_and_not_nan(tmp_path):
    weights = read_weights(str(write_folder(tmp_path, "alex")))
    silent = dataclasses.replace(weights, biases=[np.full_like(bias, -1000) for bias in weights.biases])
    truth, prediction = _pair(1, 1, 32, 32, 1)
    np.testing.assert_array_equal(lpips_module.Lpips(silent)(truth, prediction[None]), 0)


def test_grey_frames_score_as_three_equal_channels(metrics):
    truth, prediction = _pair(1, 2, 32, 32, 1)
    grey = metrics["alex"](truth, prediction[None])
    np.testing.assert_array_equal(grey, metrics["alex"](np.repeat(truth, 3, -1), np.repeat(prediction, 3, -1)[None]))


def test_chunks_bound_the_frames_at_once_without_a_change_or_a_new_graph(metrics, monkeypatch):
    metric = metrics["alex"]
    truth, prediction = _pair(2, 4, 32, 32, 1)
    samples = np.stack([prediction, truth[:, ::-1]])
    whole = metric(truth, samples)
    seen = []
    for name in ("_features_of", "_distances_to"):
        compute = getattr(metric, name)
        monkeypatch.setattr(metric, name, lambda *args, compute=compute: seen.append(len(args[-1])) or compute(*args))
    monkeypatch.setattr(lpips_module, "_CHUNK_PIXELS", 3 * 32 * 32 + 5)
    np.testing.assert_allclose(metric(truth, samples), whole, rtol=1e-5)
    assert seen == [3, 3, 3, 3, 3, 3, 2, 2, 2]  # the truth's features once, then each sample's
    monkeypatch.undo()
    metric(*(np.repeat(frames, 3, -1) for frames in (truth, samples)))
    assert metric._features_of.experimental_get_tracing_count() == 1
    assert metric._distances_to.experimental_get_tracing_count() == 1


def test_frames_of_float64_are_taken(metrics):
    truth, prediction = _pair(1, 1, 32, 32, 1)
    expected = metrics["alex"](truth, prediction[None])
    np.testing.assert_array_equal(metrics["alex"](np.float64(truth), np.float64(prediction[None])), expected)


@pytest.mark.parametrize(("net", "title", "smallest"), [("alex", "AlexNet", 31), ("vgg", "VGG16", 16)])
def test_frames_too_small_for_the_network_are_refused_in_words(metrics, net, title, smallest):
    for shape in ([smallest - 1, 40], [40, smallest - 1]):
        truth, prediction = _pair(1, 1, *shape, 1)
        message = f"{shape[0]}x{shape[1]} pixels, but LPIPS with {title} needs at least {smallest}x{smallest}"
        with pytest.raises(ConfigError, match=message):
            metrics[net](truth, prediction[None])


@pytest.mark.parametrize(
    ("truth", "predictions", "message"),
    [
        (np.zeros([1, 1, 32, 32, 1], np.uint8), np.zeros([1, 1, 1, 32, 32, 1]), "truth is uint8"),
        (np.zeros([1, 1, 32, 32, 1]), np.zeros([1, 1, 1, 32, 32, 1], np.uint8), "predictions is uint8"),
        (np.zeros([1, 2, 32, 32, 1]), np.zeros([1, 1, 1, 32, 32, 1]), "must be"),
        (np.zeros([1, 1, 32, 32, 2]), np.zeros([1, 1, 1, 32, 32, 2]), "1 or 3 channels"),
        (np.zeros([1, 32, 32, 1]), np.zeros([1, 1, 32, 32, 1]), "must be"),
    ],
)
def test_frames_that_cannot_be_compared_are_refused(metrics, truth, predictions, message):
    with pytest.raises(ValueError, match=message):
        metrics["alex"](truth, predictions)
