import numpy as np
import pytest
from scipy.linalg import sqrtm

from svg_tf.config import ConfigError
from svg_tf.metrics.frechet import Moments, frechet_distance


def _features(count, size, seed=0):
    """Correlated features whose scales differ."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, size)) @ rng.standard_normal((size, size)) * np.exp(rng.standard_normal(size))


def _gaussian(mean, covariance, count=1000):
    """Moments of exactly this mean and covariance."""
    moments = Moments()
    moments.count = count
    moments.mean, moments.scatter = np.array(mean, float), np.array(covariance, float) * (count - 1)
    return moments


def _by_factors(a, b):
    """The distance from the features themselves: tr (C1 C2)^(1/2) is the nuclear norm of their product."""
    x, y = ((f - f.mean(axis=0)) / np.sqrt(len(f) - 1) for f in (a, b))
    shift = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return shift + np.square(x).sum() + np.square(y).sum() - 2 * np.linalg.svd(x @ y.T, compute_uv=False).sum()


def test_diagonal_gaussians_have_the_closed_form():
    m1, m2 = np.array([1.0, -2.0, 0.5]), np.array([0.0, 1.0, 0.5])
    s1, s2 = np.array([3.0, 1.0, 0.2]), np.array([1.0, 4.0, 0.0])
    expected = np.square(m1 - m2).sum() + np.square(s1 - s2).sum()
    distance = frechet_distance(_gaussian(m1, np.diag(s1**2)), _gaussian(m2, np.diag(s2**2)))
    assert distance.dtype == np.float64
    np.testing.assert_allclose(distance, expected, rtol=1e-14)


def test_a_shifted_gaussian_is_the_squared_length_of_the_shift_away():
    features = _features(50, 6)
    shift = np.arange(6.0)
    distance = frechet_distance(Moments().add(features), Moments().add(features + shift))
    np.testing.assert_allclose(distance, np.square(shift).sum(), rtol=1e-12)


def test_a_scaled_gaussian_is_its_trace_times_the_squared_difference_away():
    features = _features(50, 6)
    features -= features.mean(axis=0)
    trace = np.trace(np.cov(features.T))
    distance = frechet_distance(Moments().add(features), Moments().add(3 * features))
    np.testing.assert_allclose(distance, 4 * trace, rtol=1e-12)


def test_full_covariances_give_what_scipys_matrix_root_gives():
    x, y = _features(80, 12), _features(90, 12, seed=1) + 0.3
    c1, c2 = np.cov(x.T), np.cov(y.T)
    shift = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    expected = shift + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    np.testing.assert_allclose(frechet_distance(Moments().add(x), Moments().add(y)), expected, rtol=1e-10)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (10, 10), (5, 300), (40, 39)])
def test_fewer_videos_than_features_are_no_less_exact(n, m):
    x, y = _features(n, 100), _features(m, 100, seed=1) + 0.1
    distance = frechet_distance(Moments().add(x), Moments().add(y))
    np.testing.assert_allclose(distance, _by_factors(x, y), rtol=1e-12)
    np.testing.assert_allclose(frechet_distance(Moments().add(y), Moments().add(x)), distance, rtol=1e-12)


@pytest.mark.parametrize("count", [2, 10, 500])
def test_equal_moments_are_no_distance_apart(count):
    features = _features(count, 100)
    distance = frechet_distance(Moments().add(features), Moments().add(features.copy()))
    assert 0 <= distance < 1e-10 * np.square(features).sum()


def test_constant_features_are_compared_by_their_means_alone():
    a, b = Moments().add(np.ones([3, 4])), Moments().add(np.zeros([3, 4]))
    assert frechet_distance(a, b) == 4 and frechet_distance(a, a) == 0


def test_moments_of_many_parts_are_those_of_the_whole():
    features = _features(57, 8).astype(np.float32)
    parts = Moments()
    for part in np.split(features, [1, 2, 20, 20, 50]):
        assert parts.add(part) is parts
    assert parts.count == 57
    np.testing.assert_allclose(parts.mean, features.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(parts.covariance, np.cov(features.T.astype(np.float64)), rtol=1e-11, atol=1e-11)


def test_moments_keep_their_digits_far_from_the_origin():
    spread = np.round(np.random.default_rng(0).standard_normal((400, 5)) * 1024) / 1024  # exact beside 1e9
    moments = Moments()
    for part in np.split(spread + 1e9, 40):
        moments.add(part)
    np.testing.assert_allclose(moments.covariance, np.cov(spread.T), rtol=1e-6, atol=1e-7)


def test_merged_moments_are_those_of_both_and_leave_the_other_as_it_was():
    features = _features(30, 4)
    one, other = Moments().add(features[:7]), Moments().add(features[7:])
    before = other.to_arrays()
    assert one.merge(other) is one
    np.testing.assert_allclose(one.covariance, np.cov(features.T), rtol=1e-12, atol=1e-12)
    empty = Moments().merge(Moments()).merge(other)
    empty.add(features[:7])
    for name, array in other.to_arrays().items():
        np.testing.assert_array_equal(array, before[name])
    np.testing.assert_allclose(empty.covariance, np.cov(features.T), rtol=1e-12, atol=1e-12)
    assert one.merge(Moments()).count == 30


@pytest.mark.parametrize("seen", [0, 1, 11])
def test_moments_go_on_from_their_arrays_to_the_last_bit(tmp_path, seen):
    features = _features(30, 4)
    whole = Moments().add(features[:seen]).add(features[seen:])
    stopped = Moments().add(features[:seen])
    arrays = stopped.to_arrays()
    stopped.add(features)  # the arrays stay as they are
    np.savez(tmp_path / "moments.npz", **arrays)
    with np.load(tmp_path / "moments.npz") as arrays:
        resumed = Moments.from_arrays(arrays).add(features[seen:])
    assert resumed.count == 30
    np.testing.assert_array_equal(resumed.mean, whole.mean)
    np.testing.assert_array_equal(resumed.scatter, whole.scatter)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_videos_are_refused_in_words(count):
    few, enough = Moments().add(np.zeros([count, 3])), Moments().add(np.eye(3))
    for pair in ((few, enough), (enough, few)):
        with pytest.raises(ConfigError, match=f"at least 2 videos on each side, but got {count}"):
            frechet_distance(*pair)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros([3]), r"shape \(3,\).*\[N, D\]"),
        (np.full([2, 3], np.nan), "not finite"),
        (np.zeros([2, 5]), "size 5 do not go with those of size 3"),
    ],
)
def test_features_that_do_not_fit_are_refused_and_change_nothing(features, message):
    moments = Moments().add(np.eye(3))
    with pytest.raises(ValueError, match=message):
        moments.add(features)
    assert moments.count == 3 and moments.mean.shape == (3,)


def test_distances_of_features_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="size 3 cannot be compared to those of size 4"):
        frechet_distance(Moments().add(np.eye(3)), Moments().add(np.eye(4)))
