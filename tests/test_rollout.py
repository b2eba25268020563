import numpy as np
import pytest
import tensorflow as tf

from svg_tf import losses, noise, rollout
from svg_tf.models.svg import SVG

KINDS = [
    {"prior": "learned"},
    pytest.param({"prior": "fixed", "backbone": "vgg"}, marks=pytest.mark.slow),
    {"prior": "none"},
    {"skip_frame": "every"},
    {"skip_frame": "original"},
    {"n_past": 1},
]


@pytest.fixture(params=KINDS, ids=str)
def model(request, small, trained_statistics):
    return trained_statistics(SVG(small(**request.param)))


def _context(model, clips, batch=2, seed=0):
    return clips(model.config, batch, frames=model.config.n_past, seed=seed)


def _by_hand(model, context, eps, horizon):
    """One sample, frame by frame: the table of what each network sees, written out; eps [P-1+T, B, Z]."""
    config, batch = model.config, context.shape[0]
    frames = [np.float32(context[:, t]) / 255 for t in range(config.n_past)]
    states = {
        name: getattr(model, name).initial_state(batch)
        for name in ("posterior", "prior", "frame_predictor")
        if getattr(model, name) is not None
    }
    skips, futures = {}, []
    for t in range(1, config.n_past + horizon):
        h, skips[t - 1] = model.encoder(frames[t - 1])
        inputs = h[np.newaxis]
        if model.prior is not None:  # it steps through the context too
            (mean, logvar), states["prior"] = model.prior(h[np.newaxis], states["prior"])
        if model.has_latent:
            if t < config.n_past:
                target, _ = model.encoder(frames[t])
                (mean, logvar), states["posterior"] = model.posterior(target[np.newaxis], states["posterior"])
            elif model.prior is None:
                mean = logvar = tf.zeros([1, batch, config.z_dim])
            inputs = tf.concat([inputs, mean + losses.stddev(logvar) * eps[t - 1]], axis=-1)
        g, states["frame_predictor"] = model.frame_predictor(inputs, states["frame_predictor"])
        if t >= config.n_past:
            source = {"last": config.n_past - 1, "original": config.n_past - 2, "every": t - 1}[config.skip_frame]
            terms = model.decoder.project_skips([skip[np.newaxis] for skip in skips[source]])
            frames.append(model.decoder(g, terms)[0].numpy())
            futures.append(frames[-1])
    return np.stack(futures, axis=1)  # [B, T, H, W, C]


def test_a_rollout_equals_repeated_steps_by_hand(model, clips):
    context = _context(model, clips)
    seeds, horizon = noise.sample_seeds(0, range(2), 3), 5
    result = rollout.generate(model, context, horizon, seeds)
    assert result.frames.shape == (3, 2, horizon, 32, 32, 1)
    eps = noise.rollout_noise(tf.constant(seeds), model.config.n_past - 1 + horizon, model.config.z_dim)
    for sample in range(3):
        expected = _by_hand(model, context, eps[:, sample], horizon)
        np.testing.assert_allclose(result.frames[sample], expected, atol=2e-6)


def test_samples_differ_exactly_where_there_is_a_latent(model, clips):
    frames = rollout.generate(model, _context(model, clips), 4, noise.sample_seeds(0, range(2), 2)).frames.numpy()
    difference = np.abs(frames[0] - frames[1]).max()
    assert difference > 1e-4 if model.has_latent else difference < 1e-6


def test_a_sample_depends_on_its_context_and_seed_alone(model, clips):
    context, seeds = _context(model, clips, batch=3), noise.sample_seeds(0, range(3), 4)
    whole = rollout.generate(model, context, 4, seeds).frames.numpy()
    alone = rollout.generate(model, context[1:2], 4, seeds[1:2, 2:3]).frames.numpy()
    np.testing.assert_allclose(whole[2, 1], alone[0, 0], atol=1e-6)


def test_a_longer_horizon_begins_with_the_shorter_one(model, clips):
    context, seeds = _context(model, clips), noise.sample_seeds(0, range(2), 2)
    longer = rollout.generate(model, context, 6, seeds).frames[:, :, :3]
    np.testing.assert_allclose(longer, rollout.generate(model, context, 3, seeds).frames, atol=1e-6)


def test_the_prior_along_a_rollout_has_a_spread_for_each_frame(model, clips):
    prior = rollout.generate(model, _context(model, clips), 4, noise.sample_seeds(0, range(2), 3)).prior
    if model.config.prior == "learned":
        assert [tuple(x.shape) for x in prior] == [(3, 2, 4, model.config.z_dim)] * 2
    else:
        assert prior is None


def test_a_rollout_compiled_by_xla_equals_a_plain_one(small, clips, trained_statistics):
    model = trained_statistics(SVG(small()))
    context = tf.constant(_context(model, clips))
    eps = noise.rollout_noise(
        tf.constant(noise.sample_seeds(0, range(2), 2)), model.config.n_past + 3, model.config.z_dim
    )
    plain = rollout.roll_out(model, context, eps).frames
    compiled = tf.function(lambda c, e: rollout.roll_out(model, c, e).frames, jit_compile=True)(context, eps)
    np.testing.assert_allclose(plain, compiled, atol=1e-5)


def test_reconstruction_is_the_teacher_forced_pass_at_the_posteriors_mean(model, clips):
    frames = clips(model.config, frames=6)
    expected = model(frames).predictions.numpy().swapaxes(0, 1)
    np.testing.assert_allclose(rollout.reconstruct(model, frames), expected, atol=1e-6)


def test_wrong_shapes_are_refused_in_words(small, clips):
    model = SVG(small())
    seeds = noise.sample_seeds(0, range(2), 2)
    with pytest.raises(ValueError, match=r"context has shape \(2, 4, 32, 32, 1\), but this model takes \[B, 3, 32"):
        rollout.generate(model, clips(model.config, frames=4), 3, seeds)
    with pytest.raises(ValueError, match="horizon is 0"):
        rollout.generate(model, _context(model, clips), 0, seeds)
    with pytest.raises(ValueError, match="seeds have shape"):
        rollout.generate(model, _context(model, clips), 3, seeds[:1])
    with pytest.raises(ValueError, match="frames have shape"):
        rollout.reconstruct(model, clips(model.config, frames=1))
