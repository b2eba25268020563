"""The model: causality, independence, its objective and its training step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from svg_tf import noise
from svg_tf.models.svg import SVG
from svg_tf.training.schedules import Schedule

KINDS = [
    {"prior": "learned"},
    {"prior": "fixed", "backbone": "vgg"},
    {"prior": "none"},
    {"skip_frame": "every"},
    {"skip_frame": "original"},
    {"recurrence": "conv", "conv_filters": 4},
]


def _noise(model, batch=2, length=7, seed=0):
    return np.random.default_rng(seed).standard_normal((length - 1, batch, model.z_dim)).astype(np.float32)


def _arrays(outputs):
    """Every output by name."""
    named = {name: getattr(outputs, name) for name in ("predictions", "h", "g", "z")}
    for name in ("posterior", "prior"):
        named[f"{name}_mean"], named[f"{name}_logvar"] = getattr(outputs, name) or (None, None)
    return {name: tensor.numpy() for name, tensor in named.items() if tensor is not None}


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({}, 12_609_961),
        ({"backbone": "vgg", "channels": 3, "z_dim": 64, "n_past": 2}, 22_827_651),
        ({"backbone": "vgg", "prior": "fixed", "z_dim": 24, "n_past": 10}, 22_203_313),
    ],
    ids=["SM-MNIST LP", "BAIR LP", "KTH FP"],
)
def test_published_models_have_the_published_number_of_parameters(arguments, parameters):
    assert sum(np.prod(v.shape) for v in SVG(**arguments).trainable_variables) == parameters


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_future_frames_do_not_change_earlier_outputs(lively, frames, kind):
    model, t = lively(**kind), 4
    clips, z_noise = frames(model), _noise(model)
    before = _arrays(model(clips, noise=z_noise))
    changed = clips.copy()
    changed[:, t:] = 255 - changed[:, t:]
    after = _arrays(model(changed, noise=z_noise))
    # Row i of most outputs belongs to frame i + 1. Outputs that see x[t] change from t on, the others from t + 1 on.
    first_change = {"h": t, "prior_mean": t, "prior_logvar": t}
    for name, value in before.items():
        first = first_change.get(name, t - 1)
        np.testing.assert_array_equal(value[:, :first], after[name][:, :first], err_msg=name)
        if not (model.prior_type == "none" and name in ("predictions", "g")):
            assert np.abs(value[:, first] - after[name][:, first]).max() > 0, f"{name} does not depend on x[{t}]"
    if model.prior_type == "none":  # without a latent nothing sees the target
        np.testing.assert_array_equal(before["predictions"][:, t - 1], after["predictions"][:, t - 1])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_clips_of_a_batch_are_independent_in_inference_mode(lively, frames, kind):
    model = lively(**kind)
    clips, z_noise = frames(model), _noise(model)
    before = _arrays(model(clips, noise=z_noise))
    clips[1], z_noise[:, 1] = 255 - clips[1], -z_noise[:, 1]
    after = _arrays(model(clips, noise=z_noise))
    for name, value in before.items():
        np.testing.assert_allclose(value[0], after[name][0], atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("skip_frame", "sources"), [("last", [0, 1, 2, 2, 2, 2]), ("original", [0, 1, 1, 1, 1, 1]), ("every", range(6))]
)
def test_skips_come_from_the_right_frame(lively, frames, skip_frame, sources):
    model = lively(skip_frame=skip_frame)  # n_past 3, 7 frames: predictions of frames 1 to 6
    clips = np.float32(frames(model)) / 255
    outputs = model(clips)
    _, skips = model.encoder(clips.reshape(-1, *clips.shape[2:]))
    for step, source in enumerate(sources):
        own = [skip.numpy().reshape(2, 7, *skip.shape[1:])[np.newaxis, :, source] for skip in skips]
        g = outputs.g[:, step][np.newaxis]
        expected = model.decoder(g, model.decoder.project_skips(own))[0]
        np.testing.assert_allclose(outputs.predictions[:, step], expected, atol=1e-6)


def test_uint8_frames_equal_float_frames(lively, frames):
    model = lively()
    clips = frames(model)
    floats = model(np.float32(clips) / 255).predictions
    np.testing.assert_allclose(model(clips).predictions, floats, atol=1e-6)


def test_the_seed_determines_the_weights(tiny):
    same, again, other = (
        np.concatenate([v.numpy().ravel() for v in tiny(seed=seed).trainable_variables]) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(same, again)
    assert np.mean(same != other) > 0.9


def _compiled(model, learning_rate=1e-3, **kwargs):
    model.compile(keras.optimizers.Adam(learning_rate, name="adam"), **kwargs)
    return model


@pytest.mark.parametrize(
    "kind", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in (KINDS[1], KINDS[5]))], ids=str
)
def test_an_xla_training_step_equals_a_plain_one(tiny, frames, kind):
    results = []
    for jit_compile in (False, True):
        model = _compiled(tiny(**kind))
        step = tf.function(model.train_step, jit_compile=jit_compile)
        results.append([step(tf.constant(frames(model, seed=seed))) for seed in range(3)])
    for plain, compiled in zip(*results, strict=True):
        for name in plain:
            np.testing.assert_allclose(plain[name], compiled[name], rtol=1e-3, atol=1e-6, err_msg=name)


def test_the_training_step_minimizes_the_objective_it_reports(tiny, frames):
    model = _compiled(tiny(), learning_rate=1e-6, beta=0.1)
    clips = tf.constant(frames(model))
    z_noise = noise.step_noise([6, 2, 3], 0, noise.TRAINING_STREAM, 0)
    expected, _ = model.objective(clips, z_noise, 0.1, training=True)
    logs = model.train_step(clips)
    for name, value in expected._asdict().items():
        np.testing.assert_allclose(logs[name], value, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(logs["loss"], logs["reconstruction_loss"] + 0.1 * logs["kl"], rtol=1e-5)
    assert int(model.step) == int(model.optimizer.iterations) == 1


@pytest.mark.parametrize("policy", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_mixed_precision_trains_to_nearly_the_same_loss(tiny, frames, policy):
    losses = []
    for dtype in ("float32", policy):
        model = _compiled(tiny(dtype=dtype, base_width=8))
        clips = np.concatenate([frames(model, seed=seed) for seed in range(5)])
        losses.append(model.fit(clips, batch_size=2, shuffle=False, verbose=0).history["loss"][0])
        assert all(v.dtype == "float32" for v in model.trainable_variables)
        outputs = model(clips[:2])
        assert {t.dtype for t in (outputs.predictions, outputs.z, *outputs.prior)} == {tf.float32}
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)
    assert losses[1] != losses[0], "the lower precision was not used"


def test_evaluation_is_repeatable_at_full_beta_with_noise_per_batch(lively, frames):
    model = _compiled(lively(), beta=Schedule(0.5, "linear", warmup_steps=100))
    clips = np.repeat(frames(model, batch=1), 2, axis=0)  # two batches of the same clip
    before = [v.numpy() for v in model.variables]
    first, again = (model.evaluate(clips, batch_size=1, verbose=0, return_dict=True) for _ in range(2))
    assert first == again
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    np.testing.assert_allclose(first["loss"], first["reconstruction_loss"] + 0.5 * first["kl"], rtol=1e-5)
    losses = []
    model.reset_metrics()
    for clip in clips[:, np.newaxis]:
        losses.append(float(model.test_step(tf.constant(clip))["reconstruction_loss"]))
    assert 2 * losses[1] - losses[0] != pytest.approx(losses[0], rel=1e-6), "both batches have the same noise"


@pytest.mark.parametrize("backbone", ["dcgan", "vgg"])
def test_rematerialization_changes_no_gradient_and_no_statistic(tiny, frames, backbone):
    results = []
    for remat in (False, True):
        model = _compiled(tiny(backbone=backbone, remat=remat))
        model.train_step(tf.constant(frames(model)))
        results.append({v.path: v.numpy() for v in [*model.variables, *model.optimizer.variables]})
    assert results[0].keys() == results[1].keys()
    for name, value in results[0].items():
        np.testing.assert_allclose(value, results[1][name], rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 48}, "image_size is 48; it must be a power of two"),
        ({"prior": "flow"}, "prior is 'flow'; it must be one of learned, fixed, none"),
        ({"g_dim": 0}, "g_dim is 0; it must be an integer of 1 or greater"),
        ({"z_dim": 2.5}, "z_dim is 2.5"),
        ({"backbone": "resnet"}, "backbone is 'resnet'"),
        ({"skip_frame": "original", "n_past": 1}, "at least 2 context frames"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": None}, "seed is None"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SVG(**arguments)


def test_compile_refuses_a_loss_and_a_bad_beta(tiny):
    model = tiny()
    with pytest.raises(ValueError, match="its own objective"):
        model.compile(loss="mse")
    for beta in (-1.0, float("nan"), lambda step: step):
        with pytest.raises(ValueError, match="beta is"):
            model.compile(beta=beta)
