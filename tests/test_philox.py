"""Philox written out, and the moving digits that rest on it."""

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.data.moving_mnist import MovingMNIST
from svg_tf.data.philox import random_bits


@pytest.mark.parametrize("draws", [1, 4, 11, 130])
def test_a_row_of_bits_is_that_of_tensorflows_own_philox(draws):
    seeds = np.random.default_rng(draws).integers(-(2**63), 2**63 - 1, [5, 2], dtype=np.int64)
    seeds[0] = [0, 0]
    wanted = [tf.random.stateless_uniform([draws], seed, None, None, tf.uint32, alg="philox") for seed in seeds]
    np.testing.assert_array_equal(random_bits(tf.constant(seeds), draws), np.stack(wanted))


@pytest.mark.parametrize("changes", [{"seed": 7}, {"num_digits": 2, "motion": "deterministic", "n_future": 6}])
def test_clips_are_the_same_compiled_by_xla(small, changes):
    clips = MovingMNIST(small(**changes), "train")
    indices = tf.constant([0, 3, 1234, 2**40], tf.int64)
    wanted = clips.frames(indices).numpy()
    np.testing.assert_array_equal(tf.function(clips.frames, jit_compile=True)(indices), wanted)
    assert wanted.any()


def test_clips_are_drawn_without_a_loop_over_the_clips(small):
    clips = MovingMNIST(small(), "train")
    graph = tf.function(clips.frames).get_concrete_function(tf.TensorSpec([2], tf.int64)).graph
    loops = [operation for operation in graph.get_operations() if "While" in operation.type]
    assert len(loops) == 1  # over time
    assert not any("StatelessRandom" in operation.type for operation in graph.get_operations())
