import math

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.training import schedules


def _rates(config, steps):
    schedule = schedules.LearningRate(config)
    return np.array([float(schedule(tf.constant(step))) for step in steps])


def test_a_constant_learning_rate_is_constant(small):
    np.testing.assert_allclose(_rates(small(learning_rate=0.01), [0, 3, 8, 100]), 0.01, rtol=1e-6)


def test_warm_up_rises_linearly_to_the_peak(small):
    rates = _rates(small(learning_rate=0.01, warmup_steps=4), range(6))
    np.testing.assert_allclose(rates, [0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01], rtol=1e-6)


@pytest.mark.parametrize(("kind", "middle", "end"), [("cosine", 0.5, 0.0), ("exponential", math.sqrt(0.01), 0.01)])
def test_decays_end_with_the_run(small, kind, middle, end):
    config = small(learning_rate=0.01, learning_rate_schedule=kind)
    total = config.total_steps
    np.testing.assert_allclose(
        _rates(config, [0, total // 2, total, total + 5]) / 0.01, [1, middle, end, end], atol=1e-6
    )


def test_beta_is_constant_by_default(small):
    config = small(beta=0.5)
    assert float(schedules.beta_at(config, tf.constant(0))) == float(schedules.beta_at(config, tf.constant(9))) == 0.5


def test_linear_beta_warms_up_from_zero(small):
    config = small(beta=0.5, beta_schedule="linear", beta_warmup_steps=5)
    betas = [float(schedules.beta_at(config, tf.constant(step))) for step in (0, 1, 5, 9)]
    np.testing.assert_allclose(betas, [0, 0.1, 0.5, 0.5], rtol=1e-6)


def test_cyclical_beta_rises_in_the_first_half_of_each_cycle(small):
    config = small(beta=1.0, beta_schedule="cyclical", beta_cycles=2, epochs=4, steps_per_epoch=4)
    betas = [float(schedules.beta_at(config, tf.constant(step))) for step in range(16)]
    np.testing.assert_allclose(betas, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1] * 2, rtol=1e-6)
