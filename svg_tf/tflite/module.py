"""The model as a device runs it: one clip at a time, every shape static, noise and states among the inputs."""

import tensorflow as tf

from svg_tf import rollout
from svg_tf.models.svg import SVG
from svg_tf.serving.quiet import quiet

Signatures = dict[str, tf.types.experimental.ConcreteFunction]
States = dict[str, tf.Tensor]


class DeviceModule(tf.Module):
    """What is converted: the weights, once, and the functions over them.

    The Keras model itself is no attribute. Keras saves a second variable for each of its own; the functions use the
    first, and a converter finds it without a value.
    """

    def __init__(self, model: SVG):
        super().__init__(name="svg_tf")
        self.weights = [weight.value for weight in model.weights]


def save(model: SVG, folder: str, horizon: int, *, looped: bool) -> None:
    """Writes a SavedModel with the functions of `signatures`."""
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with quiet():
        tf.saved_model.save(DeviceModule(model), folder, signatures(model, horizon, looped=looped), options)


def signatures(model: SVG, horizon: int, *, looped: bool) -> Signatures:
    """Traces the functions of a device; all tensors are float32 and there are no random numbers inside.

    * `observe`: context [1, P, H, W, C] in [0, 1], eps [1, P-1, Z] -> the states.
    * `step`: the states, eps [1, Z] -> frame [1, H, W, C] in [0, 1], the next states.
    * `rollout`: context, eps [1, P-1+T, Z], the posterior's and then the prior's -> frames [1, T, H, W, C].

    eps is N(0, 1). It is no input where it has no use: in a model without a latent, and in `observe` if P is 1. The
    states are named alike as inputs and as outputs: `h`, `predictor_0_hidden`, `predictor_0_cell` ..., `prior_0_...`
    where the prior is learned, and the projected skips `skip_0` ... , which `step` returns only if skip_frame is
    every: otherwise they stay as `observe` made them.

    Args:
        model: the model, float32; its walks over the context are set to be unrolled.
        horizon: T, predicted frames of `rollout`.
        looped: whether `rollout` is a loop over time; else its steps are laid out one after another.
    """
    config = model.config
    for network in filter(None, (model.frame_predictor, model.posterior, model.prior)):
        for cell in network.cells:
            cell.unrolled = True
    past = config.n_past - 1
    picture = [config.image_width, config.image_width, config.channels]
    context_spec = tf.TensorSpec([1, config.n_past, *picture])

    def eps_spec(*steps: int) -> dict[str, tf.TensorSpec]:
        return {"eps": tf.TensorSpec([1, *steps, config.z_dim])} if model.has_latent and 0 not in steps else {}

    def observe(**inputs):
        return _named(rollout.observe(model, inputs["context"], _noise(model, inputs, past)))

    def step(**inputs):
        frame, state, _ = rollout.advance(model, _state(model, inputs), _noise(model, inputs, 1)[0])
        made = _named(rollout.absorb(model, state, frame))
        kept = {name: x for name, x in made.items() if model.skip_frames is None or not name.startswith("skip_")}
        return {"frame": frame[0], **kept}

    def whole(**inputs):
        context, noise = inputs["context"], _noise(model, inputs, past + horizon)
        if looped:
            frames = rollout.roll_out(model, context, noise).frames[0]
            return {"frames": tf.reshape(frames, [1, horizon, *picture])}  # the loop does not know its length
        state, frames = rollout.observe(model, context, noise[:past]), []
        for t in range(past, past + horizon):
            if frames:
                state = rollout.absorb(model, state, frames[-1])
            frame, state, _ = rollout.advance(model, state, noise[t])
            frames.append(frame)
        # Joined last: slices of more than five dimensions are not taken.
        return {"frames": tf.concat([frame[0] for frame in frames], axis=0)[tf.newaxis]}

    def traced(function, **specs: tf.TensorSpec):
        return tf.function(function, autograph=False).get_concrete_function(**specs)

    functions = {"observe": traced(observe, context=context_spec, **eps_spec(past))}
    states = {name: tf.TensorSpec(x.shape) for name, x in functions["observe"].structured_outputs.items()}
    functions["step"] = traced(step, **states, **eps_spec())
    functions["rollout"] = traced(whole, context=context_spec, **eps_spec(past + horizon))
    return functions


def _noise(model: SVG, inputs: States, steps: int) -> tf.Tensor:
    """The input eps, float32 [1, steps, Z] or [1, Z], as a rollout takes it, [steps, 1, 1, Z]; zeros without it."""
    shape = [steps, 1, 1, model.config.z_dim]
    return tf.reshape(inputs["eps"], shape) if "eps" in inputs else tf.zeros(shape)


def _named(state: rollout.State) -> States:
    named = {"h": state.h}
    for network in ("predictor", "prior"):
        for layer, (hidden, cell) in enumerate(getattr(state, network)):
            named |= {f"{network}_{layer}_hidden": hidden, f"{network}_{layer}_cell": cell}
    return named | {f"skip_{stage}": term[0] for stage, term in enumerate(state.skip_terms)}


def _state(model: SVG, named: States) -> rollout.State:
    def stack(name, network):
        layers = range(len(network.cells)) if network is not None else ()
        return tuple((named[f"{name}_{layer}_hidden"], named[f"{name}_{layer}_cell"]) for layer in layers)

    stages = sum(name.startswith("skip_") for name in named)
    skip_terms = tuple(named[f"skip_{stage}"][tf.newaxis] for stage in range(stages))
    predictor, prior = stack("predictor", model.frame_predictor), stack("prior", model.prior)
    return rollout.State(named["h"], predictor, prior, skip_terms)
