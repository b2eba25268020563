"""Tests of svg_tf/metrics/fvd.py on a stand-in with the format and the signature of the published module."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.config import ConfigError
from svg_tf.metrics import fvd as fvd_module
from svg_tf.metrics.frechet import frechet_distance
from svg_tf.metrics.fvd import VideoFeatures
from svg_tf.training.checkpoints import CheckpointError

_HANDLE = "https://tfhub.dev/deepmind/i3d-kinetics-400/1"


def write_module(folder, name="default", argument="default", width=224, logits=400, seed=0):
    """Write a module in the first format of TensorFlow Hub: a graph without tags and its variables.

    Its logits depend on each pixel, and on pairs of neighbouring frames as those of I3D do.
    """
    tf1 = tf.compat.v1
    rng = np.random.default_rng(seed)
    with tf.Graph().as_default(), tf1.Session() as session:
        videos = tf1.placeholder(tf.float32, [None, None, width, width, 3])
        places = tf1.get_variable("places", initializer=rng.standard_normal([width, width, 3]).astype(np.float32))
        classes = tf1.get_variable("classes", initializer=rng.standard_normal([3, logits]).astype(np.float32))
        colours = tf.reduce_sum(videos * places, axis=[2, 3]) / width  # [N, T, 3]
        pairs = tf.tanh(colours[:, 1:] + 2.0 * colours[:, :-1])
        outputs = {"default": tf.reduce_mean(tf.tensordot(pairs, classes, 1), axis=1)}
        session.run(tf1.global_variables_initializer())
        build_info = tf1.saved_model.utils.build_tensor_info
        signature = tf1.saved_model.signature_def_utils.build_signature_def(
            {argument: build_info(videos)}, {key: build_info(output) for key, output in outputs.items()}
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


def _videos(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


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


def _expected(videos, seed=0):
    """Return the features of the stand-in, computed with NumPy."""
    rng = np.random.default_rng(seed)
    places, classes = rng.standard_normal([224, 224, 3]), rng.standard_normal([3, 400])
    frames = np.broadcast_to(2 * _resized(videos.astype(np.float64)) - 1, (*videos.shape[:2], 224, 224, 3))
    colours = (frames * places).sum(axis=(2, 3)) / 224
    return (np.tanh(colours[:, 1:] + 2 * colours[:, :-1]) @ classes).mean(axis=1)


@pytest.mark.parametrize("shape", [[16, 16, 3], [20, 12, 1], [300, 280, 1]])
def test_videos_are_prepared_as_by_the_authors(features, shape):
    videos = _videos(2, 9, *shape)
    found = features(videos)
    assert found.dtype == np.float64 and found.shape == (2, 400)
    np.testing.assert_allclose(found, _expected(videos), atol=1e-4)


def test_the_resizing_is_not_that_of_tensorflow_2(features):
    videos = _videos(2, 9, 16, 16, 3)
    centred = np.stack([tf.image.resize(video, [224, 224]).numpy() for video in videos])
    assert np.abs(features(videos) - features(centred)).max() > 0.01


def test_chunks_give_the_same_features(features, monkeypatch):
    videos = _videos(7, 10, 8, 8, 1)
    whole = features(videos)
    monkeypatch.setattr(fvd_module, "_CHUNK_FRAMES", 39)
    np.testing.assert_allclose(features(videos), whole, atol=1e-5)


def test_the_distance_is_zero_for_the_same_videos_and_grows_with_noise(features):
    truth, noise = _videos(6, 9, 8, 8, 1), _videos(6, 9, 8, 8, 1, seed=1)
    distances = [
        frechet_distance(features(truth), features(truth + amount * (noise - truth))) for amount in (0, 0.3, 1)
    ]
    assert distances[0] < 1e-6 < distances[1] < distances[2]


def test_videos_too_short_for_i3d_are_refused(features):
    with pytest.raises(ConfigError, match="have 8 frames; FVD needs at least 9"):
        features(np.zeros([2, 8, 16, 16, 1], np.float32))


def test_the_definition_has_the_hash_of_the_files(features, module, tmp_path):
    assert f"Network {module} (SHA-256 " in features.definition and "Kinetics-400" in features.definition
    other = VideoFeatures(str(write_module(tmp_path / "other", seed=1, argument="rgb_frames")))
    assert other.definition.rsplit("SHA-256 ")[-1] != features.definition.rsplit("SHA-256 ")[-1]


def test_a_missing_module_is_named_with_its_source(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match=f"not a folder with a saved_model.pb. Download {_HANDLE}"):
            VideoFeatures(str(path))


def test_damaged_modules_are_refused_in_one_line(module, tmp_path):
    data = "variables/variables.data-00000-of-00001"
    for number, (name, size) in enumerate([("saved_model.pb", 3000), ("saved_model.pb", 0), (data, 100), (data, None)]):
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
