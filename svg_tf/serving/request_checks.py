"""What a request must be, checked inside the graph: a server's session compares neither shapes nor values.

A wrong request ends in one sentence for its client, before anything large is allocated.
"""

from typing import NamedTuple

import tensorflow as tf

from svg_tf.config import Config

_TOLERANCE = 1e-3  # of the range, for pictures that went through arithmetic or JSON


class Limits(NamedTuple):
    """Chosen when a model is exported, and fixed from then on."""

    horizon: int  # T of the signatures that do not take one
    max_samples: int  # largest S
    max_horizon: int  # largest T of the signatures that take one


class RequestChecks:
    """Passes on the inputs of a model's signatures; a call with others fails with INVALID_ARGUMENT."""

    def __init__(self, config: Config, limits: Limits):
        self._picture = [config.image_width, config.image_width, config.channels]
        self._config, self._limits = config, limits

    def context(self, context: tf.Tensor) -> tf.Tensor:
        """float32 [B, P, H, W, C] in [0, 1]."""
        return _pictures(tf.ensure_shape(context, [None, self._config.n_past, *self._picture]), "context")

    def frame(self, frame: tf.Tensor) -> tf.Tensor:
        """float32 [B, S, H, W, C] in [0, 1]."""
        return _pictures(tf.ensure_shape(frame, [None, None, *self._picture]), "frame")

    def seeds(self, seeds: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """int64 [B, S], B as given, S within the limit."""
        return self._samples(tf.ensure_shape(seeds, [None, None]), rows, "seeds")

    def horizon(self, horizon: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """int32 [B], within the limit."""
        horizon = _same_rows(tf.ensure_shape(horizon, [None]), rows, "horizon")
        most = self._limits.max_horizon
        right = tf.reduce_all((horizon >= 1) & (horizon <= most))
        return _require(right, f"horizon must be 1 to {most} frames in every row; the export set this limit", horizon)

    def eps(self, eps: tf.Tensor, rows: tf.Tensor, steps: int | None) -> tf.Tensor:
        """float32 [B, S, steps, Z]; steps None is P-1+T with T within the limit."""
        eps = self._samples(tf.ensure_shape(eps, [None, None, steps, self._config.z_dim]), rows, "eps")
        if steps is None:
            first, most = self._config.n_past - 1, self._limits.max_horizon
            given = tf.shape(eps)[2] - first
            eps = _require(
                (given >= 1) & (given <= most),
                f"eps must have {first} steps for the context and then 1 to {most} for the frames to predict",
                eps,
            )
        return _require(tf.reduce_all(tf.math.is_finite(eps)), "eps must be finite", eps)

    def state(self, state: tf.Tensor, shape: tf.TensorShape, frame: tf.Tensor, name: str) -> tf.Tensor:
        """float32 of the given shape, its rows, and its samples where it has any, those of the frame."""
        state, shared = tf.ensure_shape(state, shape), shape.as_list().count(None)
        same = tf.reduce_all(tf.equal(tf.shape(state)[:shared], tf.shape(frame)[:shared]))
        state = _require(same, f"{name} must have the rows and samples of frame", state)
        return _require(tf.reduce_all(tf.math.is_finite(state)), f"{name} must be finite", state)

    def _samples(self, x: tf.Tensor, rows: tf.Tensor, name: str) -> tf.Tensor:
        samples, most = tf.shape(x)[1], self._limits.max_samples
        message = f"{name} must have 1 to {most} samples; the export set this limit"
        return _same_rows(_require((samples >= 1) & (samples <= most), message, x), rows, name)


def _pictures(x: tf.Tensor, name: str) -> tf.Tensor:
    rows = tf.shape(x)[0]
    x = _require(rows >= 1, f"{name} must have at least one row", x)
    inside = tf.reduce_all((x >= -_TOLERANCE) & (x <= 1 + _TOLERANCE))  # false for NaN
    return _require(inside, f"{name} must hold finite numbers in [0, 1]; divide bytes by 255", x)


def _same_rows(x: tf.Tensor, rows: tf.Tensor, name: str) -> tf.Tensor:
    return _require(tf.equal(tf.shape(x)[0], rows), f"{name} must have one row for each row of the first input", x)


def _require(condition: tf.Tensor, message: str, x: tf.Tensor) -> tf.Tensor:
    """X, once the condition has been seen to hold."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(x)
