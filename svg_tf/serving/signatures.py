"""Signatures of an exported model, and the checks of their inputs.

A row of the outputs depends only on the same row of the inputs, so a server may merge, pad and split requests. The
checks run inside the graph because the server compares neither shapes nor values with the signature.
"""

import struct
from typing import NamedTuple

import tensorflow as tf

from svg_tf import losses, noise, rollout
from svg_tf.models.svg import SVG
from svg_tf.serving.saving import Signatures

_TOLERANCE = 1e-3  # how far a pixel may lie outside [0, 1] after arithmetic or JSON
_PNG_HEADER = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 13, b"IHDR")


class Limits(NamedTuple):
    """Sizes that are fixed at export."""

    horizon: int  # T, the predicted frames of the signatures without an input `horizon`
    n_samples: int = 4  # S, the futures of each context in `serving_default`
    max_samples: int = 100  # largest number of futures in one request, B * S
    max_frames: int = 5000  # largest number of predicted frames in one request, B * S * T


def build(model: SVG, limits: Limits) -> Signatures:
    """Trace the signatures of a model that computes in float32, all with a dynamic batch dimension.

    B contexts of P = n_past frames, S futures of each, T predicted frames. Frames are float32 in [0, 1]. A future is
    a function of its context and its seed (`svg_tf.noise.sample_seeds`).

    * `serving_default`: context [B, P, H, W, C] -> frames [B, S, T, H, W, C]. Each row has the seeds of clip 0, seed 0.
    * `future`: context, seed int64 [B] -> frames [B, T, H, W, C].
    * `futures`: context, seeds int64 [B, S], horizon int32 [B] (T, the same in each row) -> frames
      [B, S, T, H, W, C] and, if the prior is learned, prior_stddev [B, S, T, Z].
    * `futures_png`: context_bytes string [B, P], seeds int64 [B, S] -> frames_bytes string [B, S, T], PNG files.

    A server can merge requests of the first two signatures freely, those of the last two only if they have the same S.
    """
    image = [model.image_size, model.image_size, model.channels]
    context = tf.TensorSpec([None, model.n_past, *image], tf.float32, "context")
    seeds = tf.TensorSpec([None, None], tf.int64, "seeds")

    # Traced once and called by every signature, which keeps the file small.
    @tf.function(input_signature=[context, seeds, tf.TensorSpec([], tf.int32)], autograph=False)
    def draw(context, seeds, horizon):
        z_noise = noise.rollout_noise(seeds, model.n_past - 1 + horizon, model.z_dim)
        frames, prior = rollout.roll_out(model, context, z_noise)
        frames = tf.ensure_shape(frames, [None, None, None, *image])
        return {"frames": frames} | ({"prior_stddev": losses.stddev(prior[1])} if prior is not None else {})

    def checked_draw(context, seeds, horizon):
        samples = tf.size(seeds, tf.int64)
        frames = samples * tf.cast(horizon, tf.int64)
        inside = tf.reduce_all((context >= -_TOLERANCE) & (context <= 1 + _TOLERANCE))  # False for NaN
        context, seeds, horizon = _require(
            (tf.ensure_shape(context, [None, model.n_past, *image]), tf.ensure_shape(seeds, [None, None]), horizon),
            (tf.shape(context)[0] >= 1, "context must have at least one row"),
            (inside, "context must hold finite numbers in [0, 1]; divide bytes by 255"),
            (tf.shape(seeds)[0] == tf.shape(context)[0], "seeds must have one row for each context"),
            (samples >= 1, "seeds must have at least one column"),
            (horizon >= 1, "horizon must be at least 1"),
            (samples <= limits.max_samples, f"at most {limits.max_samples} futures a request (B * S), not", samples),
            (frames <= limits.max_frames, f"at most {limits.max_frames} frames a request (B * S * T), not", frames),
        )
        return draw(context, seeds, horizon)

    def serving_default(context):
        default_seeds = noise.sample_seeds(0, [0], limits.n_samples)  # [1, S]
        frames = checked_draw(context, tf.repeat(default_seeds, tf.shape(context)[0], 0), limits.horizon)["frames"]
        return {"frames": tf.ensure_shape(frames, [None, limits.n_samples, limits.horizon, *image])}

    def future(context, seed):
        frames = checked_draw(context, seed[:, tf.newaxis], limits.horizon)["frames"]
        return {"frames": tf.ensure_shape(frames[:, 0], [None, limits.horizon, *image])}

    def futures(context, seeds, horizon):
        longest = _require(
            tf.reduce_max(horizon),
            (tf.shape(horizon)[0] == tf.shape(context)[0], "horizon must have one row for each context"),
            (tf.reduce_all(horizon == horizon[:1]), "horizon must be the same number in each row"),
        )
        return checked_draw(context, seeds, longest)

    def futures_png(context_bytes, seeds):
        frames = checked_draw(_decode_png(context_bytes, model), seeds, limits.horizon)["frames"]
        return {"frames_bytes": tf.io.encode_png(tf.cast(tf.round(255.0 * frames), tf.uint8))}

    def traced(function, **specs):
        return tf.function(function, autograph=False).get_concrete_function(**specs)

    return {
        "serving_default": traced(serving_default, context=context),
        "future": traced(future, context=context, seed=tf.TensorSpec([None], tf.int64)),
        "futures": traced(futures, context=context, seeds=seeds, horizon=tf.TensorSpec([None], tf.int32)),
        "futures_png": traced(futures_png, context_bytes=tf.TensorSpec([None, model.n_past], tf.string), seeds=seeds),
    }


def default_max_frames(model: SVG) -> int:
    """Return the number of predicted frames that fit into 1 GiB with four float32 copies of each, as in a rollout.

    With the activations of 100 futures (at most 0.23 GB measured at 64x64) a request stays below 2 GB.
    """
    return 2**30 // (4 * 4 * model.image_size**2 * model.channels)


def _require(tensors, *conditions):
    """Return the tensors after checking conditions, each (bool tensor, message, *values to print)."""
    asserts = [tf.debugging.Assert(condition, [message, *values]) for condition, message, *values in conditions]
    with tf.control_dependencies(asserts):
        return tf.nest.map_structure(tf.identity, tensors)


def _decode_png(files: tf.Tensor, model: SVG) -> tf.Tensor:
    """Decode PNG files, string [B, P] -> float32 [B, P, H, W, C] in [0, 1].

    The size in the header is checked first: a file of a few bytes can decompress to a gigabyte.
    """
    size, image = model.image_size, [model.image_size, model.image_size, model.channels]
    header = _PNG_HEADER + struct.pack(">II", size, size)
    right = tf.reduce_all(tf.strings.substr(files, 0, len(header)) == header)
    files = tf.ensure_shape(files, [None, model.n_past])
    files = _require(files, (right, f"context_bytes must be PNG files of {size}x{size} pixels"))
    frames = tf.map_fn(
        lambda file: tf.ensure_shape(tf.io.decode_png(file, model.channels), image),
        tf.reshape(files, [-1]),
        fn_output_signature=tf.TensorSpec(image, tf.uint8),
    )
    return tf.cast(tf.reshape(frames, [-1, model.n_past, *image]), tf.float32) / 255.0
