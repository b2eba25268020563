import math

import keras
import numpy as np
import pytest

from svg_tf.training.schedules import LearningRate, Schedule


def _values(schedule, steps):
    return np.array([float(schedule(step)) for step in steps])


def test_a_constant_learning_rate_is_constant():
    np.testing.assert_allclose(_values(LearningRate(0.01), [0, 3, 8, 100]), 0.01, rtol=1e-6)


def test_warm_up_rises_linearly_to_the_peak():
    rates = _values(LearningRate(0.01, warmup_steps=4, total_steps=8), range(6))
    np.testing.assert_allclose(rates, [0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01], rtol=1e-6)


@pytest.mark.parametrize(("kind", "middle", "end"), [("cosine", 0.5, 0.0), ("exponential", math.sqrt(0.01), 0.01)])
def test_decays_end_with_the_run(kind, middle, end):
    rates = _values(LearningRate(0.01, kind, total_steps=8), [0, 4, 8, 13])
    np.testing.assert_allclose(rates / 0.01, [1, middle, end, end], atol=1e-6)


def test_beta_is_constant_by_default():
    np.testing.assert_array_equal(_values(Schedule(0.5), [0, 9]), 0.5)


def test_linear_beta_warms_up_from_zero():
    betas = _values(Schedule(0.5, "linear", warmup_steps=5), [0, 1, 5, 9])
    np.testing.assert_allclose(betas, [0, 0.1, 0.5, 0.5], rtol=1e-6)


def test_cyclical_beta_rises_in_the_first_half_of_each_cycle():
    betas = _values(Schedule(1.0, "cyclical", total_steps=16, cycles=2), range(16))
    np.testing.assert_allclose(betas, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    "schedule", [LearningRate(0.1, "cosine", 2, 9), Schedule(0.5, "cyclical", total_steps=8, cycles=2)]
)
def test_schedules_survive_serialization(schedule):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert type(copy) is type(schedule)
    np.testing.assert_array_equal(_values(copy, range(10)), _values(schedule, range(10)))
