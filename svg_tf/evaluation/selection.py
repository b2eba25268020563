"""Which of a clip's samples is best, and how good the best of fewer would be."""

import functools
import math

import numpy as np

EXPECTED_BEST = (
    "the expected score of the best of n samples, exactly: the mean over all ways to choose n of the N drawn."
)


def ranking(scores: np.ndarray, better: str) -> np.ndarray:
    """The numbers of samples with scores [S], best first: int64 [S]. Of equal ones the first drawn comes first."""
    return np.argsort(-scores if better == "higher" else scores, kind="stable")


@functools.cache
def expected_best(n_samples: int, counts: tuple[int, ...]) -> np.ndarray:
    """How often each sample is the best of n chosen without replacement: float64 [len(counts), S], best first.

    The sample ranked r-th of S from 0 is the best of n where the other n - 1 rank behind it: C(S-1-r, n-1) of the
    C(S, n) ways. A row is a distribution, and its product with the ranked scores the expected score of the best.
    """
    return np.array(
        [
            [math.comb(n_samples - 1 - rank, count - 1) / math.comb(n_samples, count) for rank in range(n_samples)]
            for count in counts
        ]
    )


def counts_up_to(n_samples: int) -> tuple[int, ...]:
    """1, 2, 5, 10, 20, 50 and so on, and n_samples itself."""
    steps = (digit * 10**power for power in range(len(str(n_samples))) for digit in (1, 2, 5))
    return (*(count for count in steps if count < n_samples), n_samples)
