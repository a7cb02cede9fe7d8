"""95 % bands round the curves of one class, from resamples of the images. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allcell.detections import IntArray
from allcell.evaluation.matching import ClassMatches
from allcell.evaluation.metrics import Array
from allcell.statistics import resamples, too_few_images

#: Resamples behind a band, and points along it: it is drawn, not read off.
_DRAWS, _POINTS = 1000, 120


@dataclass(frozen=True, eq=False)
class Band:
    """Where a curve may lie, point by point.

    Attributes:
        x: Shape (X,), ascending.
        low: Shape (X,); NaN where too few resamples define the curve.
        high: Shape (X,).
    """

    x: Array
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class CurveBands:
    """The bands of one class, each empty if there are too few images or no cell.

    Attributes:
        precision_recall: Precision by recall.
        froc: Sensitivity by mean false alarms per image.
        by_threshold: precision | recall | f1 by threshold.
    """

    precision_recall: Band
    froc: Band
    by_threshold: dict[str, Band]

    @classmethod
    def of(cls, matches: ClassMatches, lowest: float) -> CurveBands:
        """The bands of a class.

        Args:
            matches: Of the class, from `Evidence.user_matches`.
            lowest: First threshold, 0 to 1.
        """
        none = Band(*np.zeros((3, 0)))
        n = len(matches.truths)
        if too_few_images(n) or not matches.n_truth or not len(matches.confidence):
            return cls(none, none, dict.fromkeys(("precision", "recall", "f1"), none))
        draws = resamples(n, _DRAWS)
        grid = np.round(np.arange(lowest, 0.951, 0.01), 2)
        tp, fp, cells = _counts(matches, draws, grid)
        by_threshold = {
            "precision": _band(grid, _ratio(tp, tp + fp)),
            "recall": _band(grid, _ratio(tp, cells)),
            "f1": _band(grid, _ratio(2 * tp, tp + fp + cells)),
        }
        # From the surest box down; thinned, as a large set has as many thresholds as boxes.
        every = np.unique(matches.confidence)[::-1]
        some = every[np.unique(np.linspace(0, len(every) - 1, _POINTS).astype(int))]
        tp, fp, cells = _counts(matches, draws, some)
        recall, precision = _ratio(tp, cells), _ratio(tp, tp + fp)
        rate = fp / n
        allowed = np.unique(np.linspace(0.0, float(np.median(rate[:, -1])), _POINTS))
        reached = np.linspace(0.0, float(np.nanmedian(recall[:, -1])), _POINTS)
        return cls(
            _band(reached, _at_recall(recall, precision, reached)),
            _band(allowed, _at_rate(rate, recall, allowed)),
            by_threshold,
        )


def _counts(matches: ClassMatches, draws: IntArray, grid: Array) -> tuple[Array, Array, Array]:
    """True and false positives (B, T) at each threshold, and true cells (B, 1), by resample."""
    n = len(matches.truths)
    # Compared in 32 bits, as in `ClassMatches.counted_at`.
    shown = matches.confidence[None, :] >= grid.astype(np.float32)[:, None]
    used = shown & ~matches.ignored[0]
    of_image = np.eye(n)[matches.image]
    tp = (used & matches.correct[0]) @ of_image
    boxes = used @ of_image
    times = draws.astype(np.float64)
    found = times @ tp.T
    return found, times @ boxes.T - found, (times @ matches.truths)[:, None]


def _at_rate(rate: Array, recall: Array, allowed: Array) -> Array:
    """Highest sensitivity (B, X) at no more than each of the allowed false alarms per image."""
    start = np.zeros((1,))
    return np.array(
        [
            np.concatenate([start, found])[np.searchsorted(alarms, allowed, side="right")]
            for alarms, found in zip(rate, recall, strict=True)
        ]
    )


def _at_recall(recall: Array, precision: Array, reached: Array) -> Array:
    """Precision (B, X) where each recall is reached; NaN where a resample does not reach it."""
    end = np.full((1,), np.nan)
    return np.array(
        [
            np.concatenate([right, end])[np.searchsorted(found, reached, side="left")]
            if not np.isnan(found).any()
            else np.full(len(reached), np.nan)
            for found, right in zip(recall, precision, strict=True)
        ]
    )


def _band(x: Array, values: Array) -> Band:
    """Percentiles of values (B, X) at each point; NaN unless most resamples define it."""
    # Not `np.nanquantile`, which takes seconds: NaN is sorted to the end.
    ordered = np.sort(values, axis=0)
    known = np.sum(~np.isnan(values), axis=0)
    low, high = np.full((2, len(x)), np.nan)
    usual = np.flatnonzero(2 * known > len(values))
    for ends, share in ((low, 0.025), (high, 0.975)):
        row = np.round(share * (known[usual] - 1)).astype(int)
        ends[usual] = ordered[row, usual]
    return Band(x, low, high)


def _ratio(part: Array, whole: Array) -> Array:
    undefined = np.full(part.shape, np.nan)
    return np.asarray(np.divide(part, whole, out=undefined, where=whole > 0), np.float64)
