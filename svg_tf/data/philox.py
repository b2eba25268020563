"""Random bits for many seeds in one call.

TensorFlow's stateless random operations take one seed per call. A `tf.map_fn` over the seeds of a batch takes longer
than drawing the bits and launches several kernels per seed on an accelerator, so Philox is written out here.
"""

import tensorflow as tf

# Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_MASK = 0xFFFFFFFF
_SEED_KEY = (0x3EC8F720, 0x02461E29)  # TensorFlow scrambles the seeds of its stateless operations with this key


def random_bits(first: tf.Tensor | int, second: tf.Tensor | int, draws: int) -> tf.Tensor:
    """Return random bits for each seed (first, second), both int64 [B] or a number: uint32 [B, draws].

    A row equals `tf.random.stateless_uniform([draws], seed, None, None, tf.uint32, alg="philox")`, with and without
    XLA. Philox is a bijection of its 128 bits, so different seeds have different rows.
    """
    first, second = tf.convert_to_tensor(first, tf.int64), tf.convert_to_tensor(second, tf.int64)
    seeds = tf.stack([first + tf.zeros_like(second), second + tf.zeros_like(first)], axis=1)
    words = tf.cast(tf.bitwise.right_shift(seeds[..., tf.newaxis], tf.constant([0, 32], tf.int64)), tf.uint64) & _MASK
    words = tf.reshape(words, [-1, 4])  # [B, 4], low and high word of both seed values
    mixed = _philox([words[:, i] for i in range(4)], [tf.constant(word, tf.uint64) for word in _SEED_KEY])
    blocks = -(-draws // 4)
    block = tf.cast(tf.range(blocks, dtype=tf.int64)[tf.newaxis], tf.uint64)  # [1, blocks]
    counters = [block, tf.zeros_like(block), mixed[2][:, tf.newaxis], mixed[3][:, tf.newaxis]]
    bits = _philox(counters, [mixed[0][:, tf.newaxis], mixed[1][:, tf.newaxis]])
    return tf.cast(tf.reshape(tf.stack(bits, axis=-1), [-1, 4 * blocks])[:, :draws], tf.uint32)


def _philox(counter: list[tf.Tensor], key: list[tf.Tensor]) -> list[tf.Tensor]:
    """Return four random words for a counter of four words and a key of two, each 32 bits stored in uint64."""
    for _ in range(_ROUNDS):
        products = [counter[0] * _MULTIPLIERS[0], counter[2] * _MULTIPLIERS[1]]
        low = [product & _MASK for product in products]
        high = [tf.bitwise.right_shift(product, tf.constant(32, tf.uint64)) for product in products]
        counter = [high[1] ^ counter[1] ^ key[0], low[1], high[0] ^ counter[3] ^ key[1], low[0]]
        key = [(word + step) & _MASK for word, step in zip(key, _WEYL, strict=True)]
    return counter
