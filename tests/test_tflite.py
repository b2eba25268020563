import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from served_model import make_model

from svg_tf import losses, noise, rollout
from svg_tf.serving import saving
from svg_tf.tflite import checks, conversion, eps, export, functions
from svg_tf.tflite.conversion import ConversionError, Interpreter

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None, reason="not run: needs the package ai-edge-litert"
)
HORIZON = 4
KINDS = [
    {},
    {"prior": "none", "channels": 3, "skip_frame": "every", "n_past": 1},
    pytest.param({"prior": "fixed", "skip_frame": "original", "backbone": "vgg", "n_past": 2}, marks=pytest.mark.slow),
    pytest.param({"recurrence": "conv", "n_past": 2}, marks=pytest.mark.slow),
]


def _inputs(model, samples=1, seed=0):
    """A context [1, P, H, W, C], noise [S, P-1+T, Z] and TensorFlow's Rollout."""
    shape = [1, model.n_past, model.image_size, model.image_size, model.channels]
    context = np.random.default_rng(seed).random(shape, np.float32)
    seeds = tf.constant(noise.sample_seeds(seed, [0], samples))
    z_noise = noise.rollout_noise(seeds, model.n_past - 1 + HORIZON, model.z_dim)  # [P-1+T, 1, S, Z]
    return context, z_noise.numpy()[:, 0].transpose(1, 0, 2), rollout.roll_out(model, tf.constant(context), z_noise)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_functions_have_static_shapes_and_the_inputs_that_matter(kind):
    model = make_model(**kind)
    built = functions.build(saving.float32_copy(model, unroll=True), HORIZON, samples=2)
    inputs = {name: function.structured_input_signature[1] for name, function in built.items()}
    for name, function in built.items():
        for spec in [*inputs[name].values(), *function.structured_outputs.values()]:
            assert spec.shape.is_fully_defined() and spec.shape.rank <= 5 and spec.dtype == tf.float32
    assert ("eps" in inputs["step"]) == model.has_latent
    assert ("eps" in inputs["observe"]) == (model.has_latent and model.n_past > 1)
    skips = {name for name in inputs["step"] if name.startswith("skip_terms")}
    returned = skips & set(built["step"].structured_outputs)
    assert skips and returned == (skips if model.skip_frame == "every" else set())
    assert not any(cell.unroll for cell in model.frame_predictor.cells)  # the caller's model is left as it is


def _converted(model, folder, variant="float32", names=("observe", "step")):
    """Saves a model and converts it in this process, which spares an import of TensorFlow; the file's path."""
    copy, saved_model, out = saving.float32_copy(model, unroll=True), f"{folder}/saved", f"{folder}/{variant}.tflite"
    saving.save(copy, functions.build(copy, HORIZON), saved_model)
    context, z_noise, _ = _inputs(model)
    np.savez(f"{out}.npz", *2 * (context, z_noise[np.newaxis]))  # drawn, and calibration
    conversion._main(saved_model, variant, f"{out}.npz", out, *names)
    return out


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_float32_file_gives_tensorflows_frames(kind, tmp_path):
    model = make_model(**kind)
    context, z_noise, expected = _inputs(model)
    path = _converted(model, tmp_path, names=("rollout",) if model.n_past == 1 else ("observe", "step"))
    np.testing.assert_allclose(Interpreter(path).futures(context[0], z_noise), expected.frames[0], atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "names", "tolerance"),
    [
        ("int8", ("observe", "step"), 0.1),
        pytest.param("int8", ("rollout",), 0.1, marks=pytest.mark.slow),
        pytest.param("float16", ("observe", "step"), 0.01, marks=pytest.mark.slow),
        pytest.param("dynamic_int8", ("observe", "step"), 0.1, marks=pytest.mark.slow),
    ],
)
def test_smaller_weights_give_nearly_the_same_frames(variant, names, tolerance, tmp_path):
    model = make_model(base_width=16, rnn_size=32, g_dim=32)
    context, z_noise, rolled = _inputs(model)
    path, expected = _converted(model, tmp_path, variant, names), rolled.frames[0].numpy()
    frames = Interpreter(path).futures(context[0], z_noise)
    assert np.abs(frames - expected).max() > 0 and np.sqrt(np.mean((frames - expected) ** 2)) < tolerance
    assert not checks.find_fault(path, model, variant, frames, checks.compare(frames, expected, expected), np.inf)


def test_quality_is_the_psnr_and_its_loss_with_a_standard_error():
    truth = np.zeros([2, 12, 4, 4, 1], np.float32)
    reference, frames = truth + 0.1, truth + 0.1
    frames[0] += 0.01  # squared errors 0.0121 and 0.01, of which the mean is 0.43 dB more than 0.01
    quality = checks.compare(frames, reference, truth)
    assert quality.psnr_to_tensorflow == pytest.approx(-10 * np.log10(0.01**2 / 2), abs=1e-3)
    assert quality.psnr_loss == pytest.approx(10 * np.log10(0.01105 / 0.01), abs=1e-3)
    assert quality.psnr_loss_error == pytest.approx(10 / np.log(10) * 0.00105 / 0.01, rel=1e-3)
    assert checks.compare(frames[:1], reference[:1], truth[:1]).psnr_loss_error == 0


@pytest.mark.parametrize(
    ("frame", "quality", "weight_bytes", "message"),
    [
        (0, (90, 0.5, 0.25), 4, "^$"),  # a loss within two standard errors
        (np.nan, (90, 0, 0), 4, "not finite"),
        (0, (79, 0, 0), 4, "79.0 dB from TensorFlow's; at least 80"),
        (0, (90, 0.5, 0.1), 4, "0.500 ± 0.100 dB below TensorFlow's"),
        (0, (90, 0, 0), 8, "stored twice"),
    ],
)
def test_a_file_of_other_frames_or_with_its_weights_twice_is_refused(tmp_path, frame, quality, weight_bytes, message):
    path, model = tmp_path / "model.tflite", make_model(base_width=32)
    path.write_bytes(bytes(weight_bytes * model.count_params()))
    fault = checks.find_fault(str(path), model, "float32", np.full(3, frame), checks.Quality(*quality), 0.1)
    assert re.search(message, fault)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed with SIGSEGV"),
        ("print('talk', file=sys.stderr)\nraise ValueError('no such op')", "failed: ValueError: no such op"),
        ("sys.exit(3)", "failed: exit status 3"),
    ],
)
def test_a_converter_that_fails_or_crashes(script, message, monkeypatch, tmp_path):
    run, command = subprocess.run, [sys.executable, "-c", f"import os, signal, sys\n{script}"]
    monkeypatch.setattr(subprocess, "run", lambda _, **options: run(command, **options))
    with pytest.raises(ConversionError, match=f"^the converter {message}$"):
        conversion.convert("m", ["step"], "float32", (np.zeros(1), np.zeros(1)), str(tmp_path / "out.tflite"))


@pytest.fixture
def in_process(monkeypatch):
    """Converts step_float32 in this process, which spares an import of TensorFlow; other conversions crash."""

    def convert(saved_model, names, variant, inputs, out, calibration=None):
        if names == ("rollout",) or variant != "float32":
            raise ConversionError("the converter crashed with SIGSEGV")
        np.savez(f"{out}.npz", *inputs)
        conversion._main(saved_model, variant, f"{out}.npz", out, *names)
        with np.load(f"{out}.npz") as results:
            return results["frames"], float(results["milliseconds"])

    monkeypatch.setattr(conversion, "convert", convert)


def test_a_refused_file_leaves_the_previous_one_and_the_finished_rows(in_process, tmp_path):
    previous = tmp_path / "step_float16.tflite"
    previous.write_bytes(b"of an earlier export")
    clips = np.random.default_rng(0).integers(0, 256, [2, 3 + HORIZON, 32, 32, 1], np.uint8)
    rows = export.export(make_model(), clips, str(tmp_path), variants=["float32", "float16"], horizon=HORIZON)
    assert [bool(row.refused) for row in rows] == [False, True, True, True]
    assert previous.read_bytes() == b"of an earlier export" and not (tmp_path / "rollout_float32.tflite").exists()
    table = (tmp_path / "table.md").read_text()
    assert "| step_float32.tflite | 0.1" in table
    assert "- step_float16.tflite was not written: the converter crashed with SIGSEGV." in table


def test_a_step_for_several_futures_of_one_context(in_process, tmp_path, monkeypatch):
    """What the browser page loads: shared skip terms and the prior's standard deviation."""
    model = make_model()
    path = export.export_step(model, str(tmp_path / "web" / "step.tflite"), batch=5)
    context, z_noise, expected = _inputs(model, samples=5)
    interpreter = Interpreter(path)
    state = interpreter.call("observe", {"context": context, "eps": z_noise[:, :2]})
    assert state["skip_terms_0"].shape[0] == 1 and state["h"].shape[0] == 5
    outputs = interpreter.call("step", {**state, "eps": z_noise[:, 2]})
    np.testing.assert_allclose(outputs["frame"], expected.frames[0, :, 0], atol=1e-5)
    np.testing.assert_allclose(outputs["prior_stddev"], losses.stddev(expected.prior[1])[0, :, 0], rtol=1e-4)
    monkeypatch.setattr(checks, "_LEAST_PSNR", {"float32": np.inf})
    before = Path(path).read_bytes()
    with pytest.raises(ConversionError, match="step.tflite is refused: .* dB from TensorFlow's"):
        export.export_step(model, path, batch=2)
    assert Path(path).read_bytes() == before


@pytest.mark.parametrize("seed", [0, 1, (7 << 32) + (123 << 12) + 5, 2**53 - 1])
def test_the_noise_in_numpy_is_that_of_the_library(seed):
    drawn = eps.rollout_eps(seed, 7, 5)
    expected = noise.rollout_noise(tf.constant([[seed]], tf.int64), 7, 5).numpy()[:, 0, 0]
    assert drawn.shape == (1, 7, 5) and drawn.dtype == np.float32
    np.testing.assert_allclose(drawn[0], expected, atol=1e-6)
    np.testing.assert_array_equal(eps.rollout_eps(seed, 4, 5), drawn[:, :4])
