"""Generation: a trained model reads context frames and then feeds on its own predictions.

One rollout step is `encode_frame` followed by `predict_frame`; generation, streaming and export share these two.
Samples are batch-major, [B, S, ...]; the recurrent states hold them as flat rows, N = S * B, row s * B + b.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from svg_tf import losses, noise

if TYPE_CHECKING:
    from svg_tf.models.svg import SVG

Gaussian = tuple[tf.Tensor, tf.Tensor]
Nested = tuple  # of tensors, the state of a recurrent network


class State(NamedTuple):
    """Everything that the next frame depends on, besides noise."""

    h: tf.Tensor  # code of the frame before, float32 [N, G], or a map [N, h, w, G]
    predictor: Nested
    prior: Nested  # empty unless the prior is learned
    skip_terms: tuple[tf.Tensor, ...]  # projected skips [1, B, ...]; [S, B, ...] with skip_frame="every"


class Rollout(NamedTuple):
    """Futures, and the learned prior along them."""

    frames: tf.Tensor  # float32 [B, S, T, H, W, C] in [0, 1]
    prior: Gaussian | None  # mean and logvar, float32 [B, S, T, Z]; None unless the prior is learned


def generate(model: "SVG", context: tf.Tensor | np.ndarray, n_future: int, seeds: np.ndarray) -> Rollout:
    """Sample futures of each context in inference mode.

    Args:
        model: a trained model.
        context: uint8, or float32 in [0, 1], [B, P, H, W, C] with P = model.n_past.
        n_future: frames T to predict after the context, at least 1.
        seeds: int64 [B, S], see `noise.sample_seeds`. A future depends on its context and its seed only.

    Returns:
        The predicted frames, without the context, and the learned prior.

    Raises:
        ValueError: an argument has the wrong shape, dtype or range.
    """
    context = check_frames(model, context, "context", model.n_past)
    if n_future < 1:
        raise ValueError(f"n_future is {n_future}; it must be at least 1.")
    if len(seeds.shape) != 2 or seeds.shape[0] != context.shape[0]:
        raise ValueError(f"seeds have shape {tuple(seeds.shape)}; they must be [B, S] with B = {context.shape[0]}.")
    return _generate(model, context, n_future, tf.convert_to_tensor(seeds, tf.int64))


def check_frames(
    model: "SVG", frames: tf.Tensor | np.ndarray, name: str = "frames", length: int | None = None
) -> tf.Tensor:
    """Return frames as a tensor: uint8, or floating point in [0, 1], [B, T, H, W, C].

    length is the only T that is allowed; None: a static T of 2 or more.

    Raises:
        ValueError: the frames do not fit the model.
        tf.errors.InvalidArgumentError: the numbers of a symbolic tensor are out of range; raised when it is evaluated,
            except by XLA.
    """
    frames = tf.convert_to_tensor(frames)
    shape, size = frames.shape, [model.image_size, model.image_size, model.channels]
    fits = shape.rank == 5 and shape[0] != 0 and shape[2:].is_compatible_with(size)
    if not fits or (shape[1] != length if length else (shape[1] or 0) < 2):
        expected = ", ".join(map(str, ["B", length or "T", *size]))
        more = "" if length else " with a known T of 2 or more"
        raise ValueError(f"The shape of {name} is {shape}; this model takes [{expected}]{more}.")
    if frames.dtype != tf.uint8 and not frames.dtype.is_floating:
        raise ValueError(f"The dtype of {name} is {frames.dtype.name}; use uint8, or float32 in [0, 1].")
    if frames.dtype.is_floating:
        message = f"The values of {name} are not in [0, 1]; divide pixels by 255, or pass them as uint8."
        inside = tf.reduce_all((frames >= 0) & (frames <= 1))
        if not tf.executing_eagerly():
            with tf.control_dependencies([tf.debugging.Assert(inside, [message])]):
                return tf.identity(frames)
        if not inside:
            raise ValueError(message)
    return frames


def observe(model: "SVG", context: tf.Tensor, noise: tf.Tensor) -> State:
    """Read the context and return the state for S samples; each network sees a frame once, not once per sample.

    Args:
        model: the model.
        context: uint8 or float32 [B, P, H, W, C], P static.
        noise: float32 [P-1, B, S, Z], N(0, 1), to sample z[1..P-1] from the posterior.
    """
    context = time_major(context)  # [P, B, H, W, C]
    steps, batch, samples = context.shape[0] - 1, tf.shape(context)[1], tf.shape(noise)[2]
    h, skips = model.encode(context)  # [P, B, G]
    prior_state: Nested = ()
    if model.prior is not None:
        prior_state = model.prior.initial_state(batch)
        if steps:
            _, prior_state = model.prior(h[:-1], prior_state)
        prior_state = tf.nest.map_structure(lambda x: _tile(x, samples), prior_state)
    predictor_state = model.frame_predictor.initial_state(samples * batch)
    if steps:
        z = None
        if model.posterior is not None:
            posterior, _ = model.posterior(h[1:], model.posterior.initial_state(batch))  # [P-1, B, Z]
            posterior = tf.nest.map_structure(lambda x: x[:, tf.newaxis], posterior)  # [P-1, 1, B, Z]
            z = losses.sample(posterior, tf.transpose(noise, [0, 2, 1, 3]))  # [P-1, S, B, Z]
            z = tf.reshape(z, [steps, samples * batch, model.z_dim])
        _, predictor_state = model.frame_predictor(_tile(h[:-1], samples, axis=1), z, predictor_state)
    frame = (model.own_skips or context.shape[0]) - 1
    skip_terms = model.decoder.project_skips([skip[frame : frame + 1] for skip in skips])  # [1, B, ...]
    if model.own_skips is None:
        skip_terms = [_tile(term, samples) for term in skip_terms]  # [S, B, ...]
    return State(_tile(h[-1], samples), predictor_state, prior_state, tuple(skip_terms))


def predict_frame(
    model: "SVG", state: State, noise: tf.Tensor, z: tf.Tensor | None = None
) -> tuple[tf.Tensor, State, Gaussian | None]:
    """Predict x[t] from the state after x[t-1], with z[t] ~ p(z[t] | x[0..t-1]).

    Args:
        model: the model.
        state: of `observe` or `encode_frame`.
        noise: float32 [B, S, Z], N(0, 1).
        z: float32 [B, S, Z], used instead of a sample from the prior.

    Returns:
        The frame, float32 [B, S, H, W, C] in [0, 1]; the state, which still holds the code of frame t-1 (see
        `encode_frame`); the learned prior's mean and logvar, float32 [B, S, Z], or None.
    """
    batch, samples = tf.shape(noise)[0], tf.shape(noise)[1]
    h, prior, prior_state, rows = state.h[tf.newaxis], None, state.prior, None  # h [1, N, G]
    if model.has_latent:
        rows = tf.transpose(noise if z is None else z, [1, 0, 2])
        rows = tf.reshape(rows, [1, samples * batch, model.z_dim])
    if model.prior is not None and z is None:
        gaussian, prior_state = model.prior(h, state.prior)
        rows = losses.sample(gaussian, rows)
        prior = tuple(_batch_major(x, samples, batch) for x in gaussian)
    g, predictor_state = model.frame_predictor(h, rows, state.predictor)
    g = tf.reshape(g, [samples, batch, *g.shape[2:]])
    frame = model.decoder(g, state.skip_terms)  # [S, B, H, W, C]
    state = state._replace(predictor=predictor_state, prior=prior_state)
    return tf.transpose(frame, [1, 0, 2, 3, 4]), state, prior


def encode_frame(model: "SVG", state: State, frame: tf.Tensor) -> State:
    """Encode a frame, float32 [B, S, H, W, C] in [0, 1], as the input of the next step."""
    h, skips = model.encode(tf.transpose(frame, [1, 0, 2, 3, 4]))  # [S, B, G]
    state = state._replace(h=tf.reshape(h, [-1, *h.shape[2:]]))
    if model.own_skips is None:
        state = state._replace(skip_terms=tuple(model.decoder.project_skips(skips)))
    return state


def roll_out(model: "SVG", context: tf.Tensor, noise: tf.Tensor) -> Rollout:
    """Sample futures as `generate` does, with noise float32 [P-1+T, B, S, Z]: the posterior's, then the prior's."""
    steps = context.shape[1] - 1
    n_future = tf.shape(noise)[0] - steps
    state = observe(model, context, noise[:steps])
    frame, state, prior = predict_frame(model, state, noise[steps])
    outputs = (frame, *prior) if prior else (frame,)
    arrays = tuple(tf.TensorArray(x.dtype, n_future, element_shape=x.shape).write(0, x) for x in outputs)

    def body(t, frame, state, arrays):
        frame, state, prior = predict_frame(model, encode_frame(model, state, frame), noise[steps + t])
        outputs = (frame, *prior) if prior else (frame,)
        return t + 1, frame, state, tuple(array.write(t, x) for array, x in zip(arrays, outputs, strict=True))

    *_, arrays = tf.while_loop(
        lambda t, *_: t < n_future, body, (tf.constant(1), frame, state, arrays), maximum_iterations=n_future - 1
    )
    frames, *gaussian = (array.stack() for array in arrays)  # [T, B, S, ...]
    return Rollout(
        tf.transpose(frames, [1, 2, 0, 3, 4, 5]),
        tuple(tf.transpose(x, [1, 2, 0, 3]) for x in gaussian) or None,
    )


def scheduled_inputs(model: "SVG", frames: tf.Tensor, noise: tf.Tensor | None, replace: tf.Tensor) -> tf.Tensor:
    """Return input frames for training with scheduled sampling (Bengio et al., 2015), without gradients.

    The model reads the context and then some of its own predictions in place of true frames, with z from the posterior
    of the true frames.

    Args:
        model: the model.
        frames: float32 [T, B, H, W, C] in [0, 1], T static.
        noise: float32 [T-1, B, Z], for z; None: the posterior's mean.
        replace: bool [T-1-P, B], which of the frames P to T-2 are replaced.

    Returns:
        The frames P to T-2, true or predicted, float32 [T-1-P, B, H, W, C].
    """
    n_past, batch = model.n_past, tf.shape(frames)[1]
    z = tf.zeros([frames.shape[0] - 1, batch, model.z_dim]) if noise is None else noise
    context = tf.transpose(frames[:n_past], [1, 0, 2, 3, 4])
    state = observe(model, context, z[: n_past - 1, :, tf.newaxis])
    if model.posterior is not None:
        h, _ = model.encode(frames)
        posterior, _ = model.posterior(h[1:], model.posterior.initial_state(batch))
        z = losses.sample(posterior, z)
    inputs = []
    for t in range(n_past, frames.shape[0] - 1):  # unrolled: XLA is slow at convolutions inside a loop on CPUs
        frame, state, _ = predict_frame(model, state, z[t - 1][:, tf.newaxis], z[t - 1][:, tf.newaxis])
        inputs.append(tf.where(replace[t - n_past][:, tf.newaxis, tf.newaxis, tf.newaxis], frame[:, 0], frames[t]))
        state = encode_frame(model, state, inputs[-1][:, tf.newaxis])
    return tf.stop_gradient(tf.stack(inputs))


def time_major(frames: tf.Tensor) -> tf.Tensor:
    """Transpose uint8, or float32 in [0, 1], [B, T, H, W, C] to float32 [T, B, H, W, C] in [0, 1]."""
    frames = tf.transpose(frames, [1, 0, 2, 3, 4])
    return tf.cast(frames, tf.float32) / 255.0 if frames.dtype == tf.uint8 else tf.cast(frames, tf.float32)


@tf.function(reduce_retracing=True, autograph=False)
def _generate(model: "SVG", context: tf.Tensor, n_future: int, seeds: tf.Tensor) -> Rollout:
    steps = context.shape[1] - 1
    return roll_out(model, context, noise.rollout_noise(seeds, steps + n_future, model.z_dim))


@tf.function(reduce_retracing=True, autograph=False)
def reconstruct(model: "SVG", frames: tf.Tensor) -> tf.Tensor:
    """Return the teacher-forced predictions of frames [B, T, H, W, C], see `SVG.reconstruct`."""
    return model(frames).predictions


def _batch_major(x: tf.Tensor, samples: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Reshape [1, S * B, Z] to [B, S, Z]."""
    return tf.transpose(tf.reshape(x, [samples, batch, x.shape[-1]]), [1, 0, 2])


def _tile(x: tf.Tensor, samples: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """Repeat a whole axis (0 or 1) once per sample: [B, ...] -> [S * B, ...]."""
    multiples = [1] * x.shape.rank
    multiples[axis] = samples
    return tf.tile(x, multiples)
