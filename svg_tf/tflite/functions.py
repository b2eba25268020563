"""The model as functions for TFLite: static shapes, one context, and noise and state among the inputs."""

import tensorflow as tf

from svg_tf import losses, rollout
from svg_tf.models.svg import SVG
from svg_tf.serving.saving import Signatures


def build(model: SVG, horizon: int, samples: int = 1, *, prior_stddev: bool = False) -> Signatures:
    """Trace the functions of a TFLite file. All tensors are float32; there are no random numbers inside.

    S samples of one context share its encoding. `eps` is N(0, 1) noise: P-1 steps for the posterior on the context,
    then one step for each predicted frame.

    * `observe`: context [1, P, H, W, C] in [0, 1], eps [S, P-1, Z] -> the state after the context.
    * `step`: state, eps [S, Z] -> frame [S, H, W, C] in [0, 1] and the next state.
    * `rollout`: context, eps [S, P-1+T, Z] -> frames [S, T, H, W, C].

    A state tensor has the same name as an input and as an output: `h`, `predictor_0`, ... (hidden and cell of each
    layer in turn), `prior_0`, ... and `skip_terms_0`, ... Tensors that `step` does not change, such as the shared skip
    terms, are not among its outputs: keep those of `observe`. There is no `eps` where it has no effect: in a
    deterministic model, and in `observe` with P = 1. With the argument prior_stddev, `step` also returns the learned
    prior's standard deviation, `prior_stddev` [S, Z].

    The model computes in float32, and its LSTM layers may be unrolled, see `saving.float32_copy`.
    """
    past = model.n_past - 1
    image = [model.image_size, model.image_size, model.channels]
    context = tf.TensorSpec([1, model.n_past, *image])
    structure: list[rollout.State] = []  # of the nested state, once `observe` is traced

    def eps(*steps: int) -> dict[str, tf.TensorSpec]:
        return {"eps": tf.TensorSpec([samples, *steps, model.z_dim])} if model.has_latent and 0 not in steps else {}

    def noise_of(inputs: dict[str, tf.Tensor], steps: int) -> tf.Tensor:
        """Reshape eps to [steps, 1, S, Z], as `rollout` takes it; zeros where there is no such input."""
        if "eps" not in inputs:
            return tf.zeros([steps, 1, samples, model.z_dim])
        by_sample = tf.reshape(inputs["eps"], [samples, steps, model.z_dim])
        return tf.transpose(by_sample, [1, 0, 2])[:, tf.newaxis]

    def observe(**inputs):
        state = rollout.observe(model, inputs["context"], noise_of(inputs, past))
        structure[:] = [state]
        return {name: _without_batch(x) for name, x in _named(state).items()}

    def step(**inputs):
        named = {name: tf.reshape(inputs[name], x.shape) for name, x in _named(structure[0]).items()}
        state = tf.nest.pack_sequence_as(structure[0], list(named.values()))
        frame, state, prior = rollout.predict_frame(model, state, noise_of(inputs, 1)[0])
        state = rollout.encode_frame(model, state, frame)
        changed = {name: _without_batch(x) for name, x in _named(state).items() if x is not named[name]}
        stddev = {"prior_stddev": losses.stddev(prior[1])[0]} if prior_stddev and prior else {}
        return {"frame": frame[0], **stddev, **changed}

    def whole(**inputs):
        frames = rollout.roll_out(model, inputs["context"], noise_of(inputs, past + horizon)).frames
        return {"frames": tf.reshape(frames, [samples, horizon, *image])}  # the loop loses its static length

    def traced(function, **specs: tf.TensorSpec):
        return tf.function(function, autograph=False).get_concrete_function(**specs)

    functions = {"observe": traced(observe, context=context, **eps(past))}
    state = {name: tf.TensorSpec(x.shape) for name, x in functions["observe"].structured_outputs.items()}
    functions["step"] = traced(step, **state, **eps())
    functions["rollout"] = traced(whole, context=context, **eps(past + horizon))
    return functions


def _named(state: rollout.State) -> dict[str, tf.Tensor]:
    """Name the tensors of a state, in the order of `tf.nest.flatten`."""
    named: dict[str, tf.Tensor] = {}
    for field, value in state._asdict().items():
        numbered = {f"{field}_{index}": x for index, x in enumerate(tf.nest.flatten(value))}
        named |= {field: value} if tf.is_tensor(value) else numbered
    return named


def _without_batch(x: tf.Tensor) -> tf.Tensor:
    """Remove axis 1, the batch of one context, from skip terms [S, 1, H', W', C']: some runtimes end at rank 4."""
    return tf.squeeze(x, 1) if x.shape.rank == 5 else x
