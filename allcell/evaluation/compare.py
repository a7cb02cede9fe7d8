"""Is the difference between two models real? Paired over images, for all pairs of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

from allcell.evaluation.evidence import Array
from allcell.evaluation.results import Interval, to_json
from allcell.statistics import bootstrap_p, holm, mcnemar_exact, percentile_interval

#: What models are compared by: names of `Evidence.measure`.
COMPARED = (
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

#: An adjusted p-value below this is called decisive.
ALPHA = 0.05


@dataclass(frozen=True)
class Difference:
    """One number, one pair of models.

    Attributes:
        first: A model.
        second: Another.
        measure: Name of the number.
        value: First minus second.
        interval: 95 %, the same resamples of the images for both; None if never defined.
        p: Bootstrap p-value.
        p_adjusted: After Holm, over all pairs of this measure.
        decisive: Whether p_adjusted is below `ALPHA` and the interval leaves 0 out.
    """

    first: str
    second: str
    measure: str
    value: float
    interval: Interval | None
    p: float
    p_adjusted: float
    decisive: bool


@dataclass(frozen=True)
class FieldDifference:
    """Two models on whole images: right or wrong about there being a blast.

    Attributes:
        first: A model.
        second: Another.
        only_first: Images that only the first got right.
        only_second: Images that only the second got right.
        p: McNemar's exact p-value.
        p_adjusted: After Holm, over all pairs.
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
        data_sha256: Of all images and labels.
        models: SHA-256 by name, of all that were compared.
        differences: For each measure and pair.
        fields: For each pair.
    """

    data: str
    split: str
    data_sha256: str
    models: dict[str, str]
    differences: tuple[Difference, ...]
    fields: tuple[FieldDifference, ...]

    def to_json(self) -> str:
        """As JSON, numbers to six decimals."""
        return to_json(asdict(self))


def compare_measures(
    measured: Mapping[str, Mapping[str, float]], replicates: Mapping[str, Mapping[str, Array]]
) -> tuple[Difference, ...]:
    """Paired differences of all pairs of models.

    Args:
        measured: `Evidence.measure` by model.
        replicates: `Evidence.replicates` by model, all with the same count and seed.
    """
    differences: list[Difference] = []
    for name in COMPARED:
        rows = []
        for first, second in combinations(measured, 2):
            value = measured[first][name] - measured[second][name]
            # NaN differs from itself: neither model defines it on these images.
            if value != value:
                continue
            deltas = replicates[first][name] - replicates[second][name]
            rows.append((first, second, value, percentile_interval(deltas), bootstrap_p(deltas)))
        adjusted = holm([row[-1] for row in rows])
        for (first, second, value, interval, p), p_adjusted in zip(rows, adjusted, strict=True):
            apart = interval is not None and not interval[0] <= 0 <= interval[1]
            decisive = apart and p_adjusted < ALPHA
            differences.append(
                Difference(first, second, name, value, interval, p, p_adjusted, decisive)
            )
    return tuple(differences)


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
