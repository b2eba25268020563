"""Futures and reconstructions: the model run on its own predictions, and on the true frames.

`observe` reads the context and `advance` makes one frame; generation, streaming and export are made of these two.
Samples are the leading axis here, [S, B, ...], flattened to N = S * B for the recurrent networks.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf import losses, noise
from svg_tf.models.lstm import StackState
from svg_tf.models.svg import SVG, Gaussian, time_major


class State(NamedTuple):
    """All that the next frame depends on."""

    h: tf.Tensor  # code of the frame before, float32 [N, G]
    predictor: StackState
    prior: StackState  # empty where the prior is not learned
    skip_terms: tuple[tf.Tensor, ...]  # projected skips [1, B, ...]; [S, B, ...] where every frame's own are used


class Rollout(NamedTuple):
    """Futures and the learned prior along them."""

    frames: tf.Tensor  # float32 [S, B, T, H, W, C] in [0, 1]
    prior: Gaussian | None  # mean and logvar float32 [S, B, T, Z]; None where the prior is not learned


def generate(model: SVG, context: tf.Tensor, horizon: int, seeds: np.ndarray) -> Rollout:
    """Draws futures of each context, in inference mode.

    Args:
        model: a trained model.
        context: uint8, or float32 in [0, 1], [B, P, H, W, C]; P is config.n_past.
        horizon: T, the frames to predict after the context, at least 1.
        seeds: int64 [B, S], see `noise.sample_seeds`. A future depends on its context and its seed alone.

    Returns:
        The predicted frames only, as Rollout.

    Raises:
        ValueError: a shape that does not fit the model.
    """
    _check_context(model, context)
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}, but at least 1 frame must be predicted")
    if len(seeds.shape) != 2 or seeds.shape[0] != context.shape[0]:
        raise ValueError(f"seeds have shape {tuple(seeds.shape)}, but must be [B, S] with B = {context.shape[0]}")
    return _generate(model, tf.convert_to_tensor(context), horizon, tf.convert_to_tensor(seeds, tf.int64))


def reconstruct(model: SVG, frames: tf.Tensor) -> tf.Tensor:
    """The approximate posterior's view of a clip: each frame from the true one before it and the posterior's mean.

    Args:
        model: a trained model.
        frames: uint8, or float32 in [0, 1], [B, T, H, W, C], T at least 2.

    Returns:
        Frames 1 to T-1, float32 [B, T-1, H, W, C] in [0, 1].
    """
    if len(frames.shape) != 5 or frames.shape[1] < 2:
        raise ValueError(f"frames have shape {tuple(frames.shape)}, but must be [B, T, H, W, C] with T of at least 2")
    return _reconstruct(model, tf.convert_to_tensor(frames))


def observe(model: SVG, context: tf.Tensor, noise: tf.Tensor) -> State:
    """Reads the context, for S samples at once; each network sees a frame once, not once a sample.

    Args:
        model: the model.
        context: uint8 or float32 [B, P, H, W, C], P static.
        noise: float32 [P-1, S, B, Z], for the posterior's samples of z[1..P-1].
    """
    context = time_major(context)  # [P, B, H, W, C]
    steps, batch = context.shape[0] - 1, tf.shape(context)[1]
    samples = tf.shape(noise)[1]
    h, skips = model.encode(context)  # [P, B, G]
    prior_state: StackState = ()
    if model.prior is not None:
        prior_state = model.prior.initial_state(batch)
        if steps:
            _, prior_state = model.prior(h[:-1], prior_state)
        prior_state = tf.nest.map_structure(lambda x: _tile(x, samples), prior_state)
    predictor_state = model.frame_predictor.initial_state(samples * batch)
    if steps:
        inputs = _tile(h[:-1], samples, axis=1)  # [P-1, N, G]
        if model.posterior is not None:
            (mean, logvar), _ = model.posterior(h[1:], model.posterior.initial_state(batch))  # [P-1, B, Z]
            z = mean[:, tf.newaxis] + losses.stddev(logvar)[:, tf.newaxis] * noise  # [P-1, S, B, Z]
            inputs = tf.concat([inputs, tf.reshape(z, [steps, samples * batch, z.shape[-1]])], axis=-1)
        _, predictor_state = model.frame_predictor(inputs, predictor_state)
    frame = (model.skip_frames or context.shape[0]) - 1
    skip_terms = model.decoder.project_skips([skip[frame : frame + 1] for skip in skips])  # [1, B, ...]
    if model.skip_frames is None:
        skip_terms = [_tile(term, samples) for term in skip_terms]  # [S, B, ...]
    return State(_tile(h[-1], samples), predictor_state, prior_state, tuple(skip_terms))


def advance(model: SVG, state: State, noise: tf.Tensor) -> tuple[tf.Tensor, State, Gaussian | None]:
    """One predicted frame: x[t] from the state after x[t-1], z[t] ~ p(z[t] | x[0..t-1]).

    Args:
        model: the model.
        state: of observe, or of absorb.
        noise: float32 [S, B, Z], N(0, 1).

    Returns:
        The frame, float32 [S, B, H, W, C] in [0, 1]; the state, which still holds the code of frame t-1 (see
        absorb); the learned prior's mean and logvar, float32 [S, B, Z], or None.
    """
    inputs, z, prior, prior_state = state.h[tf.newaxis], noise, None, state.prior  # [1, N, G]
    samples, batch = tf.shape(noise)[0], tf.shape(noise)[1]
    if model.prior is not None:
        (mean, logvar), prior_state = model.prior(inputs, state.prior)
        mean, logvar = (tf.reshape(x, tf.shape(noise)) for x in (mean, logvar))  # [S, B, Z]
        z, prior = mean + losses.stddev(logvar) * noise, (mean, logvar)
    if model.has_latent:
        inputs = tf.concat([inputs, tf.reshape(z, [1, samples * batch, z.shape[-1]])], axis=-1)
    g, predictor_state = model.frame_predictor(inputs, state.predictor)
    frame = model.decoder(tf.reshape(g, [samples, batch, g.shape[-1]]), state.skip_terms)
    return frame, state._replace(predictor=predictor_state, prior=prior_state), prior


def absorb(model: SVG, state: State, frame: tf.Tensor) -> State:
    """Takes a frame as x[t-1] of the next step: float32 [S, B, H, W, C] in [0, 1]."""
    h, skips = model.encode(frame)  # [S, B, G]
    state = state._replace(h=tf.reshape(h, tf.shape(state.h)))
    if model.skip_frames is None:
        state = state._replace(skip_terms=tuple(model.decoder.project_skips(skips)))
    return state


def roll_out(model: SVG, context: tf.Tensor, noise: tf.Tensor) -> Rollout:
    """As generate, for given noise float32 [P-1+T, S, B, Z]: the posterior's, then the prior's."""
    steps = context.shape[1] - 1
    horizon = tf.shape(noise)[0] - steps
    state = observe(model, context, noise[:steps])
    frame, state, prior = advance(model, state, noise[steps])
    kept = (frame, *prior) if prior else (frame,)
    arrays = tuple(tf.TensorArray(x.dtype, horizon, element_shape=x.shape).write(0, x) for x in kept)

    def body(t, frame, state, arrays):
        frame, state, prior = advance(model, absorb(model, state, frame), noise[steps + t])
        made = (frame, *prior) if prior else (frame,)
        return t + 1, frame, state, tuple(array.write(t, x) for array, x in zip(arrays, made, strict=True))

    *_, arrays = tf.while_loop(
        lambda t, *_: t < horizon, body, (tf.constant(1), frame, state, arrays), maximum_iterations=horizon - 1
    )
    frames, *gaussian = (array.stack() for array in arrays)  # [T, S, B, ...]
    return Rollout(
        tf.transpose(frames, [1, 2, 0, 3, 4, 5]),
        tuple(tf.transpose(x, [1, 2, 0, 3]) for x in gaussian) or None,
    )


@tf.function(reduce_retracing=True)
def _generate(model: SVG, context: tf.Tensor, horizon: int, seeds: tf.Tensor) -> Rollout:
    steps = context.shape[1] - 1
    return roll_out(model, context, noise.rollout_noise(seeds, steps + horizon, model.config.z_dim))


@tf.function(reduce_retracing=True)
def _reconstruct(model: SVG, frames: tf.Tensor) -> tf.Tensor:
    return tf.transpose(model(frames).predictions, [1, 0, 2, 3, 4])


def _check_context(model: SVG, context: tf.Tensor) -> None:
    config = model.config
    expected = (config.n_past, config.image_width, config.image_width, config.channels)
    if len(context.shape) != 5 or tuple(context.shape[1:]) != expected:
        raise ValueError(
            f"context has shape {tuple(context.shape)}, but this model takes [B, {', '.join(map(str, expected))}]"
        )


def _tile(x: tf.Tensor, samples: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """Repeats axis 0 or 1 as a whole, sample after sample: [B, ...] -> [S * B, ...]."""
    multiples = [1] * x.shape.rank
    multiples[axis] = samples
    return tf.tile(x, multiples)
