"""The networks against the original implementation: same weights and inputs in, same numbers out."""

import numpy as np
import pytest
import tensorflow as tf
from golden_reference import FIXTURE, SHARED, Golden, relative_error

from svg_tf import rollout
from svg_tf.torch_import.mapping import layout, torch_weights

NAMES = ["svgfp_dcgan64", "svglp_dcgan128", "svglp_dcgan64", "svglp_lastskip_dcgan64", "svglp_vgg128", "svglp_vgg64"]


@pytest.fixture(
    scope="module",
    params=[pytest.param(FIXTURE, id="fixture")]
    + [
        pytest.param(
            SHARED / f"{name}.json",
            id=name,
            marks=[
                pytest.mark.skipif(not SHARED.exists(), reason="the full reference numbers are not here"),
                *([pytest.mark.slow] if "128" in name else []),
            ],
        )
        for name in NAMES
    ],
)
def case(request):
    golden = Golden.load(request.param)
    return golden, golden.model()


@pytest.fixture(scope="module")
def forward(case):
    """The teacher-forced pass in inference mode with its losses and gradients, computed once."""
    golden, model = case
    frames = golden.arrays["x"][: golden.facts["T"]].swapaxes(0, 1)
    noise = golden.arrays["eps"][: golden.facts["T"] - 1]
    with tf.GradientTape() as tape:
        losses, _ = model.objective(frames, noise, golden.facts["beta"], training=False)
    gradients = tape.gradient(losses.loss, model.trainable_variables)
    return model(frames, noise=noise), losses, gradients


def _rows(golden, name):
    """Return the number of clips that an array holds: the small fixture keeps one clip of large arrays."""
    return golden.arrays[name].shape[1]


def test_networks_agree_with_the_original(case, forward):
    golden, _ = case
    outputs, _, _ = forward
    arrays = golden.arrays
    for name, actual in {
        "h": outputs.h,
        "posterior_mean": outputs.posterior[0],
        "posterior_logvar": outputs.posterior[1],
        "z": outputs.z,
        "g": outputs.g,
        "x_pred": outputs.predictions[: _rows(golden, "x_pred")],
    }.items():
        assert relative_error(actual, arrays[name].swapaxes(0, 1)) < 1e-4, name
    if outputs.prior is None:
        assert not arrays["prior_mean"].any() and not arrays["prior_logvar"].any()
    else:
        assert relative_error(outputs.prior[0], arrays["prior_mean"].swapaxes(0, 1)) < 1e-4
        assert relative_error(outputs.prior[1], arrays["prior_logvar"].swapaxes(0, 1)) < 1e-4


def test_skips_agree_with_the_original(case):
    golden, model = case
    frame = golden.arrays["x"][golden.facts["n_past"] - 1]
    _, skips = model.encoder(frame)
    for index, skip in enumerate(skips):
        skip = skip.numpy()
        stats = [skip.mean(), skip.std(), np.abs(skip).max()]
        np.testing.assert_allclose(stats, golden.arrays[f"skip{index}_stats"], rtol=1e-4, atol=1e-6)
        assert relative_error(skip[:, :4, :4, :8], golden.arrays[f"skip{index}_corner"]) < 1e-4


def test_the_loss_agrees_with_the_original(case, forward):
    golden, _ = case
    _, losses, _ = forward
    np.testing.assert_allclose(losses.reconstruction_loss, golden.arrays["mse"], rtol=1e-4)
    np.testing.assert_allclose(losses.kl, golden.arrays["kld"], rtol=1e-4)
    np.testing.assert_allclose(losses.loss, golden.arrays["loss"], rtol=1e-4)


def test_every_gradient_norm_agrees_with_the_original(case, forward):
    golden, model = case
    gradients = {v.path: g.numpy() for v, g in zip(model.trainable_variables, forward[2], strict=True)}
    checked = 0
    for weight in layout(model):
        if weight.variables[0].path not in gradients:
            continue  # a batch statistic
        norm = np.sqrt(sum(np.sum(np.square(gradients[v.path], dtype=np.float64)) for v in weight.variables))
        for key in weight.keys:  # both halves of an LSTM's bias have the gradient of their sum
            expected = golden.facts["grad_l2"][key]
            assert abs(norm - expected) < 1e-3 * expected, key
            checked += 1
    assert checked == len(golden.facts["grad_l2"])


def test_closed_loop_frames_agree_with_the_original(case):
    golden, model = case
    n_past, x, rows = golden.facts["n_past"], golden.arrays["x"], _rows(golden, "x_generated")
    result = rollout.roll_out(model, x[:n_past].swapaxes(0, 1), golden.arrays["eps"][:, :, np.newaxis])
    frames = result.frames[:, 0].numpy().swapaxes(0, 1)
    assert relative_error(frames[:, :rows], golden.arrays["x_generated"][n_past:]) < 1e-4
    np.testing.assert_array_equal(x[:n_past, :rows], golden.arrays["x_generated"][:n_past])
    if result.prior is not None:
        for actual, name in zip(result.prior, ("generated_prior_mean", "generated_prior_logvar"), strict=True):
            assert relative_error(actual[:, 0].numpy().swapaxes(0, 1), golden.arrays[name]) < 1e-4, name


def test_weights_round_trip_through_the_original_layout(case):
    golden, model = case
    exported, original = torch_weights(model), golden.weights()
    assert set(exported) == set(original)
    for key, tensor in original.items():
        if "bias_" not in key:
            np.testing.assert_array_equal(exported[key], tensor, err_msg=key)
