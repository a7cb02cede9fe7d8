"""Exact intervals and tests for counts, and the bootstrap. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from allcell.detections import IntArray


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion (haematologists know its tables as Ruemke's).

    It covers the error of sampling n cells from a patient, not the errors of a classifier.
    Source: Clopper and Pearson, Biometrika 26 (1934), 404.

    Args:
        k: Cells of the kind, 0 to n.
        n: All cells counted; with 0 nothing is known and the interval is (0, 1).
        level: Coverage, between 0 and 1.

    Returns:
        Lower and upper bound, 0 to 1.

    Raises:
        ValueError: If k is not within 0 to n, or the level not between 0 and 1.
    """
    if not 0 <= k <= n:
        raise ValueError(f"expected 0 <= k <= n, got k = {k}, n = {n}")
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level}")
    tail = (1 - level) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high


@dataclass(frozen=True)
class Proportion:
    """k of n, as a count is shown.

    Attributes:
        k: Cells (or images) of the kind.
        n: All of them.
        fraction: k / n, or None when n is 0.
        low: Lower bound of the exact interval, 0 to 1.
        high: Upper bound, 0 to 1.
    """

    k: int
    n: int
    fraction: float | None
    low: float
    high: float

    @classmethod
    def of(cls, k: int, n: int, level: float = 0.95) -> Proportion:
        """Count k of n, with its `clopper_pearson` interval."""
        low, high = clopper_pearson(k, n, level)
        return cls(k, n, k / n if n else None, low, high)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p-value that two models are right equally often on the same cases.

    Args:
        only_first: Cases that only the first model got right.
        only_second: Cases that only the second got right.

    Returns:
        The exact binomial p-value; 1 if they never differ.

    Raises:
        ValueError: If a count is negative.
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"counts must not be negative, got {only_first} and {only_second}")
    differing = only_first + only_second
    # Imported here: scipy.stats costs a second of start-up that an interval does not need.
    from scipy.stats import binomtest

    return float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for having made several comparisons (Holm's step-down), in given order."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def bootstrap_interval(
    statistic: Callable[[IntArray], float],
    n: int,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval.

    Two models are compared by a statistic that returns their difference on the same resample.

    Args:
        statistic: From the indices (n,) of a resample, repeats included, to a number; NaN where
            the resample does not define it (such resamples are left out).
        n: How many units (images, not boxes: boxes of one image are not independent) there are.
        resamples: How many resamples to draw.
        level: Coverage, between 0 and 1.
        seed: Of the random generator.

    Returns:
        Lower and upper bound; NaN if no resample defines the statistic.

    Raises:
        ValueError: If n or resamples is not positive.
    """
    if min(n, resamples) < 1:
        raise ValueError(f"expected positive n and resamples, got {n} and {resamples}")
    generator = np.random.default_rng(seed)
    values = np.array([statistic(generator.integers(0, n, n)) for _ in range(resamples)])
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
