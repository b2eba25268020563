"""Schedules of the learning rate and of beta, as functions of the training step."""

import math

import keras
import tensorflow as tf

_FINAL_SHARE = 0.01  # of the peak, at the end of an exponential decay


@keras.saving.register_keras_serializable(package="svg_tf")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, followed by a constant or decaying learning rate.

    Args:
        peak: float, the learning rate after the warm-up.
        kind: "constant", "cosine" (half a cosine down to 0) or "exponential" (down to 1 % of the peak).
        warmup_steps: int, steps of the linear rise from 0; 0 switches the warm-up off.
        total_steps: int, the step at which the decay ends.
    """

    def __init__(self, peak: float, kind: str = "constant", warmup_steps: int = 0, total_steps: int = 1):
        self.peak = peak
        self.kind = kind
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Return the learning rate of the update that follows `step` updates, a float32 scalar."""
        step = tf.cast(step, tf.float32)
        decay_steps = max(1, self.total_steps - self.warmup_steps)
        progress = tf.clip_by_value((step - self.warmup_steps) / decay_steps, 0.0, 1.0)
        if self.kind == "cosine":
            share = 0.5 * (1.0 + tf.cos(math.pi * progress))
        elif self.kind == "exponential":
            share = tf.exp(math.log(_FINAL_SHARE) * progress)
        else:
            share = tf.ones_like(progress)
        return self.peak * share * tf.minimum(1.0, (step + 1.0) / max(1, self.warmup_steps))

    def get_config(self) -> dict:
        """Return the constructor arguments."""
        return {name: getattr(self, name) for name in ("peak", "kind", "warmup_steps", "total_steps")}


@keras.saving.register_keras_serializable(package="svg_tf")
class Schedule:
    """A weight over the training: that of the KL term, or the share of scheduled sampling.

    Args:
        final: float, the final weight.
        kind: "constant", "linear" (Bowman et al., 2016: a rise from 0 over `warmup_steps`) or "cyclical" (Fu et al.,
            2019: each cycle rises from 0 in its first half and is constant in its second).
        warmup_steps: int, steps of the linear rise.
        total_steps: int, the step at which the last cycle ends.
        cycles: int, cycles of equal length over `total_steps`.
    """

    def __init__(
        self, final: float, kind: str = "constant", warmup_steps: int = 0, total_steps: int = 1, cycles: int = 4
    ):
        self.final = final
        self.kind = kind
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.cycles = cycles

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Return the weight in the update that follows `step` updates, a float32 scalar."""
        step = tf.cast(step, tf.float32)
        if self.kind == "linear":
            share = tf.minimum(1.0, step / max(1, self.warmup_steps))
        elif self.kind == "cyclical":
            period = self.total_steps / self.cycles
            share = tf.minimum(1.0, 2.0 * tf.math.floormod(step, period) / period)
        else:
            share = tf.ones_like(step)
        return self.final * share

    def get_config(self) -> dict:
        """Return the constructor arguments."""
        return {name: getattr(self, name) for name in ("final", "kind", "warmup_steps", "total_steps", "cycles")}

    @classmethod
    def from_config(cls, config: dict) -> "Schedule":
        """Return a schedule with the arguments of `get_config`."""
        return cls(**config)


BetaSchedule = Schedule  # until its users have the new name


def beta_at(config, step):  # until SVG takes a schedule
    """Return beta of a run's configuration."""
    return Schedule(
        config.beta, config.beta_schedule, config.beta_warmup_steps, config.total_steps, config.beta_cycles
    )(step)
