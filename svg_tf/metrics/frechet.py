"""The Fréchet distance between two Gaussians that are fitted to features, as in Dowson & Landau (1982).

    d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^(1/2) C2 C1^(1/2))^(1/2))

for means m and covariances C; it is this square that FID and FVD report.
"""

from collections.abc import Mapping

import numpy as np

from svg_tf.config import ConfigError


class Moments:
    """Count, mean and covariance of features that come in parts, without keeping the features.

    Parts are joined by the pairwise update of Chan, Golub & LeVeque (1983), which never subtracts large sums. The
    arrays are replaced and never changed, so that they can be shared.

    Attributes:
        count: features seen so far.
        mean: float64 [D]; [0] while there are none.
        scatter: float64 [D, D], the sum of (x - mean) (x - mean)^T.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = np.zeros([0])
        self.scatter = np.zeros([0, 0])

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Moments":
        """The moments that `to_arrays` gave, to the last bit."""
        moments = cls()
        moments.count = int(arrays["count"])
        moments.mean = np.array(arrays["mean"], np.float64)
        moments.scatter = np.array(arrays["scatter"], np.float64)
        return moments

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The attributes by name: count int64 [], mean float64 [D], scatter float64 [D, D]."""
        return {"count": np.array(self.count), "mean": self.mean, "scatter": self.scatter}

    def add(self, features: np.ndarray) -> "Moments":
        """Takes in features [N, D] of any float type and returns itself.

        Raises:
            ValueError: features of another shape or size, or that are not finite.
        """
        features = np.asarray(features, np.float64)
        if features.ndim != 2:
            raise ValueError(f"features have shape {features.shape}, but must be [N, D]")
        if not np.isfinite(features).all():
            raise ValueError("features are not finite; look at the frames that they were computed of")
        part = Moments()
        if len(features):
            part.count, part.mean = len(features), features.mean(axis=0)
            centred = features - part.mean
            part.scatter = centred.T @ centred
        return self.merge(part)

    def merge(self, other: "Moments") -> "Moments":
        """Takes in all that another has seen, which stays as it is, and returns itself.

        Raises:
            ValueError: the other is of features of another size.
        """
        if self.count and other.count and self.mean.shape != other.mean.shape:
            raise ValueError(f"features of size {other.mean.size} do not go with those of size {self.mean.size}")
        if not self.count:
            self.count, self.mean, self.scatter = other.count, other.mean, other.scatter
        elif other.count:
            count = self.count + other.count
            shift = other.mean - self.mean
            self.scatter = self.scatter + other.scatter + np.outer(shift, shift) * (self.count * other.count / count)
            self.mean = self.mean + shift * (other.count / count)
            self.count = count
        return self

    @property
    def covariance(self) -> np.ndarray:
        """The sample covariance, divided by count - 1 as in the published FVD: float64 [D, D].

        Raises:
            ConfigError: fewer than two features.
        """
        if self.count < 2:
            raise ConfigError(f"a Fréchet distance needs at least 2 videos on each side, but got {self.count}")
        return self.scatter / (self.count - 1)


def frechet_distance(a: Moments, b: Moments) -> np.float64:
    """The (squared) Fréchet distance between the Gaussians of two sets of features; 0 or more, 0 for the same moments.

    The covariances may be singular, as they are with fewer features than dimensions.

    Raises:
        ConfigError: fewer than two features on one side.
        ValueError: features of different sizes.
    """
    if a.count and b.count and a.mean.shape != b.mean.shape:
        raise ValueError(f"features of size {a.mean.size} cannot be compared to those of size {b.mean.size}")
    first, second = a.covariance, b.covariance
    # The eigenvalues of C1^(1/2) C2 C1^(1/2) are the squares of the singular values of C1^(1/2) C2^(1/2). Taken so, no
    # square is rounded before its root, which would turn noise of 1e-16 in a singular product into one of 1e-8.
    roots = np.linalg.svd(_square_root(first) @ _square_root(second), compute_uv=False)
    spread = np.trace(first) + np.trace(second) - 2 * roots.sum()
    return np.float64(np.square(a.mean - b.mean).sum() + max(spread, 0.0))


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    # Eigenvalues that rounding makes of zeros, of either sign, would count with their roots: 1e-8 for 1e-16.
    noise = max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps
    return (vectors * np.sqrt(np.where(values > noise, values, 0.0))) @ vectors.T
