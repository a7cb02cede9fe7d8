"""Exact intervals and tests for counts, and the bootstrap. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from allcell.detections import IntArray

#: Fewer images than this allow no p-value: resamples of a handful are too similar to stand in for
#: other images.
LEAST_IMAGES = 10
_LEAST_DEFINED = 0.99
_SAME = 1e-9


def too_few_images(images: int) -> str:
    """Why this many images are too few, as part of a sentence; empty if they are enough."""
    if images >= LEAST_IMAGES:
        return ""
    return f"too few images: {images}, at least {LEAST_IMAGES} are needed"


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact confidence interval of a proportion (haematologists know Ruemke's tables of it).

    It covers the error of sampling n cells from a patient, not the errors of a classifier.
    Source: Clopper and Pearson, Biometrika 26 (1934), 404.

    Args:
        k: Cells of the kind, 0 to n.
        n: All cells counted; with 0 nothing is known and the interval is (0, 1).
        level: Coverage, between 0 and 1.

    Returns:
        Lower and upper bound, 0 to 1.

    Raises:
        ValueError: If k is not within 0 to n, or the level is not between 0 and 1.
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
    """A count of k out of n and its confidence interval.

    Attributes:
        k: Cells (or images) of the kind.
        n: All of them.
        fraction: k / n, or None when n is 0.
        low: Lower bound of the exact confidence interval, 0 to 1.
        high: Upper bound, 0 to 1.
    """

    k: int
    n: int
    fraction: float | None
    low: float
    high: float

    @classmethod
    def of(cls, k: int, n: int, level: float = 0.95) -> Proportion:
        """The proportion k / n with its interval; arguments and errors as in `clopper_pearson`."""
        low, high = clopper_pearson(k, n, level)
        return cls(k, n, k / n if n else None, low, high)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p-value for two models being right equally often on the same cases.

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


#: Up to so many units all signs are tried, beyond it this many at random.
_ALL_SIGNS_UP_TO, _RANDOM_SIGNS = 14, 20_000


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of a paired difference, exact for a handful of images.

    Under the null hypothesis each image's difference could as well have the other sign; p is the
    share of all choices of signs with a sum as far from 0. Source: Fisher, The design of
    experiments (1935), ch. 3; Edgington and Onghena, Randomization tests (2007).

    Args:
        differences: One for each image.

    Returns:
        1 if there is none, or all are 0.
    """
    units = np.asarray([value for value in differences if value], np.float64)
    if not len(units):
        return 1.0
    if len(units) <= _ALL_SIGNS_UP_TO:
        bits = np.arange(2 ** len(units))[:, None] >> np.arange(len(units)) & 1
        sums = np.where(bits == 1, 1.0, -1.0) @ units
        return float(np.mean(np.abs(sums) >= abs(units.sum()) - _SAME))
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (_RANDOM_SIGNS, len(units)))
    far = int(np.sum(np.abs(signs @ units) >= abs(units.sum()) - _SAME))
    return (far + 1) / (_RANDOM_SIGNS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for multiple comparisons (Holm's step-down method), in the given order."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def resamples(n: int, count: int = 2000, seed: int = 0) -> IntArray:
    """Draws with replacement for a bootstrap: how often each unit is in each resample.

    Units are images, not boxes: the boxes of one image are not independent. Two models are compared
    on the same draws, so the same arguments give the same draws.

    Args:
        n: Units.
        count: Resamples.
        seed: Seed of the random generator.

    Returns:
        Shape (count, n); every row sums to n.

    Raises:
        ValueError: If n or count is not positive.
    """
    return np.concatenate(list(resamples_in_steps(n, count, seed=seed)))


def resamples_in_steps(
    n: int, count: int, step: int | None = None, *, seed: int = 0
) -> Iterator[IntArray]:
    """The same draws, some at a time: all of many images would fill the memory.

    Args:
        n: Units.
        count: Resamples.
        step: Resamples at a time; all of them if None.
        seed: Seed of the random generator.

    Yields:
        Shape (step, n), the last one possibly shorter; every row sums to n.

    Raises:
        ValueError: If n, count or step is not positive.
    """
    step = count if step is None else step
    if min(n, count, step) < 1:
        raise ValueError(f"expected positive n, count and step, got {n}, {count} and {step}")
    generator, share = np.random.default_rng(seed), np.full(n, 1 / n)
    for done in range(0, count, step):
        yield generator.multinomial(n, share, min(step, count - done)).astype(np.int64)


def effective_number(counts: Sequence[int]) -> float:
    """How many equally large clusters would tell as much as these.

    (sum of counts) squared over the sum of squared counts: 7 if 7 fields hold as many cells each,
    near 1 if one field holds nearly all. 0 if there are none. Source: Kish, Survey Sampling (1965).

    Args:
        counts: Cells of each field.
    """
    squares = sum(int(count) ** 2 for count in counts)
    return sum(map(int, counts)) ** 2 / squares if squares else 0.0


def percentile_interval(
    values: npt.NDArray[np.float64], level: float = 0.95
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of a statistic's values over the resamples.

    Args:
        values: Shape (B,); NaN where a resample does not define the statistic, which is left out.
        level: Coverage, between 0 and 1.

    Returns:
        Lower and upper bound; None if no resample defines the statistic.
    """
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_p(differences: npt.NDArray[np.float64]) -> float:
    """Two-sided p-value for a difference of 0, from its values over the resamples (B,).

    Twice the smaller share of resamples on either side of 0, each share with one added to the count
    and to B, so that it is never 0 (Davison and Hinkley, Bootstrap Methods, 1997, ch. 4). NaN
    values are left out.
    """
    known = differences[~np.isnan(differences)]
    below, above = int(np.sum(known <= 0)), int(np.sum(known >= 0))
    return min(1.0, 2 * (min(below, above) + 1) / (len(known) + 1))


def bootstrap_p_range(p: float, draws: int) -> tuple[float, float]:
    """Where the p-value of endless resamples may lie, 95 %: what the choice of the seed can change.

    Args:
        p: From `bootstrap_p`.
        draws: Resamples behind it.

    Returns:
        Lower and upper bound, 0 to 1: Clopper-Pearson of the share of resamples that p rests on.
    """
    k = min(max(0, round(p * (draws + 1) / 2) - 1), draws)
    low, high = clopper_pearson(k, draws)
    return min(1.0, 2 * low), min(1.0, 2 * high)


def paired_p(differences: npt.NDArray[np.float64], images: int) -> float | None:
    """`bootstrap_p`, or None where the resamples cannot decide.

    They cannot if there are fewer than `LEAST_IMAGES` images; if more than one resample in a
    hundred leaves the difference undefined, since it then rests on a few images; or if all give
    the same difference, unless that is 0.

    Args:
        differences: Shape (B,); NaN where a resample does not define the difference.
        images: How many images were resampled.
    """
    known = differences[~np.isnan(differences)]
    if too_few_images(images) or len(known) < _LEAST_DEFINED * len(differences) or not len(known):
        return None
    # Equal differences from different images may differ in their last bits.
    if np.ptp(known) < _SAME:
        return 1.0 if abs(known[0]) < _SAME else None
    return bootstrap_p(differences)


@dataclass(frozen=True)
class Milliseconds:
    """Times of one stage.

    Attributes:
        median: Half of the frames were faster.
        p95: 95 of 100 frames were faster.
    """

    median: float
    p95: float

    @classmethod
    def of(cls, values_ms: list[float]) -> Milliseconds:
        """Median and 95th percentile of times in milliseconds."""
        return cls(float(np.median(values_ms)), float(np.percentile(values_ms, 95)))
