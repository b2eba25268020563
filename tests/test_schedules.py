import math

import keras
import numpy as np
import pytest

from svg_tf.training.schedules import LearningRate, Schedule


def _values(schedule, steps):
    return np.array([float(schedule(step)) for step in steps])


@pytest.mark.parametrize(
    ("schedule", "steps", "values"),
    [
        (LearningRate(0.01), [0, 3, 8, 100], [0.01] * 4),
        (LearningRate(0.01, warmup_steps=4, total_steps=8), range(6), [0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01]),
        (LearningRate(0.01, "cosine", total_steps=8), [0, 4, 8, 13], [0.01, 0.005, 0, 0]),
        (LearningRate(1.0, "exponential", total_steps=8), [0, 4, 8, 13], [1, math.sqrt(0.01), 0.01, 0.01]),
        (Schedule(0.5), [0, 9], [0.5, 0.5]),
        (Schedule(0.5, "linear", warmup_steps=5), [0, 1, 5, 9], [0, 0.1, 0.5, 0.5]),
        (Schedule(1.0, "cyclical", total_steps=16, cycles=2), range(16), [0, 0.25, 0.5, 0.75, 1, 1, 1, 1] * 2),
        (Schedule(1.0, "linear", warmup_steps=2, steps_per_update=3), range(7), [0, 0, 0, 0.5, 0.5, 0.5, 1]),
    ],
)
def test_values_of_a_schedule_which_survive_serialization(schedule, steps, values):
    np.testing.assert_allclose(_values(schedule, steps), values, rtol=1e-6, atol=1e-8)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert type(copy) is type(schedule)
    np.testing.assert_array_equal(_values(copy, steps), _values(schedule, steps))
