"""The noise of a seed in plain NumPy: what a device feeds as `eps` to show the same future as TensorFlow does.

The numbers are those of `svg_tf.noise.rollout_noise`, which the SavedModel draws from too: the bits are equal, the
normals as near as two logarithms and cosines of float32 are. Nothing but NumPy is needed, and nothing is done here
that is not a few lines in any language.

    scramble   Philox with the key 0x02461e293ec8f720 and the counter (seed, 0x57564753), both 64 bit: its four
               words are the key (the first two) and the upper half of the counter (the last two) of what follows
    bits       Philox, counter after counter, four words each: two words for a normal
    normal     sqrt(-2 log(a / 2^24 + 2^-25)) cos(2 pi b / 2^24), of the upper 24 bits a and b of the two words
"""

import numpy as np

_SCRAMBLING_KEY = (0x3EC8F720, 0x02461E29)
_ROLLOUT_KEY = 0x57564753
_WORD = 0xFFFFFFFF


def rollout_eps(seed: int, steps: int, z_dim: int) -> np.ndarray:
    """The noise of one sample: float32 [1, steps, Z], N(0, 1).

    Its first P-1 steps are `observe`'s, the others those of `step`, one each; `rollout` takes them all.

    Args:
        seed: int64, see `svg_tf.noise.sample_seeds`.
        steps: P-1+T. Fewer steps are the first ones of more.
        z_dim: Z.
    """
    seed &= 2**64 - 1
    scrambled = philox(np.array([[seed & _WORD, seed >> 32, _ROLLOUT_KEY, 0]]), np.array(_SCRAMBLING_KEY))[0]
    blocks = -(-steps * z_dim * 2 // 4)
    counters = np.zeros([blocks, 4], np.uint64)
    counters[:, 0] = np.arange(blocks)
    counters[:, 2:] = scrambled[2:]
    words = philox(counters, scrambled[:2]).reshape(-1)[: steps * z_dim * 2]
    uniform = (words >> np.uint64(8)).astype(np.float32).reshape(1, steps, z_dim, 2) * np.float32(2.0**-24)
    radius = np.sqrt(np.float32(-2) * np.log(uniform[..., 0] + np.float32(2.0**-25)))
    return radius * np.cos(np.float32(2 * np.pi) * uniform[..., 1])


def philox(counters: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Philox4x32-10 (Salmon et al., 2011): counters [N, 4] and a key [2] of 32-bit words -> uint64 [N, 4] of words."""
    a, b, c, d = np.asarray(counters, np.uint64).T
    low, high = (int(word) for word in key)
    word, shift = np.uint64(_WORD), np.uint64(32)
    for _ in range(10):
        left, right = np.uint64(0xD2511F53) * a, np.uint64(0xCD9E8D57) * c
        a, b = (right >> shift) ^ b ^ np.uint64(low), right & word
        c, d = (left >> shift) ^ d ^ np.uint64(high), left & word
        low, high = (low + 0x9E3779B9) & _WORD, (high + 0xBB67AE85) & _WORD
    return np.stack([a, b, c, d], axis=1)
