"""The noise of a seed in plain NumPy, the input `eps` of TFLite files.

These are the numbers of `svg_tf.noise.rollout_noise`, from which TensorFlow draws the future of a seed. The random
bits are equal, and the normals differ only by the rounding of a logarithm and a cosine. In another language:

    scramble   Philox with key 0x02461e293ec8f720 and counter (seed, 0x57564753), both 64 bits. The first two of its
               four 32-bit words are the key, the last two the upper half of the counter, of what follows.
    bits       Philox, counter by counter, four words each; two words make one normal.
    normal     sqrt(-2 log(a / 2^24 + 2^-25)) cos(2 pi b / 2^24), for the upper 24 bits a and b of the two words.
"""

import numpy as np

_SCRAMBLING_KEY = (0x3EC8F720, 0x02461E29)
_ROLLOUT_KEY = 0x57564753
_WORD = 0xFFFFFFFF


def rollout_eps(seed: int, steps: int, z_dim: int) -> np.ndarray:
    """Return the noise of one future, float32 [1, steps, Z], N(0, 1).

    The first P-1 steps are for `observe`, the others for one `step` each; `rollout` takes all.
    More steps append to the noise. Seeds are those of `svg_tf.noise.sample_seeds`.
    """
    words = [seed & _WORD, seed >> 32 & _WORD, _ROLLOUT_KEY, 0]
    scrambled = philox(np.array([words]), np.array(_SCRAMBLING_KEY))[0]
    counters = np.zeros([-(-steps * z_dim * 2 // 4), 4], np.uint64)
    counters[:, 0] = np.arange(len(counters))
    counters[:, 2:] = scrambled[2:]
    bits = philox(counters, scrambled[:2]).reshape(-1)[: steps * z_dim * 2]
    uniform = (bits >> np.uint64(8)).astype(np.float32).reshape(1, steps, z_dim, 2) * np.float32(2.0**-24)
    radius = np.sqrt(np.float32(-2) * np.log(uniform[..., 0] + np.float32(2.0**-25)))
    return radius * np.cos(np.float32(2 * np.pi) * uniform[..., 1])


def philox(counters: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return Philox4x32-10 of counters [N, 4] and a key [2] of 32-bit words, uint64 [N, 4] (Salmon et al., 2011)."""
    a, b, c, d = np.asarray(counters, np.uint64).T
    low, high = (int(word) for word in key)
    word, shift = np.uint64(_WORD), np.uint64(32)
    for _ in range(10):
        left, right = np.uint64(0xD2511F53) * a, np.uint64(0xCD9E8D57) * c
        a, b = (right >> shift) ^ b ^ np.uint64(low), right & word
        c, d = (left >> shift) ^ d ^ np.uint64(high), left & word
        low, high = (low + 0x9E3779B9) & _WORD, (high + 0xBB67AE85) & _WORD
    return np.stack([a, b, c, d], axis=1)
