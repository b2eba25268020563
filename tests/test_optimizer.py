import keras
import numpy as np
import pytest
import tensorflow as tf

from svg_tf.training.optimizer import Adam, LossScaleOptimizer
from svg_tf.training.schedules import LearningRate


def _updates(optimizer, jit=False, steps=6):
    """Return the variables after each of some steps with gradients of many sizes, exact zeros among them."""
    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.standard_normal(shape).astype("float32")) for shape in ([3, 4], [5], [])]
    optimizer.build(variables)
    scales = 10.0 ** rng.integers(-12, 4, [steps, len(variables)])
    noise = [[rng.standard_normal(variable.shape).astype("float32") for variable in variables] for _ in range(steps)]
    apply = tf.function(lambda *gradients: optimizer.apply(list(gradients), variables), jit_compile=jit)
    found = []
    for step in range(steps):
        gradients = [scale * values for scale, values in zip(scales[step], noise[step], strict=True)]
        apply(*(tf.constant(gradient * (step != 3), tf.float32) for gradient in gradients))
        found.append([variable.numpy() for variable in (*variables, *optimizer.variables)])
    return found


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"global_clipnorm": 0.5, "gradient_accumulation_steps": 2}, {"beta_1": 0.5, "epsilon": 0.1}]
)
def test_the_updates_are_those_of_keras(jit, options):
    options = {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), "epsilon": 1e-8} | options
    ours, theirs = _updates(Adam(**options), jit), _updates(keras.optimizers.Adam(**options), jit)
    for one, other in zip(ours, theirs, strict=True):
        for value, expected in zip(one, other, strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("scaled", [False, True])
def test_accumulation_takes_the_mean_gradient_and_one_step_of_the_schedule(scaled):
    rng = np.random.default_rng(0)
    parts = rng.standard_normal([4, 3, 5]).astype("float32")  # updates, parts
    whole, accumulated = keras.Variable(np.ones(5, "float32")), keras.Variable(np.ones(5, "float32"))
    for variable, steps in ((whole, 1), (accumulated, 3)):
        optimizer = Adam(
            LearningRate(0.1, "cosine", 2, 4, steps_per_update=steps),
            global_clipnorm=0.5,
            gradient_accumulation_steps=steps if steps > 1 else None,
        )
        if scaled:
            optimizer = LossScaleOptimizer(optimizer, initial_scale=8.0)
        optimizer.build([variable])
        for update in parts:
            for gradient in update if steps > 1 else [update.mean(axis=0)]:
                optimizer.apply([optimizer.scale_loss(tf.constant(gradient))], [variable])
    np.testing.assert_allclose(accumulated.numpy(), whole.numpy(), rtol=1e-5)


def test_a_skipped_step_changes_neither_weights_nor_the_learning_rate():
    variable = keras.Variable([1.0])
    optimizer = LossScaleOptimizer(Adam(LearningRate(0.1, "cosine", 4, 9), global_clipnorm=0.5))
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert type(copy) is LossScaleOptimizer and copy.get_config() == optimizer.get_config()
    optimizer.build([variable])
    optimizer.apply([tf.constant([1.0])], [variable])
    rate, value = float(optimizer.learning_rate), float(variable[0])
    optimizer.apply([tf.constant([float("inf")])], [variable])
    assert (float(optimizer.learning_rate), float(variable[0])) == (rate, value)
    optimizer.apply([tf.constant([1.0])], [variable])
    assert float(optimizer.learning_rate) > rate and float(variable[0]) < value
