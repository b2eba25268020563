"""Courses over a run: the learning rate's and beta's, as functions of the optimizer step."""

import math

import keras
import tensorflow as tf

from svg_tf.config import Config

_FINAL_SHARE = 0.01  # what an exponential decay leaves of the learning rate


class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, then constant, a half cosine to 0 or exponential to 1 % at the end of the run."""

    def __init__(self, config: Config):
        self.peak = config.learning_rate
        self.kind = config.learning_rate_schedule
        self.warmup_steps = config.warmup_steps
        self.total_steps = config.total_steps

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """step: the number of updates made -> the learning rate of the next, float32 scalar."""
        step = tf.cast(step, tf.float32)
        decaying_steps = max(1, self.total_steps - self.warmup_steps)
        progress = tf.clip_by_value((step - self.warmup_steps) / decaying_steps, 0.0, 1.0)
        rate = (
            self.peak
            * {
                "constant": lambda: tf.ones_like(progress),
                "cosine": lambda: 0.5 * (1.0 + tf.cos(math.pi * progress)),
                "exponential": lambda: tf.exp(math.log(_FINAL_SHARE) * progress),
            }[self.kind]()
        )
        return rate * tf.minimum(1.0, (step + 1.0) / max(1, self.warmup_steps))

    def get_config(self) -> dict:
        """The attributes, for Keras' optimizer."""
        return dict(vars(self))


def beta_at(config: Config, step: tf.Tensor) -> tf.Tensor:
    """The KL's weight in the update that follows `step` updates, float32 scalar.

    Linear: Bowman et al. (2016), from 0 over beta_warmup_steps. Cyclical: Fu et al. (2019), each cycle rising from 0
    in its first half and constant in its second.
    """
    step = tf.cast(step, tf.float32)
    if config.beta_schedule == "linear":
        share = tf.minimum(1.0, step / config.beta_warmup_steps)
    elif config.beta_schedule == "cyclical":
        period = config.total_steps / config.beta_cycles
        share = tf.minimum(1.0, 2.0 * tf.math.floormod(step, period) / period)
    else:
        share = tf.ones_like(step)
    return config.beta * share
