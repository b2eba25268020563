"""Schedules of the learning rate, of beta and of scheduled sampling, as functions of the training step."""

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
        warmup_steps: int, updates of the linear rise from 0; 0: no warm-up.
        total_steps: int, the update at which the decay ends.
        steps_per_update: int, training steps per update: the optimizer's `gradient_accumulation_steps`.
    """

    def __init__(self, peak, kind="constant", warmup_steps=0, total_steps=1, steps_per_update=1):
        self.peak, self.kind, self.warmup_steps = peak, kind, warmup_steps
        self.total_steps, self.steps_per_update = total_steps, steps_per_update

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Return the learning rate after `step` training steps, a float32 scalar."""
        step = tf.cast(step // self.steps_per_update, tf.float32)
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
        return dict(vars(self))


@keras.saving.register_keras_serializable(package="svg_tf")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A value that rises to its final value: beta, or the share of scheduled sampling.

    Args:
        final: float, the final value, which evaluation uses.
        kind: "constant", "linear" (a rise from 0 over `warmup_steps`; Bowman et al., 2016) or "cyclical" (each cycle
            rises from 0 in its first half and is constant in its second; Fu et al., 2019).
        warmup_steps: int, updates of the linear rise.
        total_steps: int, the update at which the last cycle ends.
        cycles: int, cycles of equal length over `total_steps`.
        steps_per_update: int, training steps per update: the optimizer's `gradient_accumulation_steps`.
    """

    def __init__(self, final, kind="constant", warmup_steps=0, total_steps=1, cycles=4, steps_per_update=1):
        self.final, self.kind, self.warmup_steps = final, kind, warmup_steps
        self.total_steps, self.cycles, self.steps_per_update = total_steps, cycles, steps_per_update

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Return the value after `step` training steps, a float32 scalar."""
        step = tf.cast(step // self.steps_per_update, tf.float32)
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
        return dict(vars(self))
