import hashlib
import json
import os

import exported_model
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from svg_tf import noise, rollout
from svg_tf.config import Config
from svg_tf.serving import exporting, inspection, sampler, wire
from svg_tf.serving.error import ExportError
from svg_tf.training.checkpoints import CheckpointError


@pytest.fixture(scope="module")
def made():
    return exported_model.artefact()


def test_the_servers_own_path_gives_the_same_frames_without_python(made, tmp_path):
    inputs = exported_model.request(made.config)
    eps = noise.rollout_noise(tf.constant(inputs["seeds"]), made.config.n_past + 3, made.config.z_dim)
    given = {"context": inputs["context"], "eps": np.transpose(eps, [2, 1, 0, 3])}
    wrong = {**inputs, "context": inputs["context"][:, :2]}
    requests = [("serving_default", inputs), ("rollout_eps", given), ("serving_default", wrong)]
    seeded, explicit, error = exported_model.in_cpp_process([(made.folder, *item) for item in requests], tmp_path)
    expected = np.swapaxes(rollout.generate(made.model, inputs["context"], 4, inputs["seeds"]).frames, 0, 1)
    np.testing.assert_allclose(seeded["frames"], expected, atol=1e-6)
    np.testing.assert_allclose(explicit["frames"], expected, atol=1e-6)
    assert "[2,2,32,32,1] is not compatible" in error


def test_a_session_gives_the_same_frames(made):
    inputs = exported_model.request(made.config)
    frames = inspection.run_in_session(made.folder, "serving_default", inputs)["frames"]
    expected = exported_model.runtime().run("serving_default", inputs)["frames"]
    np.testing.assert_allclose(frames, expected, atol=1e-6)


def test_all_signatures_share_one_set_of_weights(made):
    weights = sum(weight.numpy().nbytes for weight in made.model.weights)
    assert inspection.stored_bytes(made.folder) == weights
    on_disk = os.path.getsize(os.path.join(made.folder, "variables", "variables.data-00000-of-00001"))
    assert weights < on_disk < 1.2 * weights  # the rest names the objects


def test_the_operations_are_ones_that_a_server_has(made):
    nodes = inspection._nodes(made.folder)
    used = {node.op for node in nodes}
    assert used >= {"EnsureShape", "Assert", "StatelessRandomUniformFullIntV2", "Conv2D"}
    random = {op for op in used if op.startswith(("Random", "Stateful"))} - {"StatefulPartitionedCall"}
    assert not random and not any("PyFunc" in op for op in used)
    assert not any(node.attr["_XlaMustCompile"].b for node in nodes)


def test_time_is_a_loop_and_not_unrolled(made):
    nodes = inspection._nodes(made.folder)
    convolutions = sum(node.op == "Conv2D" for node in nodes)
    # The context's encoder, and the frame's in a loop, each once for all rollouts and once in init and step.
    stages = 3
    assert convolutions == 4 * stages and {"While", "StatelessWhile"} & {node.op for node in nodes}


def _saved(folder, function, **attributes):
    """A SavedModel of one signature x float32 [B] -> y, and its folder."""
    module = tf.Module()
    for name, value in attributes.items():
        setattr(module, name, value)
    traced = tf.function(function, input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": traced.get_concrete_function()})
    return str(folder)


TRAPS = {
    "python": (lambda x: {"y": tf.ensure_shape(tf.numpy_function(np.sin, [x], tf.float32), [None])}, "PyFunc"),
    "stateful noise": (lambda x: {"y": x + tf.random.normal(tf.shape(x))}, "RandomStandardNormal"),
    "noise of another kind": (
        lambda x: {"y": x + tf.random.stateless_normal(tf.shape(x), [1, 2])},
        "StatelessRandomNormalV2",
    ),
    "jit": (lambda x: {"y": tf.function(lambda z: z + 1, jit_compile=True)(x)}, "jit_compile=True"),
    "printing": (lambda x: [tf.print("x"), {"y": x + 1}][1], "PrintV2"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_what_a_server_cannot_run_is_not_published(trap, tmp_path):
    function, message = TRAPS[trap]
    weight = tf.Variable(np.ones(3, np.float32))
    with pytest.raises(ExportError, match=message):
        inspection.check(_saved(tmp_path / "trap", function, weight=weight), 12)


def test_the_servers_own_path_fails_on_the_same_traps(tmp_path):
    """What the checks above refuse is refused by the runtime, with XLA switched off and no Python in the process."""
    inputs, model = {"x": np.ones(2, np.float32)}, keras.Sequential([keras.layers.Dense(1)])
    model.build([None, 1])
    python = _saved(tmp_path / "python", TRAPS["python"][0])
    jit = _saved(tmp_path / "jit", TRAPS["jit"][0])
    held = _saved(tmp_path / "held", lambda x: {"y": model(x[:, tf.newaxis])[:, 0]}, model=model)
    plain = _saved(tmp_path / "plain", lambda x: {"y": x + 1})
    requests = [(folder, "serving_default", inputs) for folder in (python, jit, held, plain)]
    *errors, answer = exported_model.in_cpp_process(requests, tmp_path)
    for error, words in zip(errors, ("PyFunc", "XLA", "Could not find variable"), strict=True):
        assert words in error
    np.testing.assert_array_equal(answer["y"], [2, 2])


def test_weights_that_are_stored_twice_are_not_published(tmp_path):
    weight, again = tf.Variable(np.ones(3, np.float32)), tf.Variable(np.ones(3, np.float32))
    folder = _saved(tmp_path / "once", lambda x: {"y": x * weight[0]}, weight=weight)
    inspection.check(folder, 12)
    folder = _saved(tmp_path / "twice", lambda x: {"y": x * weight[0]}, weight=weight, again=again)
    with pytest.raises(ExportError, match="stores 24 bytes of weights, but the model has 12"):
        inspection.check(folder, 12)


def test_a_keras_model_as_an_attribute_does_not_run_in_a_session_and_its_weights_do(tmp_path):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.build([None, 1])
    inputs = {"x": np.ones(2, np.float32)}

    def call(x):
        return {"y": model(x[:, tf.newaxis])[:, 0]}

    dirty = _saved(tmp_path / "dirty", call, model=model)
    tf.saved_model.load(dirty).signatures["serving_default"](tf.constant(inputs["x"]))  # Python does not notice
    with pytest.raises(tf.errors.OpError):
        inspection.run_in_session(dirty, "serving_default", inputs)
    clean = _saved(tmp_path / "clean", call, weights=[weight.value for weight in model.weights])
    outputs = inspection.run_in_session(clean, "serving_default", inputs)["y"]
    np.testing.assert_allclose(outputs, np.full(2, model.layers[0].kernel.numpy()[0, 0]), atol=1e-6)


def test_an_export_that_fails_its_checks_leaves_nothing(tmp_path, monkeypatch):
    class Holder(tf.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

    monkeypatch.setattr(sampler, "Sampler", Holder)
    config, _ = exported_model.make_run(tmp_path / "run")
    with pytest.raises(ExportError, match="does not run in a session|bytes of weights"):
        exported_model.export(config)
    assert os.listdir(exporting.base_folder(config.run_dir)) == []


def test_other_frames_than_the_models_are_not_published(made):
    request = exported_model.request(made.config) | {"horizon": np.array([2, 2], np.int32)}
    frames = inspection.run_in_session(made.folder, "rollout", request)["frames"]
    exporting.check_numbers(made.folder, request, frames)
    frames[1, 2, 1, 5, 5] += 1e-4
    with pytest.raises(ExportError, match="differ from the model's by"):
        exporting.check_numbers(made.folder, request, frames)


def test_the_manifest_says_what_the_artefact_is_made_of(made):
    with open(os.path.join(made.folder, "assets.extra", "manifest.json")) as file:
        manifest = json.load(file)
    assert Config(**manifest["config"]) == made.config
    assert manifest["checkpoint"]["file"] == "step_00000004.npz" and manifest["checkpoint"]["step"] == 4
    assert manifest["limits"] == {"horizon": 4, "max_samples": 100, "max_horizon": 30}
    assert manifest["signatures"]["rollout"]["inputs"]["horizon"] == {"dtype": "int32", "shape": [None]}
    found = set()
    for parent, _, names in os.walk(made.folder):
        found |= {os.path.relpath(os.path.join(parent, name), made.folder) for name in names}
    assert found == {*manifest["files"], "assets.extra/manifest.json"}
    for name, digest in manifest["files"].items():
        with open(os.path.join(made.folder, name), "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == digest


def _warmup_records(folder):
    path = os.path.join(folder, "assets.extra", "tf_serving_warmup_requests")
    return [record.numpy() for record in tf.data.TFRecordDataset(path)]


def test_every_warm_up_request_runs(made):
    runtime, seen = exported_model.runtime(), set()
    for record in _warmup_records(made.folder):
        (request,) = wire.values(wire.values(record, 6)[0], 1)
        spec = dict(wire.fields(wire.values(request, 1)[0]))
        tensors = wire.entries(request, 2)
        inputs = {name: tf.make_ndarray(TensorProto.FromString(data)) for name, data in tensors.items()}
        runtime.run(spec[3].decode(), inputs)
        seen.add(spec[3].decode())
        assert spec[1] == b"svg"
    assert seen == set(runtime.signatures)


def test_warm_up_requests_are_the_servers_own_messages(made):
    reason = "tensorflow-serving-api is not installed"
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2", reason=reason)
    for record in _warmup_records(made.folder):
        message = logs.PredictionLog.FromString(record)
        request = message.predict_log.request
        assert message.WhichOneof("log_type") == "predict_log" and request.model_spec.name == "svg"
        assert all(tf.make_ndarray(tensor).shape for tensor in request.inputs.values())


def _stop_at_signatures(monkeypatch):
    """Ends an export with the error "stop" where it would trace; the list will hold the model that it had by then."""
    built = []

    def build(model, _):
        built.append(model)
        raise ExportError("stop")

    monkeypatch.setattr(exporting.signatures, "build", build)
    return built


def test_a_half_precision_run_is_exported_in_full_precision(tmp_path, monkeypatch):
    config, _ = exported_model.make_run(tmp_path / "run")
    built = _stop_at_signatures(monkeypatch)
    with pytest.raises(ExportError, match="stop"):
        exported_model.export(config.replace(mixed_precision="bfloat16"))
    assert built[0].encoder.compute_dtype == "float32"


def test_recalibrated_statistics_are_what_is_exported(tmp_path, monkeypatch):
    config, model = exported_model.make_run(tmp_path / "run")
    built = _stop_at_signatures(monkeypatch)
    with pytest.raises(ExportError, match="stop"):
        exported_model.export(config, recalibrate_bn=1)
    before = {weight.path: weight.numpy() for weight in model.weights}
    changed = {weight.path for weight in built[0].weights if not np.array_equal(weight.numpy(), before[weight.path])}
    assert changed and all("moving_" in path for path in changed)


def test_a_version_that_is_there_is_told_before_any_work(made):
    with pytest.raises(ExportError, match="version 1 is already in"):
        exported_model.export(made.config, version=1, checkpoint="nothing")


def test_a_checkpoint_that_is_not_there_is_told(made):
    with pytest.raises(CheckpointError, match="step_00000077"):
        exported_model.export(made.config, checkpoint="77")
