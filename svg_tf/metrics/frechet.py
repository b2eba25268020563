"""The Fréchet distance between Gaussians fitted to two sets of features (Dowson & Landau, 1982).

    d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^(1/2) C2 C1^(1/2))^(1/2))

for means m and covariances C. FID and FVD report this square.
"""

import numpy as np

from svg_tf.config import ConfigError


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the squared Fréchet distance between Gaussians fitted to two sets of features.

    Covariances are divided by N - 1, as in the published FVD. With fewer features than dimensions they are singular;
    `scipy.linalg.sqrtm` of their product is inexact there (noise of 1e-16 becomes 1e-8).

    Args:
        a: features [N, D], N at least 2.
        b: features [M, D], M at least 2.

    Raises:
        ConfigError: fewer than two features in a set.
        ValueError: features that are not finite, or of other shapes.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features have shapes {a.shape} and {b.shape}; they must be [N, D] and [M, D].")
    if min(len(a), len(b)) < 2:
        raise ConfigError(f"A Fréchet distance needs at least 2 videos in each set, got {len(a)} and {len(b)}.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("features are not finite; check the frames that they were computed from.")
    first, second = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (a, b))
    # The eigenvalues of C1^(1/2) C2 C1^(1/2) are the squared singular values of C1^(1/2) C2^(1/2). This way nothing
    # is rounded before a root is taken.
    roots = np.linalg.svd(_square_root(first) @ _square_root(second), compute_uv=False)
    spread = np.trace(first) + np.trace(second) - 2 * roots.sum()
    return float(np.square(a.mean(axis=0) - b.mean(axis=0)).sum() + max(spread, 0.0))


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """Return the symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    # Zero eigenvalues are rounded to about 1e-16, whose roots of 1e-8 would count.
    noise = max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps
    return (vectors * np.sqrt(np.where(values > noise, values, 0.0))) @ vectors.T
