import numpy as np
import pytest
import tensorflow as tf

from svg_tf.models.svg import SVG
from svg_tf.training import schedules
from svg_tf.training import train as training

KINDS = [
    {"prior": "learned"},
    {"prior": "fixed", "backbone": "vgg"},
    {"prior": "none"},
    {"skip_frame": "every"},
    {"skip_frame": "original"},
]


def _noise(config, batch=2, seed=0):
    shape = (config.n_frames - 1, batch, config.z_dim)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _tensors(outputs):
    """Every tensor of the outputs with its name, time first."""
    named = {"predictions": outputs.predictions, "h": outputs.h, "g": outputs.g, "z": outputs.z}
    for name in ("posterior", "prior"):
        mean, logvar = getattr(outputs, name) or (None, None)
        named |= {f"{name}_mean": mean, f"{name}_logvar": logvar}
    return {name: tensor.numpy() for name, tensor in named.items() if tensor is not None}


@pytest.mark.parametrize(
    ("sizes", "parameters"),
    [
        ({}, 12_609_961),
        ({"dataset": "bair", "backbone": "vgg", "channels": 3, "z_dim": 64, "n_past": 2}, 22_827_651),
        ({"dataset": "kth", "backbone": "vgg", "prior": "fixed", "z_dim": 24, "n_past": 10, "n_eval": 40}, 22_203_313),
    ],
    ids=["SM-MNIST LP", "BAIR LP", "KTH FP"],
)
def test_the_published_models_have_their_parameters(small, sizes, parameters):
    published = {"base_width": 64, "g_dim": 128, "z_dim": 10, "rnn_size": 256, "image_width": 64, "digit_size": 32}
    model = SVG(small(**{**published, **sizes}))
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == parameters


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_future_frames_change_no_earlier_output(small, clips, trained_statistics, kind):
    config = small(**kind)
    model = trained_statistics(SVG(config))
    frames, noise, t = clips(config), _noise(config), 4
    before = _tensors(model(frames, noise=noise))
    changed = frames.copy()
    changed[:, t:] = 255 - changed[:, t:]
    after = _tensors(model(changed, noise=noise))
    # Row i of most outputs is frame i + 1; what sees the target x[t] may change from t on, what does not from t + 1.
    first_change = {"h": t, "prior_mean": t, "prior_logvar": t}
    for name, value in before.items():
        first = first_change.get(name, t - 1)
        np.testing.assert_array_equal(value[:first], after[name][:first], err_msg=name)
        if not (config.prior == "none" and name in ("predictions", "g")):
            assert np.abs(value[first] - after[name][first]).max() > 0, f"{name} does not depend on x[{t}] at all"
    if config.prior == "none":  # without a latent the target itself is not seen either
        np.testing.assert_array_equal(before["predictions"][t - 1], after["predictions"][t - 1])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_batch_mate_changes_nothing_in_inference_mode(small, clips, trained_statistics, kind):
    config = small(**kind)
    model = trained_statistics(SVG(config))
    frames, noise = clips(config), _noise(config)
    before = _tensors(model(frames, noise=noise))
    frames[1], noise[:, 1] = 255 - frames[1], -noise[:, 1]
    after = _tensors(model(frames, noise=noise))
    for name, value in before.items():
        np.testing.assert_allclose(value[:, 0], after[name][:, 0], atol=1e-6, err_msg=name)


def test_batch_mates_do_matter_to_batch_statistics(small, clips):
    config = small()
    frames = clips(config)
    before = SVG(config)(frames, training=True).predictions
    frames[1] //= 2
    assert np.abs(before[:, 0] - SVG(config)(frames, training=True).predictions[:, 0]).max() > 1e-4


@pytest.mark.parametrize(
    ("skip_frame", "sources"), [("last", [0, 1, 2, 2, 2, 2]), ("original", [0, 1, 1, 1, 1, 1]), ("every", range(6))]
)
def test_skips_come_from_the_right_frame(small, clips, trained_statistics, skip_frame, sources):
    config = small(skip_frame=skip_frame)  # n_past 3, 7 frames: predictions of frames 1 to 6
    model = trained_statistics(SVG(config))
    frames = np.float32(clips(config)) / 255
    outputs = model(frames)
    _, skips = model.encoder(frames.reshape(-1, *frames.shape[2:]))
    for step, source in enumerate(sources):
        own = [skip.numpy().reshape(2, 7, *skip.shape[1:])[np.newaxis, :, source] for skip in skips]
        expected = model.decoder(outputs.g[step : step + 1], model.decoder.project_skips(own))
        np.testing.assert_allclose(outputs.predictions[step], expected[0], atol=1e-6)


def test_frames_as_bytes_equal_frames_as_floats(small, clips):
    config = small()
    model, frames = SVG(config), clips(config)
    as_bytes, as_floats = model(frames).predictions, model(np.float32(frames) / 255).predictions
    np.testing.assert_allclose(as_bytes, as_floats, atol=1e-6)


def test_without_noise_z_is_the_posteriors_mean(small, clips):
    outputs = SVG(small())(clips(small()))
    np.testing.assert_array_equal(outputs.z, outputs.posterior[0])


def test_weights_follow_from_the_seed(small):
    same, again, other = (
        np.concatenate([v.numpy().ravel() for v in SVG(small(seed=seed)).trainable_variables]) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(same, again)
    assert np.mean(same != other) > 0.9


@pytest.mark.parametrize("kind", [KINDS[0], pytest.param(KINDS[1], marks=pytest.mark.slow)], ids=str)
def test_a_compiled_training_step_equals_a_plain_one(small, clips, kind):
    config, results = small(**kind), []
    for jit_compile in (False, True):
        model = training.compiled_model(config)
        step = tf.function(model.train_step, jit_compile=jit_compile)
        logs = [step(tf.constant(clips(config, seed=seed))) for seed in range(3)]
        results.append((logs, model))
    for plain, compiled in zip(*(logs for logs, _ in results), strict=True):
        for name in plain:
            np.testing.assert_allclose(plain[name], compiled[name], rtol=1e-3, atol=1e-6, err_msg=name)


def test_the_training_step_minimises_the_objective_it_reports(small, clips):
    config = small(beta=0.1, learning_rate=1e-6)
    model, frames = training.compiled_model(config), tf.constant(clips(config))
    noise = model._step_noise(frames, 0, model.updates.value)
    expected = model.objective(frames, noise, schedules.beta_at(config, 0), training=True)
    logs = model.train_step(frames)
    for name, value in expected._asdict().items():
        np.testing.assert_allclose(logs[name], value, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(logs["loss"], logs["reconstruction_loss"] + 0.1 * logs["kl"], rtol=1e-5)
    assert int(model.updates) == int(model.optimizer.iterations) == 1


def test_repeated_steps_on_a_batch_lower_its_loss(small, clips):
    config = small()
    model, frames = training.compiled_model(config), tf.constant(clips(config) // 8)
    step = tf.function(model.train_step)
    losses = []
    for _ in range(30):
        model.reset_metrics()
        losses.append(float(step(frames)["loss"]))
    assert losses[-1] < 0.5 * losses[0]


def test_gradient_clipping_limits_the_global_norm(small, clips):
    moved = []
    for clip_norm in (0.0, 1e-6):
        config = small(clip_norm=clip_norm)
        model = training.compiled_model(config)
        model.train_step(tf.constant(clips(config)))
        moments = [v for v in model.optimizer.variables if v.path.endswith("momentum")]
        moved.append(np.sqrt(sum(np.sum(np.square(v.numpy())) for v in moments)) / 0.1)  # beta1 0.9: 0.1 g
    assert moved[0] > 1e-3
    np.testing.assert_allclose(moved[1], 1e-6, rtol=1e-3)


@pytest.mark.parametrize("mixed_precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_to_nearly_the_same_loss(small, clips, mixed_precision):
    losses = []
    for precision in ("off", mixed_precision):
        config = small(mixed_precision=precision, base_width=8)
        model = training.compiled_model(config)
        step = tf.function(model.train_step)
        for number in range(5):
            logs = step(tf.constant(clips(config, seed=number)))
        assert all(v.dtype == "float32" for v in model.trainable_variables)
        outputs = model(clips(config))
        assert {t.dtype for t in (outputs.predictions, outputs.z, *outputs.prior)} == {tf.float32}
        losses.append(float(logs["loss"]))
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)
    assert losses[1] != losses[0], "the lower precision was not used"


def test_validation_is_the_same_each_time_and_leaves_the_model_alone(small, clips):
    config = small(beta_schedule="linear", beta_warmup_steps=100)
    model, frames = training.compiled_model(config), tf.constant(clips(config))
    before = [v.numpy() for v in model.variables]
    first = {name: float(value) for name, value in model.test_step(frames).items()}
    model.reset_metrics()
    assert first == {name: float(value) for name, value in model.test_step(frames).items()}
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    # At full beta, so that epochs compare while beta still rises.
    np.testing.assert_allclose(first["loss"], first["reconstruction_loss"] + config.beta * first["kl"], rtol=1e-5)
