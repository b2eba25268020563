import keras
import numpy as np
import pytest
import tensorflow as tf

from svg_tf.training.optimizer import Adam


def _updates(optimizer, jit, steps=5):
    """The weights after each of some steps by gradients of many sizes, exact zeros among them."""
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
@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 0.5}, {"beta_1": 0.5, "epsilon": 0.1}])
def test_the_updates_are_those_of_keras(jit, options):
    options = {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), "epsilon": 1e-8} | options
    for ours, theirs in zip(
        _updates(Adam(**options), jit), _updates(keras.optimizers.Adam(**options), jit), strict=True
    ):
        for value, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_a_first_step_is_the_learning_rate_in_the_direction_of_the_sign():
    variable = keras.Variable(np.float32([1.0, 1.0]))
    optimizer = Adam(0.25, epsilon=1e-8)
    optimizer.build([variable])
    optimizer.apply([tf.constant([0.5, -50.0])], [variable])
    np.testing.assert_allclose(variable.numpy(), [0.75, 1.25], rtol=1e-5)
