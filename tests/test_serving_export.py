import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from served_model import LIMITS, exported, make_model, request, run_in_cpp

from svg_tf import rollout
from svg_tf.serving import ExportError, exporting, versions


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folders of SavedModels with a signature x float32 [B] -> y; "weights" is the one that a server can run."""
    dense = keras.Sequential([keras.layers.Dense(1)])
    dense.build([None, 1])
    weights = [weight.value for weight in dense.weights]

    def call(x):
        return dense(x[:, tf.newaxis])[:, 0]

    models = {
        "python": (lambda x: tf.ensure_shape(tf.numpy_function(np.sin, [x], tf.float32), [None]), None),
        "stateful noise": (lambda x: x + tf.random.normal(tf.shape(x)), None),
        "jit": (lambda x: tf.function(lambda z: z + 1, jit_compile=True)(x), None),
        "weights twice": (call, [*weights, *map(tf.Variable, dense.get_weights())]),
        "keras model": (call, dense),
        "weights": (call, weights),
    }
    folders = {name: str(tmp_path_factory.mktemp("saved")) for name in models}
    for name, (function, attribute) in models.items():
        module, spec = tf.Module(), tf.TensorSpec([None], tf.float32, "x")
        module.attribute = attribute
        traced = tf.function(lambda x, function=function: {"y": function(x)}).get_concrete_function(x=spec)
        tf.saved_model.save(module, folders[name], signatures={"serving_default": traced})
    return folders


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("python", "PyFunc, which calls Python"),
        ("stateful noise", "RandomStandardNormal, which draws"),
        ("jit", "jit_compile=True"),
        ("weights twice", "stores 16 bytes of weights, but the model has 8"),
    ],
)
def test_a_model_that_a_server_cannot_run_is_refused(saved, name, message):
    with pytest.raises(ExportError, match=message):
        exporting.check_operations_and_weights(saved[name], 8)
    exporting.check_operations_and_weights(saved["weights"], 8)


def test_the_servers_calls_without_python_draw_the_same_frames_and_fail_on_the_same_models(saved, tmp_path):
    model, folder, _ = exported()
    inputs, x = request(model), {"x": np.ones(2, np.float32)}
    wrong = {**inputs, "context": inputs["context"][:, :2]}
    others = [(saved[name], "serving_default", x) for name in ("weights", "python", "jit", "keras model")]
    answers = run_in_cpp([(folder, "futures", inputs), (folder, "futures", wrong), *others], tmp_path)
    expected = rollout.generate(model, inputs["context"], 4, inputs["seeds"])
    np.testing.assert_allclose(answers[0]["frames"], expected.frames, atol=1e-6)
    assert "[2,2,32,32,1] is not compatible" in answers[1]
    assert answers[2]["y"].shape == (2,)
    for error, words in zip(answers[3:], ("PyFunc", "XLA", "Could not find variable"), strict=True):
        assert words in error
    tf.saved_model.load(saved["keras model"]).signatures["serving_default"](**x)  # Python does not notice
    with pytest.raises(tf.errors.OpError):
        exporting.run_in_session(saved["keras model"], "serving_default", x)


def test_other_frames_than_the_models_are_refused():
    other = make_model()
    kernel = other.decoder.trainable_variables[0]
    kernel.assign(1.01 * kernel)
    with pytest.raises(ExportError, match="the exported frames differ from the model's by"):
        exporting.check_frames(exported().folder, other)


def test_a_half_precision_model_is_exported_in_float32(monkeypatch, tmp_path):
    model, build = make_model(dtype="mixed_bfloat16"), mock.Mock(side_effect=ExportError("stop"))
    monkeypatch.setattr(exporting.signatures, "build", build)
    with pytest.raises(ExportError, match="stop"):
        exporting.export(model, str(tmp_path), LIMITS)
    (copy, _), _ = build.call_args
    assert copy.encoder.compute_dtype == "float32" and model.encoder.compute_dtype == "bfloat16"


def test_the_manifest_describes_the_model_and_names_no_local_path():
    model, folder, _ = exported()
    text = Path(folder, "assets.extra", "manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    assert os.path.dirname(folder) not in text and os.getcwd() not in text and "/" not in manifest["origin"]
    assert manifest["model"]["z_dim"] == model.z_dim and manifest["model"]["prior"] == "learned"
    assert manifest["limits"] == LIMITS._asdict()
    assert manifest["signatures"]["futures"]["inputs"]["horizon"] == {"dtype": "int32", "shape": [None]}
    found = {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}
    assert found == {*manifest["sha256"], "assets.extra/manifest.json"}
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256(Path(folder, name).read_bytes()).hexdigest() == digest


def test_every_warm_up_request_is_the_servers_message_and_runs():
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2", reason="needs tensorflow-serving-api")
    _, folder, runtime = exported()
    path, seen = os.path.join(folder, "assets.extra", "tf_serving_warmup_requests"), set()
    for record in tf.data.TFRecordDataset(path):
        message = logs.PredictionLog.FromString(record.numpy())
        request = message.predict_log.request
        assert message.WhichOneof("log_type") == "predict_log" and request.model_spec.name == "svg"
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        assert runtime.run(request.model_spec.signature_name, inputs)
        seen.add(request.model_spec.signature_name)
    assert seen == set(runtime.definitions)


def test_a_version_or_folder_that_cannot_be_written_is_refused_before_tracing(tmp_path):
    (tmp_path / "3").mkdir()
    with pytest.raises(ExportError, match="version 3 already exists"):
        exporting.export(None, str(tmp_path), LIMITS, version=3)
    with pytest.raises(ExportError, match="gs://bucket/svg is not a local folder"):
        exporting.export(None, "gs://bucket/svg", LIMITS)
    with pytest.raises(ExportError, match="serving_default exceeds its own limits.*lower n_samples or horizon"):
        exporting.export(None, str(tmp_path), LIMITS._replace(max_frames=11))
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        versions.publish(str(tmp_path / "file" / "export"), None, _write)


def _write(folder):
    Path(folder, "content").write_text("x")


def test_versions_count_up_and_the_remains_of_a_killed_export_are_removed_after_a_day(tmp_path):
    for name in ("v9", ".tmp-old", ".tmp-new"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / ".tmp-old", (0, 0))
    assert versions.latest(str(tmp_path)) is None and versions.latest(str(tmp_path / "none")) is None
    paths = [versions.publish(str(tmp_path), version, _write) for version in (None, 7, None)]
    assert [os.path.basename(path) for path in paths] == ["1", "7", "8"]
    assert os.stat(paths[0]).st_mode == os.stat(tmp_path / "v9").st_mode  # a server is often another user
    assert sorted(os.listdir(tmp_path)) == [".tmp-new", "1", "7", "8", "v9"]


def test_exports_at_the_same_time_get_different_versions(tmp_path):
    def write(folder):
        time.sleep(0.02)
        _write(folder)

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: versions.publish(str(tmp_path), None, write), range(8)))
    assert sorted(map(int, os.listdir(tmp_path))) == list(range(1, 9)) and len(set(paths)) == 8
