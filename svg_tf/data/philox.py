"""Random bits of many seeds at once: Philox written out in integer operations.

TensorFlow's own stateless operations take one seed a call; a loop over the seeds costs more than the bits, and on an
accelerator a launch of several kernels for each.
"""

import tensorflow as tf

# Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3).
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_MASK = 0xFFFFFFFF
_SEED_KEY = (0x3EC8F720, 0x02461E29)  # with which TensorFlow mixes the seed of its stateless operations


def random_bits(seeds: tf.Tensor, draws: int) -> tf.Tensor:
    """A row of random bits for every seed: int64 [B, 2] -> uint32 [B, draws], the same compiled by XLA or not.

    Philox maps the 128 bits of its seed one to one: no two seeds share a row. A row is what
    `tf.random.stateless_uniform([draws], seed, None, None, tf.uint32, alg="philox")` gives.
    """
    words = tf.cast(tf.bitwise.right_shift(seeds[..., tf.newaxis], tf.constant([0, 32], tf.int64)), tf.uint64) & _MASK
    words = tf.reshape(words, [-1, 4])  # [B, 4] low and high word of either half
    mixed = _philox([words[:, i] for i in range(4)], [tf.constant(word, tf.uint64) for word in _SEED_KEY])
    blocks = -(-draws // 4)
    counter = tf.range(blocks, dtype=tf.int64)[tf.newaxis]
    counter = tf.cast(counter, tf.uint64) + tf.zeros_like(mixed[0])[:, tf.newaxis]  # [B, blocks]
    counters = [counter, tf.zeros_like(counter), *(mixed[i][:, tf.newaxis] + tf.zeros_like(counter) for i in (2, 3))]
    bits = _philox(counters, [mixed[0][:, tf.newaxis], mixed[1][:, tf.newaxis]])
    return tf.cast(tf.reshape(tf.stack(bits, axis=-1), [-1, 4 * blocks])[:, :draws], tf.uint32)


def _philox(counter: list[tf.Tensor], key: list[tf.Tensor]) -> list[tf.Tensor]:
    """Four words of 32 bits for a counter of four and a key of two; all are held in uint64."""
    for _ in range(_ROUNDS):
        low_0, high_0 = _product(counter[0], _MULTIPLIERS[0])
        low_1, high_1 = _product(counter[2], _MULTIPLIERS[1])
        counter = [high_1 ^ counter[1] ^ key[0], low_1, high_0 ^ counter[3] ^ key[1], low_0]
        key = [(word + step) & _MASK for word, step in zip(key, _WEYL, strict=True)]
    return counter


def _product(word: tf.Tensor, multiplier: int) -> tuple[tf.Tensor, tf.Tensor]:
    product = word * multiplier
    return product & _MASK, tf.bitwise.right_shift(product, tf.constant(32, tf.uint64))
