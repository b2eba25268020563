"""Tests of svg_tf/metrics/fvd.py on a stand-in with the format and the signature of the published module."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from scipy.linalg import sqrtm

from svg_tf.config import ConfigError
from svg_tf.metrics.fvd import VideoFeatures, frechet_distance
from svg_tf.training.checkpoints import CheckpointError

_HANDLE = "https://tfhub.dev/deepmind/i3d-kinetics-400/1"


def write_module(folder, name="default", width=224, logits=400):
    """Write a module in the first format of TensorFlow Hub: a graph without tags and its variables.

    Its logits depend on each pixel, and on pairs of neighbouring frames as those of I3D do.
    """
    tf1 = tf.compat.v1
    rng = np.random.default_rng(0)
    with tf.Graph().as_default(), tf1.Session() as session:
        videos = tf1.placeholder(tf.float32, [None, None, width, width, 3])
        places = tf1.get_variable("places", initializer=rng.standard_normal([width, width, 3]).astype(np.float32))
        classes = tf1.get_variable("classes", initializer=rng.standard_normal([3, logits]).astype(np.float32))
        colours = tf.reduce_sum(videos * places, axis=[2, 3]) / width  # [N, T, 3]
        pairs = tf.tanh(colours[:, 1:] + 2.0 * colours[:, :-1])
        output = tf.reduce_mean(tf.tensordot(pairs, classes, 1), axis=1)
        session.run(tf1.global_variables_initializer())
        build_info = tf1.saved_model.utils.build_tensor_info
        signature = tf1.saved_model.signature_def_utils.build_signature_def(
            {"default": build_info(videos)}, {"default": build_info(output)}
        )
        builder = tf1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, tags=[], signature_def_map={name: signature})
        builder.save()
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")
    return folder


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    return write_module(tmp_path_factory.mktemp("hub") / "module")


@pytest.fixture(scope="module")
def features(module):
    return VideoFeatures(str(module))


def _resized(frames, size=224):
    """Resize [..., H, W, C] bilinearly as TensorFlow 1 does: pixel i of the result lies at i H / size."""
    for axis in (-3, -2):
        length = frames.shape[axis]
        place = np.arange(size) * length / size
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, length - 1)
        part = np.expand_dims(place - low, [*range(axis + 1, 0)])
        frames = np.take(frames, low, axis) * (1 - part) + np.take(frames, high, axis) * part
    return frames


def _expected(videos):
    """Return the features of the stand-in, computed with NumPy."""
    rng = np.random.default_rng(0)
    places, classes = rng.standard_normal([224, 224, 3]), rng.standard_normal([3, 400])
    frames = np.broadcast_to(2 * _resized(videos.astype(np.float64)) - 1, (*videos.shape[:2], 224, 224, 3))
    colours = (frames * places).sum(axis=(2, 3)) / 224
    return (np.tanh(colours[:, 1:] + 2 * colours[:, :-1]) @ classes).mean(axis=1)


@pytest.mark.parametrize("shape", [[16, 16, 3], [20, 12, 1], [230, 240, 1]])
def test_videos_are_prepared_as_by_the_authors(features, shape):
    videos = np.random.default_rng(0).random([2, 9, *shape], np.float32)
    found = features(videos)
    assert found.dtype == np.float64 and found.shape == (2, 400)
    np.testing.assert_allclose(found, _expected(videos), atol=1e-4)
    with pytest.raises(ConfigError, match="have 8 frames; FVD needs at least 9"):
        features(videos[:, 1:])


def test_a_missing_module_is_named_with_its_source(tmp_path):
    with pytest.raises(ConfigError, match=f"not a folder with a saved_model.pb. Download {_HANDLE}"):
        VideoFeatures(str(tmp_path))


def test_damaged_modules_are_refused_in_one_line(module, tmp_path):
    data = "variables/variables.data-00000-of-00001"
    for number, (name, size) in enumerate([("saved_model.pb", 3000), (data, 100), (data, None)]):
        folder = shutil.copytree(module, tmp_path / str(number))
        content = (folder / name).read_bytes()
        if size is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content[:size])
        with pytest.raises(CheckpointError, match="is not a valid TensorFlow Hub module") as error:
            VideoFeatures(str(folder))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("other", [{"name": "image"}, {"logits": 600}, {"width": 32}])
def test_other_networks_are_refused(tmp_path, other):
    with pytest.raises(CheckpointError, match="has no signature 'default' from"):
        VideoFeatures(str(write_module(tmp_path / "module", **other)))


def _correlated(count, size, seed=0):
    """Return correlated features of different scales."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, size)) @ rng.standard_normal((size, size)) * np.exp(rng.standard_normal(size))


def _by_factors(a, b):
    """Return the distance from the features themselves: tr (C1 C2)^(1/2) is the nuclear norm of their product."""
    x, y = ((f - f.mean(axis=0)) / np.sqrt(len(f) - 1) for f in (a, b))
    shift = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return shift + np.square(x).sum() + np.square(y).sum() - 2 * np.linalg.svd(x @ y.T, compute_uv=False).sum()


def test_a_shift_and_a_scale_have_closed_forms():
    features = _correlated(50, 6)
    shift = np.arange(6.0)
    np.testing.assert_allclose(frechet_distance(features, features + shift), np.square(shift).sum(), rtol=1e-12)
    features -= features.mean(axis=0)
    np.testing.assert_allclose(frechet_distance(features, 3 * features), 4 * np.trace(np.cov(features.T)), rtol=1e-12)


def test_full_covariances_agree_with_scipys_matrix_root():
    x, y = _correlated(80, 12), _correlated(90, 12, seed=1) + 0.3
    c1, c2 = np.cov(x.T), np.cov(y.T)
    shift = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    expected = shift + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    np.testing.assert_allclose(frechet_distance(x, y), expected, rtol=1e-10)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (5, 300), (40, 39)])
def test_fewer_videos_than_features_lose_no_precision(n, m):
    x, y = _correlated(n, 100), _correlated(m, 100, seed=1) + 0.1
    np.testing.assert_allclose(frechet_distance(x, y), _by_factors(x, y), rtol=1e-12)
    assert 0 <= frechet_distance(x, x.copy()) < 1e-10 * np.square(x).sum()
