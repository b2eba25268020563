"""Tests of svg_tf/metrics/frechet.py."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from svg_tf.config import ConfigError
from svg_tf.metrics.frechet import frechet_distance


def _features(count, size, seed=0):
    """Return correlated features of different scales."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, size)) @ rng.standard_normal((size, size)) * np.exp(rng.standard_normal(size))


def _by_factors(a, b):
    """Return the distance from the features themselves: tr (C1 C2)^(1/2) is the nuclear norm of their product."""
    x, y = ((f - f.mean(axis=0)) / np.sqrt(len(f) - 1) for f in (a, b))
    shift = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return shift + np.square(x).sum() + np.square(y).sum() - 2 * np.linalg.svd(x @ y.T, compute_uv=False).sum()


def test_a_shift_and_a_scale_have_closed_forms():
    features = _features(50, 6)
    shift = np.arange(6.0)
    np.testing.assert_allclose(frechet_distance(features, features + shift), np.square(shift).sum(), rtol=1e-12)
    features -= features.mean(axis=0)
    np.testing.assert_allclose(frechet_distance(features, 3 * features), 4 * np.trace(np.cov(features.T)), rtol=1e-12)


def test_full_covariances_agree_with_scipys_matrix_root():
    x, y = _features(80, 12), _features(90, 12, seed=1) + 0.3
    c1, c2 = np.cov(x.T), np.cov(y.T)
    shift = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    expected = shift + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    np.testing.assert_allclose(frechet_distance(x, y), expected, rtol=1e-10)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (5, 300), (40, 39)])
def test_fewer_videos_than_features_lose_no_precision(n, m):
    x, y = _features(n, 100), _features(m, 100, seed=1) + 0.1
    np.testing.assert_allclose(frechet_distance(x, y), _by_factors(x, y), rtol=1e-12)
    np.testing.assert_allclose(frechet_distance(y, x), frechet_distance(x, y), rtol=1e-12)


@pytest.mark.parametrize("count", [2, 500])
def test_equal_features_have_distance_zero(count):
    features = _features(count, 100)
    assert 0 <= frechet_distance(features, features.copy()) < 1e-10 * np.square(features).sum()


def test_constant_features_differ_in_their_means_only():
    assert frechet_distance(np.ones([3, 4]), np.zeros([3, 4])) == 4


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        (np.zeros([1, 3]), ConfigError, "at least 2 videos in each set, got 3 and 1"),
        (np.zeros([3]), ValueError, r"\(3,\); they must be"),
        (np.full([2, 3], np.nan), ValueError, "not finite"),
        (np.zeros([2, 5]), ValueError, "must be"),
    ],
)
def test_features_that_do_not_match_are_refused(features, error, message):
    with pytest.raises(error, match=message):
        frechet_distance(np.eye(3), features)
