"""Means over clips, and how far they could be off because these clips were scored and not others."""

from typing import NamedTuple

import numpy as np
from scipy import special

DEFINITION = (
    "low and high bound the 95 % confidence interval of the mean over clips, by Student's t: mean +- t s / sqrt(n), s "
    "the standard deviation (n - 1) over the n clips."
)


class Interval(NamedTuple):
    """A mean, float64 of any shape, and the bounds of its 95 % confidence interval: None of one clip."""

    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None


class RunningMean:
    """Mean and spread of values that come one clip at a time, none of which is kept (Welford, 1962)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean: np.ndarray = np.zeros([])
        self._squares: np.ndarray = np.zeros([])

    def add(self, values: np.ndarray) -> None:
        """Takes in a clip's values, of the shape of those before."""
        self._count += 1
        shift = values - self._mean
        self._mean = self._mean + shift / self._count
        self._squares = self._squares + shift * (values - self._mean)

    @property
    def mean(self) -> np.ndarray:
        """The mean so far."""
        return self._mean

    def interval(self) -> Interval:
        """The mean so far, with its interval."""
        if self._count < 2:
            return Interval(self._mean, None, None)
        error = np.sqrt(self._squares / (self._count - 1) / self._count)
        half = special.stdtrit(self._count - 1, 0.975) * error
        return Interval(self._mean, self._mean - half, self._mean + half)
