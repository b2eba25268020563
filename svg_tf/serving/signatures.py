"""The signatures of an exported model: their names, inputs and outputs.

No input is a scalar and every output begins with the batch axis: REST's rows and the server's batching need both. A
row's outputs depend on that row alone, so rows may be split, padded and merged.
"""

import tensorflow as tf

from svg_tf import noise
from svg_tf.models.svg import SVG
from svg_tf.serving import png_frames, sampler
from svg_tf.serving.request_checks import Limits, RequestChecks

Signatures = dict[str, tf.types.experimental.ConcreteFunction]


def build(model: SVG, limits: Limits) -> Signatures:
    """Traces all signatures of a model, each with a dynamic batch.

    B rows, S samples, P = n_past context frames, T predicted frames. A sample's noise comes from its seed, or is eps,
    N(0, 1) float32 [B, S, P-1+T, Z]: the posterior's on the context and then the prior's (a model without a latent
    takes its shape alone).

    * `serving_default`: context float32 [B, P, H, W, C] in [0, 1], seeds int64 [B, S] -> frames float32
      [B, S, T, H, W, C], T = limits.horizon.
    * `rollout`: context, seeds, horizon int32 [B] -> frames, zero past a row's own horizon, T the largest of them;
      length int32 [B], the horizon again.
    * `rollout_eps`: context, eps float32 [B, S, P-1+T, Z] -> frames.
    * `rollout_png`: context_bytes string [B, P], seeds -> frames_bytes string [B, S, T].
    * `rollout_uncertainty`, of a learned prior only: context, seeds -> frames, prior_stddev float32 [B, S, T, Z].
    * `init`: context, eps float32 [B, S, P, Z] -> frame float32 [B, S, H, W, C], the first predicted, and states.
    * `step`: frame, eps float32 [B, S, 1, Z], the states -> frame, the next one, and states.
    """
    config = model.config
    check = RequestChecks(config, limits)
    picture = [config.image_width, config.image_width, config.channels]
    inputs = {
        "context": tf.TensorSpec([None, config.n_past, *picture], tf.float32),
        "context_bytes": tf.TensorSpec([None, config.n_past], tf.string),
        "seeds": tf.TensorSpec([None, None], tf.int64),
        "horizon": tf.TensorSpec([None], tf.int32),
        "frame": tf.TensorSpec([None, None, *picture], tf.float32),
    }

    # Traced once, and called by all: five rollouts take the place of one in the file, and load as fast.
    @tf.function(
        input_signature=[inputs["context"], tf.TensorSpec([None, None, None, config.z_dim], tf.float32)],
        autograph=False,
    )
    def draw(context, z_noise):
        return sampler.draw(model, context, z_noise)

    @tf.function(input_signature=[inputs["seeds"], tf.TensorSpec([], tf.int32)], autograph=False)
    def noise_of(seeds, horizon):
        return noise.rollout_noise(seeds, config.n_past - 1 + horizon, config.z_dim)

    def eps_of(steps: int | None) -> tf.TensorSpec:
        return tf.TensorSpec([None, None, steps, config.z_dim], tf.float32)

    def drawn(context: tf.Tensor, seeds: tf.Tensor, horizon: int | tf.Tensor):
        context = check.context(context)
        seeds = check.seeds(seeds, tf.shape(context)[0])
        return draw(context, noise_of(seeds, horizon))

    def serving_default(context, seeds):
        return {"frames": drawn(context, seeds, limits.horizon)[0]}

    def rollout(context, seeds, horizon):
        horizon = check.horizon(horizon, tf.shape(context)[0])
        longest = tf.reduce_max(horizon)
        frames, _ = drawn(context, seeds, longest)
        own = tf.sequence_mask(horizon, longest)[:, tf.newaxis, :, tf.newaxis, tf.newaxis, tf.newaxis]
        return {"frames": tf.where(own, frames, 0.0), "length": horizon}

    def rollout_eps(context, eps):
        context = check.context(context)
        eps = check.eps(eps, tf.shape(context)[0], None)
        return {"frames": draw(context, _time_major(eps))[0]}

    def rollout_png(context_bytes, seeds):
        context_bytes = tf.ensure_shape(context_bytes, inputs["context_bytes"].shape)
        context = png_frames.decode(context_bytes, config.image_width, config.channels)
        return {"frames_bytes": png_frames.encode(drawn(context, seeds, limits.horizon)[0])}

    def rollout_uncertainty(context, seeds):
        frames, stddev = drawn(context, seeds, limits.horizon)
        return {"frames": frames, "prior_stddev": stddev}

    def init(context, eps):
        context = check.context(context)
        eps = check.eps(eps, tf.shape(context)[0], config.n_past)
        frame, states = sampler.first_frame(model, context, _time_major(eps))
        return {"frame": frame, **states}

    def step(frame, eps, **states):
        frame = check.frame(frame)
        eps = check.state(check.eps(eps, tf.shape(frame)[0], 1), eps_of(1).shape, frame, "eps")
        states = {name: check.state(x, shapes[name], frame, name) for name, x in states.items()}
        frame, states = sampler.next_frame(model, frame, _time_major(eps)[0], states)
        return {"frame": frame, **states}

    def traced(function, *names: str, **others: tf.TensorSpec):
        specs = {name: inputs[name] for name in names} | others
        return tf.function(function, autograph=False).get_concrete_function(**specs)

    functions = {
        "serving_default": traced(serving_default, "context", "seeds"),
        "rollout": traced(rollout, "context", "seeds", "horizon"),
        "rollout_eps": traced(rollout_eps, "context", eps=eps_of(None)),
        "rollout_png": traced(rollout_png, "context_bytes", "seeds"),
        "init": traced(init, "context", eps=eps_of(config.n_past)),
    }
    if config.prior == "learned":
        functions["rollout_uncertainty"] = traced(rollout_uncertainty, "context", "seeds")
    shapes = {name: x.shape for name, x in functions["init"].structured_outputs.items() if name != "frame"}
    states = {name: tf.TensorSpec(shape, tf.float32) for name, shape in shapes.items()}
    functions["step"] = traced(step, "frame", eps=eps_of(1), **states)
    return functions


def inputs_of(function: tf.types.experimental.ConcreteFunction) -> dict[str, tf.TensorSpec]:
    """The inputs of a signature by name."""
    return {spec.name: spec for spec in tf.nest.flatten(function.structured_input_signature)}


def _time_major(eps: tf.Tensor) -> tf.Tensor:
    """float32 [B, S, N, Z] -> [N, S, B, Z]."""
    return tf.transpose(eps, [2, 1, 0, 3])
