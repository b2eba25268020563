import numpy as np
import pytest
import tensorflow as tf

from svg_tf import losses


def _gaussians(seed, shape=(4, 3, 5)):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape).astype(np.float32), rng.standard_normal(shape).astype(np.float32)


def test_kl_of_equal_gaussians_is_zero():
    q = _gaussians(0)
    assert losses.kl_divergence(q, q).numpy() == 0.0


def test_kl_equals_its_closed_form():
    (mean1, logvar1), (mean2, logvar2) = _gaussians(1), _gaussians(2)
    closed = 0.5 * (logvar2 - logvar1) + (np.exp(logvar1) + (mean1 - mean2) ** 2) / (2 * np.exp(logvar2)) - 0.5
    expected = closed.sum() / mean1.shape[1]  # summed over time and z, averaged over the batch
    np.testing.assert_allclose(losses.kl_divergence((mean1, logvar1), (mean2, logvar2)), expected, rtol=1e-5)


def test_a_prior_of_none_is_the_standard_normal():
    q = _gaussians(3)
    zeros = np.zeros_like(q[0])
    np.testing.assert_allclose(losses.kl_divergence(q, None), losses.kl_divergence(q, (zeros, zeros)), rtol=1e-6)


@pytest.mark.parametrize("gap", [1e-2, 1e-3])
def test_kl_of_close_gaussians_keeps_its_digits(gap):
    q = (np.full((1, 1, 1), gap, np.float32), np.zeros((1, 1, 1), np.float32))
    np.testing.assert_allclose(losses.kl_divergence(q, None), gap**2 / 2, rtol=1e-4)


@pytest.mark.parametrize("q_logvar", [-1e4, -50.0, 0.0, 50.0, 1e4])
@pytest.mark.parametrize("p_logvar", [-1e4, -50.0, 0.0, 50.0, 1e4])
def test_kl_and_its_gradient_stay_finite_for_extreme_logvar(q_logvar, p_logvar):
    variables = [tf.Variable(tf.fill([2, 3, 4], value)) for value in (3.0, q_logvar, -2.0, p_logvar)]
    with tf.GradientTape() as tape:
        kl = losses.kl_divergence((variables[0], variables[1]), (variables[2], variables[3]))
    assert np.isfinite(kl)
    for gradient in tape.gradient(kl, variables):
        # Adam squares a gradient: that must fit a float32 too.
        assert np.all(np.isfinite(np.square(gradient.numpy())))


def test_reconstruction_loss_is_summed_over_time_and_averaged_over_the_rest():
    rng = np.random.default_rng(4)
    truth, prediction = rng.random((2, 6, 3, 8, 8, 2), np.float32)
    expected = sum(np.mean((truth[t] - prediction[t]) ** 2) for t in range(6))
    np.testing.assert_allclose(losses.reconstruction_loss(truth, prediction), expected, rtol=1e-5)
