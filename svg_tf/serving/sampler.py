"""The rollouts that are exported, batch first: a server splits, pads and merges requests along the first axis.

A row is a context with its samples; all that is made of it depends on that row alone.
"""

import tensorflow as tf

from svg_tf import losses, rollout
from svg_tf.models.svg import SVG

States = dict[str, tf.Tensor]


class Sampler(tf.Module):
    """What a SavedModel holds of a model: its weights, once.

    The Keras model itself is no attribute. Keras saves a second variable for each of its own, the functions use the
    first, and a server, which restores by name, then finds it without a value.
    """

    def __init__(self, model: SVG):
        super().__init__(name="svg_tf")
        self.weights = [weight.value for weight in model.weights]


def draw(model: SVG, context: tf.Tensor, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Futures for given noise.

    Args:
        model: the model.
        context: float32 [B, P, H, W, C] in [0, 1].
        noise: float32 [P-1+T, S, B, Z], as of `svg_tf.noise.rollout_noise`.

    Returns:
        frames float32 [B, S, T, H, W, C] in [0, 1], and the learned prior's standard deviation float32 [B, S, T, Z],
        or None.
    """
    result = rollout.roll_out(model, context, noise)
    stddev = None if result.prior is None else tf.transpose(losses.stddev(result.prior[1]), [1, 0, 2, 3])
    return tf.transpose(result.frames, [1, 0, 2, 3, 4, 5]), stddev


def first_frame(model: SVG, context: tf.Tensor, noise: tf.Tensor) -> tuple[tf.Tensor, States]:
    """Reads the context and predicts one frame.

    Args:
        model: the model.
        context: float32 [B, P, H, W, C] in [0, 1].
        noise: float32 [P, S, B, Z], the posterior's P-1 and the first of the prior's.

    Returns:
        frame float32 [B, S, H, W, C] in [0, 1], and the states by name: `predictor_<layer>_hidden` and `_cell` and
        the same of a learned prior, float32 [B, S, R]; and, unless every frame's own skips are used, `skip_<stage>`
        float32 [B, H', W', C'], the context's share of the decoder.
    """
    state = rollout.observe(model, context, noise[:-1])
    frame, state, _ = rollout.advance(model, state, noise[-1])
    return tf.transpose(frame, [1, 0, 2, 3, 4]), _named(model, state, tf.shape(noise)[1])


def next_frame(model: SVG, frame: tf.Tensor, noise: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
    """Takes a frame as the one before and predicts the next.

    Args:
        model: the model.
        frame: float32 [B, S, H, W, C] in [0, 1].
        noise: float32 [S, B, Z].
        states: of first_frame or next_frame.

    Returns:
        As first_frame.
    """
    samples = tf.shape(noise)[0]
    state = rollout.absorb(model, _unnamed(model, states, tf.shape(noise)), tf.transpose(frame, [1, 0, 2, 3, 4]))
    frame, state, _ = rollout.advance(model, state, noise)
    return tf.transpose(frame, [1, 0, 2, 3, 4]), _named(model, state, samples)


def _named(model: SVG, state: rollout.State, samples: tf.Tensor) -> States:
    names, units = _recurrent_names(model), model.config.rnn_size
    states = {
        name: tf.transpose(tf.reshape(x, [samples, -1, units]), [1, 0, 2])  # [S * B, R] -> [B, S, R]
        for name, x in zip(names, tf.nest.flatten((state.predictor, state.prior)), strict=True)
    }
    if model.skip_frames is not None:
        states |= {f"skip_{stage}": term[0] for stage, term in enumerate(state.skip_terms)}
    return states


def _unnamed(model: SVG, states: States, noise_shape: tf.Tensor) -> rollout.State:
    config, rows = model.config, noise_shape[0] * noise_shape[1]
    structure = tuple((("hidden", "cell"),) * layers for layers in _layers(model).values())
    recurrent = [
        tf.reshape(tf.transpose(states[name], [1, 0, 2]), [-1, config.rnn_size])  # [B, S, R] -> [S * B, R]
        for name in _recurrent_names(model)
    ]
    predictor, *prior = tf.nest.pack_sequence_as(structure, recurrent)
    stages = sum(name.startswith("skip_") for name in states)
    skips = tuple(states[f"skip_{stage}"][tf.newaxis] for stage in range(stages))
    # The code of the frame before comes with that frame.
    return rollout.State(tf.zeros([rows, config.g_dim]), predictor, prior[0] if prior else (), skips)


def _layers(model: SVG) -> dict[str, int]:
    prior = {} if model.prior is None else {"prior": model.config.prior_layers}
    return {"predictor": model.config.predictor_layers} | prior


def _recurrent_names(model: SVG) -> list[str]:
    return [
        f"{network}_{layer}_{part}"
        for network, layers in _layers(model).items()
        for layer in range(layers)
        for part in ("hidden", "cell")
    ]
