"""Decides which interval may be shown with a score, and in which words, for all that show one.

A percentile bootstrap over a handful of images, or one whose resamples all give the same number,
has bounds that claim too much. An exact interval takes its place, or words that say why there is
none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from allcell.statistics import clopper_pearson, too_few_images

Kind = Literal["bootstrap", "exact", "no width", "n/a"]

#: To accompany bootstrap intervals wherever they are shown.
NO_WIDTH = (
    "Where every resample gives the same number, as when all cells are found, the bootstrap "
    "interval has no width, which is not certainty. A share of cells then has exact bounds "
    '(Clopper-Pearson, marked "exact"; they take the cells of a field as independent), any other '
    "score none."
)

#: Why a difference has neither interval nor p although there are enough images.
UNDECIDED = (
    "cannot be decided: too few resamples define it, or all of them give the same difference"
)

#: Bounds that differ by less look the same with three decimals.
_PRINTED = 0.0005
#: Relative error of a share in stored JSON, which has six decimals.
_ROUNDED = 1e-5


@dataclass(frozen=True)
class ShownInterval:
    """The uncertainty of a score, as far as it may be shown.

    Attributes:
        kind: bootstrap | exact (Clopper-Pearson over cells) | no width (every resample gives the
            same number) | n/a (too few images, or no resample defines the number).
        low: Lower bound of a bootstrap or exact interval, else None.
        high: Upper bound.
    """

    kind: Kind
    low: float | None = None
    high: float | None = None

    @property
    def ends(self) -> tuple[float, float] | None:
        """Both bounds, if there are any."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def text(self, number: Callable[[float], str]) -> str:
        """The interval in words: `0.881 to 1.000, exact`.

        Args:
            number: Formats a bound.
        """
        if self.low is None or self.high is None:
            return self.kind
        exact = ", exact" if self.kind == "exact" else ""
        return f"{number(self.low)} to {number(self.high)}{exact}"


def interval_of(
    bootstrap: Sequence[float] | None, images: int, share: tuple[int, int] | None = None
) -> ShownInterval:
    """Decide which interval may be shown.

    Args:
        bootstrap: Bounds of the bootstrap over images; None if no resample defines the score.
        images: Number of images.
        share: k and n, if the score is k of n cells or boxes.
    """
    shown = difference_interval(None if too_few_images(images) else bootstrap)
    if shown.kind == "no width" and share is not None and share[1] > 0:
        return ShownInterval("exact", *clopper_pearson(*share))
    return shown


def difference_interval(bounds: Sequence[float] | None, *, turned: bool = False) -> ShownInterval:
    """Decide which interval may be shown with a `compare.Difference`; an undecided one has none.

    Args:
        bounds: Its interval.
        turned: Whether to show second minus first instead.
    """
    if bounds is None:
        return ShownInterval("n/a")
    low, high = (-bounds[1], -bounds[0]) if turned else bounds
    return (
        ShownInterval("bootstrap", low, high)
        if high - low >= _PRINTED
        else ShownInterval("no width")
    )


def class_interval(
    intervals: Mapping[str, Sequence[float] | None],
    images: int,
    class_name: str,
    metric: str,
    scores: Mapping[str, Any],
) -> ShownInterval:
    """Decide which interval may be shown with a score of one class.

    Args:
        intervals: `EvaluationResult.intervals`.
        images: Number of images.
        class_name: The class.
        metric: precision | recall | one of the APs, as `ClassResult` names them.
        scores: Its `cells`, `precision`, `recall` and, from version 0.3, `at_best_f1`, as in
            `ClassResult` or its JSON.
    """
    bootstrap = intervals.get(f"{class_name}.{metric}")
    if metric not in ("precision", "recall"):
        return interval_of(bootstrap, images)
    if (share := _counted(metric, scores)) and share[0] == share[1] > 0 and bootstrap:
        # Every box is right, or every cell found, in each resample: what width there is comes from
        # YOLOv5's interpolation between confidences.
        return interval_of((1.0, 1.0), images, share)
    return interval_of(bootstrap, images, _share(metric, scores))


def counts_interval(
    bootstrap: Sequence[float] | None, images: int, metric: str, counts: Mapping[str, Any]
) -> ShownInterval:
    """Decide which interval may be shown with a precision or recall whose counts are known.

    Args:
        bootstrap: See `interval_of`.
        images: Number of images.
        metric: precision | recall.
        counts: `tp`, `fp` and `fn`, as in `metrics.Counts`.
    """
    other = counts["fp" if metric == "precision" else "fn"]
    return interval_of(bootstrap, images, (counts["tp"], counts["tp"] + other))


def score_text(
    value: float | None, interval: ShownInterval, number: Callable[[float], str], missing: str = ""
) -> str:
    """A number and its interval: `0.994 (0.973 to 1.000)`, `1.000 (no width)`, `1.000 (n/a)`.

    Args:
        value: The number.
        interval: Its interval.
        number: Formats a number.
        missing: The text if there is no number.
    """
    return missing if value is None else f"{number(value)} ({interval.text(number)})"


def interval_note(images: int, units: str = "images") -> str:
    """The note that a table with intervals needs.

    Args:
        images: Number of images behind them.
        units: What the images are called, in the plural.
    """
    if few := too_few_images(images):
        return f"No intervals (n/a): {few}."
    return f"Intervals: 95 %, bootstrap over {units}. {NO_WIDTH}"


def _counted(metric: str, scores: Mapping[str, Any]) -> tuple[int, int] | None:
    """The k of n at the confidence of the best F1; None in JSON of earlier versions."""
    if (counts := scores.get("at_best_f1")) is None:
        return None
    of = counts if isinstance(counts, Mapping) else vars(counts)
    return of["tp"], of["tp"] + of["fp" if metric == "precision" else "fn"]


def _share(metric: str, scores: Mapping[str, Any]) -> tuple[int, int] | None:
    """The k of n behind YOLOv5's P or R; None if interpolation has made it something else."""
    cells, precision, recall = (scores[key] for key in ("cells", "precision", "recall"))
    if recall is None or precision is None:
        return None
    if metric == "recall":
        return _whole(recall, cells)
    # The number of boxes is not stored; where every box is right, it is the number of found cells.
    # An interpolated count is rounded down, which gives the wider interval.
    found = math.floor(recall * cells * (1 + _ROUNDED))
    if precision > 1 - 1e-9:
        return found, found
    boxes = round(found / precision) if precision else 0
    return (found, boxes) if boxes and abs(found - precision * boxes) <= _ROUNDED * boxes else None


def _whole(fraction: float, n: int) -> tuple[int, int] | None:
    k = round(fraction * n)
    return (k, n) if abs(k - fraction * n) <= _ROUNDED * n else None
