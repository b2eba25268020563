import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from svg_tf import noise


def test_noise_is_standard_normal():
    seeds = tf.constant([[seed, 4] for seed in range(20)], tf.int64)
    sample = np.concatenate([noise.standard_normal([20_000], seed).numpy() for seed in seeds])
    assert stats.kstest(sample, "norm").pvalue > 0.01
    assert np.all(np.isfinite(sample)) and np.abs(sample).max() < 6


def test_noise_is_the_same_compiled_by_xla():
    seed = tf.constant([5, 6], tf.int64)
    plain = noise.standard_normal([7, 3], seed)
    compiled = tf.function(lambda s: noise.standard_normal([7, 3], s), jit_compile=True)(seed)
    np.testing.assert_allclose(plain, compiled, atol=1e-5)


def test_step_noise_differs_by_seed_stream_and_step():
    draws = [
        noise.step_noise([4], seed, stream, tf.constant(step)).numpy().tobytes()
        for seed in (0, 1)
        for stream in (noise.TRAINING_STREAM, noise.VALIDATION_STREAM)
        for step in (0, 1)
    ]
    assert len(set(draws)) == 8


def test_sample_seeds_are_all_different_and_belong_to_the_clip():
    seeds = noise.sample_seeds(7, range(50), 100)
    assert seeds.shape == (50, 100) and len(np.unique(seeds)) == 5000
    np.testing.assert_array_equal(noise.sample_seeds(7, [31, 8], 10), seeds[[31, 8], :10])
    assert not np.isin(noise.sample_seeds(8, range(50), 100), seeds).any()


def test_sample_seeds_out_of_range_are_refused():
    with pytest.raises(ValueError, match="n_samples 5000"):
        noise.sample_seeds(0, [1], 5000)


def test_a_samples_noise_depends_on_its_own_seed_alone():
    seeds = noise.sample_seeds(0, range(3), 4)
    whole = noise.rollout_noise(tf.constant(seeds), 6, 5).numpy()  # [T, B, S, Z]
    assert whole.shape == (6, 3, 4, 5)
    alone = noise.rollout_noise(tf.constant(seeds[1:2, 2:3]), 6, 5).numpy()
    np.testing.assert_allclose(whole[:, 1, 2], alone[:, 0, 0], atol=1e-6)
    assert len(np.unique(whole)) == whole.size


def test_a_longer_horizon_begins_with_the_shorter_ones_noise():
    seeds = tf.constant(noise.sample_seeds(0, [4], 2))
    # The bits are the same; vectorised logarithms round by position.
    np.testing.assert_allclose(noise.rollout_noise(seeds, 9, 5)[:4], noise.rollout_noise(seeds, 4, 5), atol=1e-6)
