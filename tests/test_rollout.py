"""Generation: the table of what each network sees, independence of samples, shapes."""

import numpy as np
import pytest
import tensorflow as tf

from svg_tf import losses, noise, rollout

KINDS = [
    {"prior": "learned"},
    pytest.param({"prior": "fixed", "backbone": "vgg"}, marks=pytest.mark.slow),
    {"prior": "none"},
    {"skip_frame": "every"},
    {"skip_frame": "original"},
    {"recurrence": "conv", "conv_filters": 4},
    {"n_past": 1},
]


@pytest.fixture(params=KINDS, ids=str)
def model(request, lively):
    return lively(**request.param)


def _generate(model, context, n_future=4, n_samples=2):
    return rollout.generate(model, context, n_future, noise.sample_seeds(0, range(len(context)), n_samples))


def _context(model, frames, batch=2):
    return frames(model, batch, model.n_past)


def _frame_by_frame(model, context, eps, n_future):
    """Return one sample [B, T, H, W, C] computed frame by frame, for noise [P-1+T, B, Z]."""
    batch, n_past = context.shape[:2]
    frames = [np.float32(context[:, t]) / 255 for t in range(n_past)]
    networks = {name: getattr(model, name) for name in ("posterior", "prior", "frame_predictor")}
    states = {name: network.initial_state(batch) for name, network in networks.items() if network is not None}
    skips, futures = {}, []
    for t in range(1, n_past + n_future):
        h, skips[t - 1] = model.encoder(frames[t - 1])
        h, z = h[np.newaxis], None
        if model.prior is not None:  # steps through the context, too
            gaussian, states["prior"] = model.prior(h, states["prior"])
        if model.has_latent:
            if t < n_past:
                target, _ = model.encoder(frames[t])
                gaussian, states["posterior"] = model.posterior(target[np.newaxis], states["posterior"])
            elif model.prior is None:
                gaussian = (tf.zeros([1, batch, model.z_dim]),) * 2
            z = losses.sample(gaussian, eps[t - 1])
        g, states["frame_predictor"] = model.frame_predictor(h, z, states["frame_predictor"])
        if t >= n_past:
            source = {"last": n_past - 1, "original": n_past - 2, "every": t - 1}[model.skip_frame]
            terms = model.decoder.project_skips([skip[np.newaxis] for skip in skips[source]])
            frames.append(model.decoder(g, terms)[0].numpy())
            futures.append(frames[-1])
    return np.stack(futures, axis=1)


def test_a_rollout_equals_steps_by_hand(model, frames):
    context, n_future = _context(model, frames), 5
    result = _generate(model, context, n_future, n_samples=3)
    assert result.frames.shape == (2, 3, n_future, 32, 32, 1)
    seeds = tf.constant(noise.sample_seeds(0, range(2), 3))
    eps = noise.rollout_noise(seeds, model.n_past - 1 + n_future, model.z_dim)  # [T, B, S, Z]
    for sample in range(3):
        expected = _frame_by_frame(model, context, eps[:, :, sample], n_future)
        np.testing.assert_allclose(result.frames[:, sample], expected, atol=2e-6)


def test_samples_differ_only_where_there_is_a_latent(model, frames):
    samples = _generate(model, _context(model, frames)).frames
    difference = np.abs(samples[:, 0] - samples[:, 1]).max()
    assert difference > 1e-4 if model.has_latent else difference < 1e-6


def test_a_sample_depends_on_its_context_and_seed_only(lively, frames):
    model = lively()
    context, seeds = _context(model, frames, batch=3), noise.sample_seeds(0, range(3), 4)
    whole = rollout.generate(model, context, 6, seeds).frames.numpy()
    alone = rollout.generate(model, context[1:2], 4, seeds[1:2, 2:3]).frames.numpy()
    np.testing.assert_allclose(whole[1, 2, :4], alone[0, 0], atol=1e-6)
    # The seeds of model.generate depend on the sample number, not on the place in the batch.
    whole, alone = model.generate(context, 4, n_samples=3, seed=7), model.generate(context[2:], 6, n_samples=2, seed=7)
    np.testing.assert_allclose(whole[2, :2], alone[0, :, :4], atol=1e-6)


def test_an_xla_rollout_equals_a_plain_one(lively, frames):
    model = lively()
    context = tf.constant(_context(model, frames))
    eps = noise.rollout_noise(tf.constant(noise.sample_seeds(0, range(2), 2)), model.n_past + 3, model.z_dim)
    plain = rollout.roll_out(model, context, eps).frames
    compiled = tf.function(lambda c, e: rollout.roll_out(model, c, e).frames, jit_compile=True)(context, eps)
    np.testing.assert_allclose(plain, compiled, atol=1e-5)


def test_reconstruction_is_teacher_forced_with_the_posterior_mean(lively, frames):
    model = lively()
    clips = frames(model)
    np.testing.assert_allclose(model.reconstruct(clips), model(clips).predictions, atol=1e-6)


def test_scheduled_sampling_feeds_predictions_back(lively, frames):
    """Inputs are true where they are not replaced, and otherwise those of a rollout with the posterior's z."""
    model = lively()
    clips = rollout.time_major(tf.constant(frames(model)))  # [7, B, ...], n_past 3
    eps = tf.constant(np.random.default_rng(0).standard_normal((6, 2, model.z_dim)), tf.float32)
    none = rollout.scheduled_inputs(model, clips, eps, tf.fill([3, 2], False))
    np.testing.assert_array_equal(none, clips[3:6])
    every = rollout.scheduled_inputs(model, clips, eps, tf.fill([3, 2], True))
    outputs = model(tf.transpose(clips, [1, 0, 2, 3, 4]), noise=eps)
    np.testing.assert_allclose(every[0], outputs.predictions[:, 2], atol=1e-5)  # the first has true inputs only
    h, _ = model.encode(tf.concat([clips[:3], every], axis=0))  # frames 0 to 5
    z = rollout.time_major(outputs.z[..., None, None])[..., 0, 0]  # [6, B, Z]
    g, _ = model.frame_predictor(h, z, model.frame_predictor.initial_state(2))
    _, skips = model.encode(clips[2:3])
    expected = model.decoder(g, model.decoder.project_skips(skips))
    np.testing.assert_allclose(every, expected[2:5], atol=1e-5)
    assert np.abs(every[1:] - none[1:]).max() > 1e-3


def test_scheduled_sampling_trains_on_the_fed_back_inputs(lively, frames):
    model = lively()
    clips = frames(model)
    teacher_forced, _ = model.objective(clips, None, 1.0, False)
    none, every = (model.objective(clips, None, 1.0, False, tf.fill([3, 2], value))[0] for value in (False, True))
    np.testing.assert_allclose(none.loss, teacher_forced.loss, rtol=1e-6)
    assert abs(every.kl - none.kl) > 1e-3  # the prior reads the inputs


def test_wrong_frames_are_refused(tiny, frames):
    model = tiny()
    context, seeds = _context(model, frames), noise.sample_seeds(0, range(2), 2)
    with pytest.raises(ValueError, match=r"shape of context is \(2, 4, 32, 32, 1\); this model takes \[B, 3, 32"):
        rollout.generate(model, frames(model, length=4), 3, seeds)
    with pytest.raises(ValueError, match="n_future is 0"):
        rollout.generate(model, context, 0, seeds)
    with pytest.raises(ValueError, match="seeds have shape"):
        rollout.generate(model, context, 3, seeds[:1])
    with pytest.raises(ValueError, match="n_samples 5000"):
        model.generate(context, 3, n_samples=5000)
    with pytest.raises(ValueError, match=r"shape of frames is \(2, 1, 32, 32, 1\); .* T of 2 or more"):
        model.reconstruct(frames(model, length=1))
    with pytest.raises(ValueError, match="shape of context is"):
        model.generate(context[:0], 3)
    with pytest.raises(ValueError, match="dtype of context is int64"):
        model.generate(np.int64(context), 3)
    with pytest.raises(ValueError, match=r"values of context are not in \[0, 1\]; divide pixels by 255"):
        model.generate(np.float32(context), 3)
