"""Is the difference between two models real? Tests paired over images, for all pairs of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Literal

from allcell.evaluation.evidence import Array
from allcell.evaluation.results import Interval, to_json
from allcell.statistics import (
    bootstrap_p_range,
    holm,
    mcnemar_exact,
    paired_p,
    percentile_interval,
    too_few_images,
)

#: The scores that models are compared by, as `Evidence.measure` names them.
COMPARED = (
    "blast.ap50_as_shown",
    "healthy.ap50_as_shown",
    "blast.ap50_95_as_shown",
    "healthy.ap50_95_as_shown",
    "map50_as_shown",
    "map50_95_as_shown",
    "blast.ap50",
    "healthy.ap50",
    "blast.ap50_95",
    "healthy.ap50_95",
    "map50",
    "map50_95",
    "centroids.recall",
    "centroids.precision",
    "white_cells.recall",
)

#: An adjusted p-value clearly below this is called decisive.
ALPHA = 0.05
#: Within this factor of `ALPHA` a p-value is on the edge: a few other cells could turn it.
NEAR = 2.0


@dataclass(frozen=True)
class Difference:
    """The difference in one score between two models.

    Attributes:
        first: Name of a model.
        second: Name of another.
        measure: Name of the score.
        value: First minus second.
        interval: 95 %, from the same resamples of the images for both; None if p is.
        p: Bootstrap p-value; None where the resamples cannot decide (`statistics.paired_p`).
        p_adjusted: Holm-adjusted over all pairs and all measures, which are shown together; None if
            p is.
        decisive: Whether p_adjusted is clearly below `ALPHA` (see `standing`) and the interval
            excludes 0.
        edge: Whether it is on the edge instead: too close to `ALPHA` to be called either way.
    """

    first: str
    second: str
    measure: str
    value: float
    interval: Interval | None
    p: float | None
    p_adjusted: float | None
    decisive: bool
    edge: bool


@dataclass(frozen=True)
class FieldDifference:
    """Two models compared on whether each image holds a blast.

    Attributes:
        first: Name of a model.
        second: Name of another.
        only_first: Images that only the first got right.
        only_second: Images that only the second got right.
        p: McNemar's exact p-value.
        p_adjusted: Holm-adjusted over all pairs.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    p: float
    p_adjusted: float


@dataclass(frozen=True)
class Comparison:
    """All pairs of models on the same images.

    Attributes:
        data: Name of the data set.
        split: Which part of it.
        data_sha256: SHA-256 over all images and labels.
        models: SHA-256 of the weights of every compared model, by name.
        differences: For each measure and pair.
        fields: For each pair.
        draws: Resamples behind the p-values of `differences`.
    """

    data: str
    split: str
    data_sha256: str
    models: dict[str, str]
    differences: tuple[Difference, ...]
    fields: tuple[FieldDifference, ...]
    draws: int

    def to_json(self) -> str:
        """As JSON, numbers to six decimals."""
        return to_json(asdict(self))


def compare_measures(
    measured: Mapping[str, Mapping[str, float]],
    replicates: Mapping[str, Mapping[str, Array]],
    images: int,
) -> tuple[Difference, ...]:
    """Paired differences of all pairs of models in all measures, adjusted as one family.

    Args:
        measured: `Evidence.measure` by model.
        replicates: `bootstrap.compared_scores` by model, all with the same count and seed.
        images: How many images were resampled.
    """
    rows = []
    for name in COMPARED:
        for first, second in combinations(measured, 2):
            value = measured[first][name] - measured[second][name]
            # NaN, which differs from itself: the score is undefined on these images.
            if value != value:
                continue
            deltas = replicates[first][name] - replicates[second][name]
            p = paired_p(deltas, images)
            interval = None if p is None else percentile_interval(deltas)
            rows.append((first, second, name, value, interval, p, len(deltas)))
    # An undecided pair was compared all the same, so Holm's adjustment counts it.
    adjusted = holm([1.0 if p is None else p for *_, p, _ in rows])
    differences = []
    for (first, second, name, value, interval, p, draws), p_holm in zip(
        rows, adjusted, strict=True
    ):
        apart = interval is not None and not interval[0] <= 0 <= interval[1]
        stands = standing(p, p_holm, draws) if apart and p is not None else ""
        differences.append(
            Difference(
                first,
                second,
                name,
                value,
                interval,
                p,
                None if p is None else p_holm,
                decisive=stands == "decisive",
                edge=stands == "edge",
            )
        )
    return tuple(differences)


def may_be_decisive(differences: Sequence[Difference], draws: int) -> bool:
    """Whether more resamples could put a difference on the edge or over it.

    Args:
        differences: From `compare_measures`.
        draws: Resamples behind them.
    """
    return any(
        bootstrap_p_range(d.p, draws)[0] * d.p_adjusted / d.p < ALPHA * NEAR
        for d in differences
        if d.p is not None and d.p_adjusted is not None
    )


def standing(p: float, p_adjusted: float, draws: int) -> Literal["decisive", "edge", ""]:
    """What a bootstrap p-value says: decisive, on the edge, or neither.

    On the edge is what lies within a factor `NEAR` of `ALPHA`, and what other resamples could carry
    across it (`statistics.bootstrap_p_range`): the verdict must hang neither on a few cells nor on
    the seed.

    Args:
        p: Before Holm's adjustment.
        p_adjusted: After it.
        draws: Resamples behind p.
    """
    low, high = (bound * p_adjusted / p for bound in bootstrap_p_range(p, draws))
    if low < ALPHA <= high or ALPHA / NEAR <= p_adjusted < ALPHA * NEAR:
        return "edge"
    return "decisive" if p_adjusted < ALPHA else ""


def compare_fields(right: Mapping[str, Sequence[bool]]) -> tuple[FieldDifference, ...]:
    """McNemar's test for all pairs of models.

    Args:
        right: By model: for each image, the same ones in the same order, whether it was right
            about there being a blast.
    """
    rows = []
    for first, second in combinations(right, 2):
        pairs = list(zip(right[first], right[second], strict=True))
        only_first = sum(a and not b for a, b in pairs)
        only_second = sum(b and not a for a, b in pairs)
        p = mcnemar_exact(only_first, only_second)
        rows.append((first, second, only_first, only_second, p))
    adjusted = holm([row[-1] for row in rows])
    return tuple(FieldDifference(*row, p_adjusted=p) for row, p in zip(rows, adjusted, strict=True))


def field_is_decisive(p_adjusted: float, images: int) -> bool:
    """Whether McNemar's test tells two models apart on whole images.

    Args:
        p_adjusted: Of a `FieldDifference`.
        images: How many images both judged. Fewer than `statistics.LEAST_IMAGES` decide nothing.
    """
    return p_adjusted < ALPHA and not too_few_images(images)


def least_differing(pairs: int) -> int:
    """The fewest images on which two models must differ, all in favour of one, to be decisive.

    McNemar's exact p is then 2 / 2**n, and Holm multiplies the smallest by the number of pairs.

    Args:
        pairs: How many pairs of models are compared.
    """
    n = 1
    while pairs * mcnemar_exact(n, 0) >= ALPHA:
        n += 1
    return n
