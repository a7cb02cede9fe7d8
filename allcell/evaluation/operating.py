"""One class at any threshold, with intervals, fast enough for a slider. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from allcell.detections import IntArray
from allcell.evaluation.matching import ClassMatches
from allcell.evaluation.metrics import MatchCounts
from allcell.statistics import percentile_interval

Interval = tuple[float, float]


@dataclass(frozen=True)
class OperatingPoint:
    """Counts of one class at one threshold, IoU 0.5.

    Attributes:
        counts: tp, fp, fn, precision, recall.
        f1: 2 tp / (2 tp + fp + fn); None if there is neither a cell nor a box.
        precision_interval: 95 %, bootstrap over images; None if no resample defines precision.
        recall_interval: The same for recall.
        f1_interval: The same for F1.
        false_alarms_per_image: Mean over all images.
    """

    counts: MatchCounts
    f1: float | None
    precision_interval: Interval | None
    recall_interval: Interval | None
    f1_interval: Interval | None
    false_alarms_per_image: float


def operating_point(
    matches: ClassMatches, confidence: float, draws: IntArray | None = None
) -> OperatingPoint:
    """Count one class at a threshold.

    Args:
        matches: Of one class, from `Evidence.user_matches`.
        confidence: Threshold, 0 to 1.
        draws: Resamples of the images (B, I) from `statistics.resamples`; no intervals if None.
    """
    n = len(matches.truths)
    used = matches.counted_at(confidence)
    correct = used & matches.correct[0]
    tp = np.bincount(matches.image[correct], minlength=n)
    fp = np.bincount(matches.image[used], minlength=n) - tp
    fn = matches.truths - tp
    totals = int(tp.sum()), int(fp.sum()), int(fn.sum())
    either = 2 * totals[0] + totals[1] + totals[2]
    precision = recall = f1 = None
    if draws is not None:
        t, p, m = draws @ tp, draws @ fp, draws @ fn
        precision = percentile_interval(_ratio(t, t + p))
        recall = percentile_interval(_ratio(t, t + m))
        f1 = percentile_interval(_ratio(2 * t, 2 * t + p + m))
    return OperatingPoint(
        MatchCounts.of(*totals),
        2 * totals[0] / either if either else None,
        precision,
        recall,
        f1,
        totals[1] / n,
    )


@dataclass(frozen=True, eq=False)
class Sweep:
    """One class over a range of thresholds, IoU 0.5; NaN where a score is undefined.

    Attributes:
        threshold: Shape (T,), ascending, 0 to 1.
        precision: Shape (T,), 0 to 1.
        recall: Shape (T,), 0 to 1.
        f1: Shape (T,), 0 to 1.
    """

    threshold: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]


def sweep(matches: ClassMatches, lowest: float) -> Sweep:
    """Score one class at thresholds 0.01 apart, up to 0.95.

    Args:
        matches: Of one class, from `Evidence.user_matches`.
        lowest: First threshold, 0 to 1.
    """
    grid = np.round(np.arange(lowest, 0.951, 0.01), 2)
    points = [operating_point(matches, float(threshold)) for threshold in grid]
    return Sweep(
        grid,
        np.array([p.counts.precision for p in points], np.float64),
        np.array([p.counts.recall for p in points], np.float64),
        np.array([p.f1 for p in points], np.float64),
    )


def _ratio(part: IntArray, whole: IntArray) -> npt.NDArray[np.float64]:
    undefined = np.full(len(whole), np.nan)
    return np.asarray(np.divide(part, whole, out=undefined, where=whole > 0))
