"""FVD's network on a stand-in that is made here, in the format and with the signature of the published module."""

import shutil
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.config import ConfigError
from svg_tf.metrics import fvd as fvd_module
from svg_tf.metrics.frechet import Moments, frechet_distance
from svg_tf.metrics.fvd import load
from svg_tf.training.checkpoints import CheckpointError

_HANDLE = "https://tfhub.dev/deepmind/i3d-kinetics-400/1"


def write_module(folder, name="default", argument="default", width=224, logits=400, seed=0):
    """A module of TensorFlow Hub's first format: one graph without tags, its variables and a mark of the format.

    Its logits depend on every pixel, and on pairs of neighbouring frames as I3D's last layer does.
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
    return load(str(module))


@pytest.fixture
def copied(module, tmp_path):
    return shutil.copytree(module, tmp_path / "module")


def _videos(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def _resized(frames, size=224):
    """TensorFlow 1's bilinear resizing of [..., H, W, C]: pixel i of the result lies at i H / size."""
    for axis in (-3, -2):
        length = frames.shape[axis]
        place = np.arange(size) * length / size
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, length - 1)
        part = np.expand_dims(place - low, [*range(axis + 1, 0)])
        frames = np.take(frames, low, axis) * (1 - part) + np.take(frames, high, axis) * part
    return frames


def _expected(videos, seed=0):
    """The stand-in's features in NumPy."""
    rng = np.random.default_rng(seed)
    places, classes = rng.standard_normal([224, 224, 3]), rng.standard_normal([3, 400])
    frames = np.broadcast_to(2 * _resized(videos.astype(np.float64)) - 1, (*videos.shape[:2], 224, 224, 3))
    colours = (frames * places).sum(axis=(2, 3)) / 224
    return (np.tanh(colours[:, 1:] + 2 * colours[:, :-1]) @ classes).mean(axis=1)


@pytest.mark.parametrize("shape", [[16, 16, 3], [20, 12, 1], [224, 224, 3], [300, 280, 1]])
def test_videos_are_prepared_as_the_authors_do_and_give_the_modules_logits(features, shape):
    videos = _videos(2, 9, *shape)
    found = features(videos)
    assert found.dtype == np.float64 and found.shape == (2, 400)
    np.testing.assert_allclose(found, _expected(videos), atol=1e-4)


def test_the_resizing_is_not_that_of_tensorflow_2(features):
    videos = _videos(2, 9, 16, 16, 3)
    centred = np.stack([tf.image.resize(video, [224, 224]).numpy() for video in videos])
    assert np.abs(features(videos) - features(centred)).max() > 0.01


def test_chunks_bound_the_frames_at_once_without_a_change_or_a_new_graph(module, monkeypatch):
    features = load(str(module))
    videos = _videos(7, 10, 8, 8, 1)
    whole = features(videos)
    seen, compute = [], features._features_of
    monkeypatch.setattr(features, "_features_of", lambda videos: seen.append(len(videos)) or compute(videos))
    monkeypatch.setattr(fvd_module, "_CHUNK_FRAMES", 39)
    np.testing.assert_allclose(features(videos), whole, atol=1e-5)
    monkeypatch.setattr(fvd_module, "_CHUNK_FRAMES", 5)
    np.testing.assert_allclose(features(videos[:2]), whole[:2], atol=1e-5)
    assert seen == [3, 3, 1, 1, 1]
    features(_videos(1, 12, 9, 16, 3))
    assert compute.experimental_get_tracing_count() == 1


def test_float64_videos_are_taken_and_no_videos_give_no_features(features):
    videos = _videos(1, 9, 8, 8, 1)
    np.testing.assert_array_equal(features(videos.astype(np.float64)), features(videos))
    assert features(videos[:0]).shape == (0, 400)


def test_the_distance_of_features_is_zero_for_the_same_videos_and_grows_with_noise(features):
    truth, noise = _videos(6, 9, 8, 8, 1), _videos(6, 9, 8, 8, 1, seed=1)
    real = Moments().add(features(truth))
    distances = [
        frechet_distance(real, Moments().add(features(truth + amount * (noise - truth)))) for amount in (0, 0.3, 1)
    ]
    assert distances[0] < 1e-6 < distances[1] < distances[2]


def test_videos_too_short_for_i3d_are_refused_in_words(features):
    assert features.min_frames == 9
    with pytest.raises(ConfigError, match="videos have 8 frames, but FVD's network needs at least 9: raise n_eval"):
        features(_videos(2, 8, 16, 16, 1))


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        (np.zeros([2, 9, 8, 8, 1], np.uint8), "videos are uint8"),
        (np.zeros([9, 8, 8, 1]), r"shape \(9, 8, 8, 1\)"),
        (np.zeros([2, 9, 8, 8, 2]), "1 or 3 channels"),
    ],
)
def test_videos_of_another_kind_are_refused(features, videos, message):
    with pytest.raises(ValueError, match=message):
        features(videos)


def test_the_argument_may_have_any_name(tmp_path):
    videos = _videos(1, 9, 8, 8, 3)
    features = load(str(write_module(tmp_path / "module", argument="rgb_frames")))
    np.testing.assert_allclose(features(videos), _expected(videos), atol=1e-4)


def test_the_definition_names_the_network_and_the_hash_of_its_files(features, module, tmp_path):
    assert f"network {module} (SHA-256 " in features.definition and "Kinetics-400" in features.definition
    same = shutil.copytree(module, tmp_path / "same")
    other = write_module(tmp_path / "other", seed=1)
    hashes = [load(str(folder)).definition.rsplit("SHA-256 ")[-1] for folder in (module, same, other)]
    assert hashes[0] == hashes[1] != hashes[2] and len(hashes[0]) == 17


def test_a_handle_is_fetched_by_tensorflow_hub(module, monkeypatch):
    asked = []

    def resolve(handle):
        asked.append(handle)
        return str(module)

    monkeypatch.setitem(sys.modules, "tensorflow_hub", types.SimpleNamespace(resolve=resolve))
    features = load(_HANDLE)
    assert asked == [_HANDLE] and f"network {_HANDLE} (SHA-256 " in features.definition
    videos = _videos(1, 9, 8, 8, 3)
    np.testing.assert_allclose(features(videos), _expected(videos), atol=1e-4)


def test_a_handle_without_tensorflow_hub_or_network_is_told_in_words(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    with pytest.raises(ConfigError, match=f"{_HANDLE} is fetched by the package tensorflow_hub, which is not inst"):
        load(_HANDLE)

    def resolve(handle):
        raise OSError("name not known")

    monkeypatch.setitem(sys.modules, "tensorflow_hub", types.SimpleNamespace(resolve=resolve))
    with pytest.raises(ConfigError, match=r"cannot be fetched \(name not known\); download https"):
        load(_HANDLE)


def test_what_is_not_there_or_no_module_is_told_with_where_it_is_published(tmp_path):
    with pytest.raises(ConfigError, match=f"none is not there; download {_HANDLE}"):
        load(str(tmp_path / "none"))
    (tmp_path / "i3d_torchscript.pt").write_bytes(b"PK")
    for path in (tmp_path, tmp_path / "i3d_torchscript.pt"):
        with pytest.raises(CheckpointError, match=f"no folder with a saved_model.pb.*download {_HANDLE}"):
            load(str(path))


def test_damaged_modules_are_told_in_one_sentence(module, tmp_path):
    def truncated(size):
        return lambda path: path.write_bytes(path.read_bytes()[:size])

    def flipped(path):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 64
        path.write_bytes(content)

    data = "variables/variables.data-00000-of-00001"
    damages = [
        ("saved_model.pb", truncated(3000), "saved_model.pb"),
        ("saved_model.pb", truncated(0), "could not be found"),
        ("variables/variables.index", lambda path: path.unlink(), "variables/variables"),
        (data, lambda path: path.unlink(), data),
        (data, truncated(100), "less bytes"),
        (data, flipped, "Checksum does not match"),
    ]
    for number, (name, damage, message) in enumerate(damages):
        folder = shutil.copytree(module, tmp_path / str(number))
        damage(folder / name)
        with pytest.raises(CheckpointError) as error:
            load(str(folder))
        sentence = str(error.value)
        assert sentence.startswith(f"{folder} is no sound TensorFlow Hub module (") and "\n" not in sentence
        assert message in sentence and "Graph execution" not in sentence


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"name": "image"}, "has no signature default, but image"),
        ({"logits": 600}, r"gives default \(None, 600\), but must give the logits of Kinetics-400, \[N, 400\]"),
        (
            {"width": 32},
            r"takes default \(None, None, 32, 32, 3\), but must take one tensor \(None, None, 224, 224, 3\)",
        ),
    ],
)
def test_modules_of_other_networks_are_refused(tmp_path, other, message):
    with pytest.raises(CheckpointError, match=message):
        load(str(write_module(tmp_path / "module", **other)))
