import numpy as np
import pytest
import tensorflow as tf
import tflite_models

from svg_tf import noise, rollout
from svg_tf.tflite import contents as tflite_contents
from svg_tf.tflite.device import Device

pytestmark = tflite_models.needs_interpreter
HORIZON = 4


def _inputs(model, clips, seed=0):
    context = clips(model.config, 1, frames=model.config.n_past, seed=seed)[0] / np.float32(255)
    steps = model.config.n_past - 1 + HORIZON
    eps = noise.rollout_noise(tf.constant([[seed]], tf.int64), steps, model.config.z_dim)
    return context, eps, rollout.roll_out(model, tf.constant(context[np.newaxis]), eps).frames[0, 0].numpy()


@pytest.mark.parametrize(
    "changes",
    [*tflite_models.KINDS[:2], *(pytest.param(kind, marks=pytest.mark.slow) for kind in tflite_models.KINDS[2:])],
    ids=str,
)
def test_float32_files_give_tensorflows_frames_by_built_in_operations(
    changes, small, trained_statistics, clips, tmp_path
):
    model = tflite_models.make(small, trained_statistics, **changes)
    context, eps, expected = _inputs(model, clips)
    path = tflite_models.convert(model, str(tmp_path), horizon=HORIZON)
    contents = tflite_contents.read(path)
    assert tflite_contents.fault(contents, "float32", tflite_contents.kernel_sizes(model)) is None
    assert {"CONV_2D", "FULLY_CONNECTED"} <= contents.operations
    assert ("TRANSPOSE_CONV" in contents.operations) and not any("CUSTOM" in name for name in contents.operations)
    device = Device(path)
    assert device.names == ["observe", "rollout", "step"]
    np.testing.assert_allclose(device.futures(context, eps[:, 0, 0]), expected, atol=1e-5)
    device.names.remove("rollout")
    np.testing.assert_allclose(device.futures(context, eps[:, 0, 0]), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "tolerance"),
    [pytest.param("float16", 0.01, marks=pytest.mark.slow), ("dynamic_int8", 0.1), ("int8", 0.3)],
)
def test_smaller_numbers_make_smaller_files_and_nearly_the_same_frames(
    variant, tolerance, small, trained_statistics, clips, tmp_path
):
    model = tflite_models.make(small, trained_statistics, base_width=16, rnn_size=32, g_dim=32)
    context, eps, expected = _inputs(model, clips)
    calibration = str(tmp_path / "clips.npz")
    contexts, noises, _ = zip(*[_inputs(model, clips, seed) for seed in range(4)], strict=True)
    np.savez(calibration, contexts=np.stack(contexts), eps=np.stack([eps[:, 0, 0] for eps in noises]))
    path = tflite_models.convert(model, str(tmp_path), variant, HORIZON, variant != "int8", calibration=calibration)
    contents = tflite_contents.read(path)
    assert tflite_contents.fault(contents, variant, tflite_contents.kernel_sizes(model)) is None
    device = Device(path)
    for _ in range(2):  # the whole rollout, then step by step
        frames = device.futures(context, eps[:, 0, 0])
        assert np.abs(frames - expected).max() > 0 and np.sqrt(np.mean((frames - expected) ** 2)) < tolerance
        device.names = ["observe", "step"]
    if variant == "int8":
        assert {"QUANTIZE", "DEQUANTIZE"} <= contents.operations
        assert device.call("step", {name: np.zeros(s, np.float32) for name, s in device.inputs("step").items()})
