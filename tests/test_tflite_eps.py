import numpy as np
import pytest
import tensorflow as tf

from svg_tf import noise
from svg_tf.tflite import eps as tflite_eps


def test_philox_gives_the_published_words():
    # The known answers of Random123, the authors' implementation.
    words = tflite_eps.philox([[0, 0, 0, 0], [0xFFFFFFFF] * 4], (0, 0))
    assert [hex(word) for word in words[0]] == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]
    words = tflite_eps.philox([[0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]], (0xA4093822, 0x299F31D0))
    assert [hex(word) for word in words[0]] == ["0xd16cfe09", "0x94fdcceb", "0x5001e420", "0x24126ea1"]


@pytest.mark.parametrize("seed", [0, 1, (7 << 32) + (123 << 12) + 5, 2**63 - 1, -2])
def test_the_noise_of_a_seed_is_that_of_the_library(seed):
    eps = tflite_eps.rollout_eps(seed, 7, 5)
    expected = noise.rollout_noise(tf.constant([[seed]], tf.int64), 7, 5).numpy()[:, 0, 0]
    assert eps.shape == (1, 7, 5) and eps.dtype == np.float32
    np.testing.assert_allclose(eps[0], expected, atol=1e-6)


def test_fewer_steps_are_the_first_of_more():
    np.testing.assert_array_equal(tflite_eps.rollout_eps(3, 9, 3)[:, :4], tflite_eps.rollout_eps(3, 4, 3))
