import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from served_model import LIMITS, exported, make_model, request, run_in_cpp

from svg_tf import rollout
from svg_tf.serving import ExportError, exporting, versions


def test_the_servers_calls_without_python_draw_the_same_frames(tmp_path):
    model, folder, _ = exported()
    inputs = request(model)
    wrong = {**inputs, "context": inputs["context"][:, :2]}
    answer, error = run_in_cpp([(folder, "futures", inputs), (folder, "futures", wrong)], tmp_path)
    expected = rollout.generate(model, inputs["context"], 4, inputs["seeds"])
    np.testing.assert_allclose(answer["frames"], expected.frames, atol=1e-6)
    assert "[2,2,32,32,1] is not compatible" in error


def _save(folder, function, **attributes):
    """Saves a signature x float32 [B] -> y and returns the folder."""
    module = tf.Module()
    for name, value in attributes.items():
        setattr(module, name, value)
    traced = tf.function(function, input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": traced.get_concrete_function()})
    return str(folder)


TRAPS = {
    "python": (lambda x: {"y": tf.ensure_shape(tf.numpy_function(np.sin, [x], tf.float32), [None])}, "PyFunc"),
    "stateful noise": (lambda x: {"y": x + tf.random.normal(tf.shape(x))}, "RandomStandardNormal"),
    "jit": (lambda x: {"y": tf.function(lambda z: z + 1, jit_compile=True)(x)}, "jit_compile=True"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_model_that_a_server_cannot_run_is_refused(trap, tmp_path):
    function, message = TRAPS[trap]
    with pytest.raises(ExportError, match=message):
        exporting.check_operations_and_weights(
            _save(tmp_path / "trap", function, weight=tf.Variable(np.ones(3, np.float32))), 12
        )


def test_the_servers_calls_fail_on_the_same_models(tmp_path):
    inputs, model = {"x": np.ones(2, np.float32)}, keras.Sequential([keras.layers.Dense(1)])
    model.build([None, 1])

    def call(x):
        return {"y": model(x[:, tf.newaxis])[:, 0]}

    python = _save(tmp_path / "python", TRAPS["python"][0])
    jit = _save(tmp_path / "jit", TRAPS["jit"][0])
    held = _save(tmp_path / "held", call, model=model)
    clean = _save(tmp_path / "clean", call, weights=[weight.value for weight in model.weights])
    folders = (python, jit, held, clean)
    *errors, answer = run_in_cpp([(folder, "serving_default", inputs) for folder in folders], tmp_path)
    for error, words in zip(errors, ("PyFunc", "XLA", "Could not find variable"), strict=True):
        assert words in error
    np.testing.assert_allclose(answer["y"], np.full(2, model.layers[0].kernel.numpy()[0, 0]), atol=1e-6)
    tf.saved_model.load(held).signatures["serving_default"](tf.constant(inputs["x"]))  # Python does not notice
    with pytest.raises(tf.errors.OpError):
        exporting.run_in_session(held, "serving_default", inputs)


def test_weights_that_are_stored_twice_are_refused(tmp_path):
    weight, again = tf.Variable(np.ones(3, np.float32)), tf.Variable(np.ones(3, np.float32))
    folder = _save(tmp_path / "twice", lambda x: {"y": x * weight[0]}, weight=weight, again=again)
    with pytest.raises(ExportError, match="stores 24 bytes of weights, but the model has 12"):
        exporting.check_operations_and_weights(folder, 12)
    exporting.check_operations_and_weights(folder, 24)


def test_other_frames_than_the_models_are_refused():
    other = make_model()
    kernel = other.decoder.trainable_variables[0]
    kernel.assign(1.01 * kernel)
    with pytest.raises(ExportError, match="the exported frames differ from the model's by"):
        exporting.check_frames(exported().folder, other)


def test_a_half_precision_model_is_exported_in_float32(monkeypatch, tmp_path):
    model, built = make_model(dtype="mixed_bfloat16"), []

    def build(copy, limits):
        built.append(copy)
        raise ExportError("stop")

    monkeypatch.setattr(exporting.signatures, "build", build)
    with pytest.raises(ExportError, match="stop"):
        exporting.export(model, str(tmp_path), LIMITS)
    assert built[0].encoder.compute_dtype == "float32" and model.encoder.compute_dtype == "bfloat16"
    for ours, theirs in zip(built[0].weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_the_manifest_describes_the_model_and_names_no_local_path():
    model, folder, _ = exported()
    path = os.path.join(folder, "assets.extra", "manifest.json")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    manifest = json.loads(text)
    assert os.path.dirname(folder) not in text and os.getcwd() not in text and "/" not in manifest["origin"]
    assert manifest["model"]["z_dim"] == model.z_dim and manifest["model"]["prior"] == "learned"
    assert manifest["limits"] == LIMITS._asdict()
    assert manifest["signatures"]["futures"]["inputs"]["horizon"] == {"dtype": "int32", "shape": [None]}
    found = {
        os.path.relpath(os.path.join(parent, name), folder) for parent, _, names in os.walk(folder) for name in names
    }
    assert found == {*manifest["sha256"], "assets.extra/manifest.json"}
    for name, digest in manifest["sha256"].items():
        with open(os.path.join(folder, name), "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == digest


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
        versions.publish(str(tmp_path / "file" / "export"), None, _write("x"))


def _write(text):
    def write(folder):
        with open(os.path.join(folder, "content"), "w") as file:
            file.write(text)

    return write


def test_versions_count_up_and_integers_alone_are_versions(tmp_path):
    for name in ("x", ".tmp-7", "v9"):
        (tmp_path / name).mkdir()
    assert versions.latest(str(tmp_path)) is None and versions.latest(str(tmp_path / "none")) is None
    paths = [versions.publish(str(tmp_path), version, _write("x")) for version in (None, 7, None)]
    assert [os.path.basename(path) for path in paths] == ["1", "7", "8"]
    assert os.stat(paths[0]).st_mode == os.stat(tmp_path / "x").st_mode  # a server is often another user


def test_nothing_is_visible_before_a_version_is_complete(tmp_path):
    def write(folder):
        _write("half")(folder)
        assert versions.latest(str(tmp_path)) is None
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        versions.publish(str(tmp_path), None, write)
    assert os.listdir(tmp_path) == []


def test_exports_at_the_same_time_get_different_versions(tmp_path):
    def write(folder):
        time.sleep(0.02)
        _write("x")(folder)

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: versions.publish(str(tmp_path), None, write), range(8)))
    assert sorted(map(int, os.listdir(tmp_path))) == list(range(1, 9)) and len(set(paths)) == 8


def test_the_remains_of_a_killed_export_are_removed_after_a_day(tmp_path):
    old, new = tmp_path / ".tmp-old", tmp_path / ".tmp-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "part").write_text("x")
    os.utime(old, (0, 0))
    versions.publish(str(tmp_path), None, _write("x"))
    assert sorted(os.listdir(tmp_path)) == [".tmp-new", "1"]
