"""Numbers from matches: AP, precision and recall, centroids, calibration. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hotcoco import metrics as coco
from scipy.optimize import linear_sum_assignment

from allcell.detections import Detections, FloatArray, IntArray
from allcell.evaluation.matching import ClassMatches, lies_on, no_boxes
from allcell.models.registry import BLAST

Array = npt.NDArray[np.float64]

#: Where YOLOv5 samples its curves of precision and recall against confidence.
_CONFIDENCE_GRID = np.linspace(0, 1, 1000)

#: Width of YOLOv5's moving mean over the F1 curve, in grid points: a tenth of the grid.
_SMOOTHING_POINTS = 101


@dataclass(frozen=True)
class MatchCounts:
    """True positives, false positives and false negatives, with precision and recall.

    Attributes:
        tp: Cells found.
        fp: False alarms.
        fn: Cells missed.
        precision: tp / (tp + fp), or None without any prediction.
        recall: tp / (tp + fn), or None without any cell.
    """

    tp: int
    fp: int
    fn: int
    precision: float | None
    recall: float | None

    @classmethod
    def of(cls, tp: int, fp: int, fn: int) -> MatchCounts:
        """The three counts with their ratios."""
        return cls(
            tp, fp, fn, tp / (tp + fp) if tp + fp else None, tp / (tp + fn) if tp + fn else None
        )


@dataclass(frozen=True, eq=False)
class Curve:
    """The curves of one class at one IoU, as the threshold falls.

    Its P points are those at which a cell is found (`curve`: in between, recall is constant and
    precision only falls) or those of all thresholds (`threshold_curve`).

    Attributes:
        confidence: Shape (P,), descending, 0 to 1.
        precision: Shape (P,), 0 to 1.
        recall: Shape (P,), ascending, 0 to 1: the sensitivity of a FROC curve.
        false_alarms_per_image: Shape (P,), ascending: the x axis of a FROC curve.
    """

    confidence: Array
    precision: Array
    recall: Array
    false_alarms_per_image: Array


@dataclass(frozen=True)
class BestF1:
    """Precision and recall at the confidence whose F1, averaged over the classes, is best.

    Attributes:
        confidence: That threshold, 0 to 1.
        precision: Of each class; None for a class without true cells or without any prediction.
        recall: Of each class; None for a class without true cells.
    """

    confidence: float
    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]


def average_precision(matches: ClassMatches) -> Array:
    """COCO's AP at each IoU threshold: shape (T,), 0 to 1, NaN without any true cell.

    Precision, made monotone, is averaged over the 101 recalls 0, 0.01 ... 1.
    """
    if matches.n_truth == 0:
        return np.full(len(matches.correct), np.nan)
    return np.array(
        [
            coco.average_precision(matches.confidence, correct, matches.n_truth, ignored)
            for correct, ignored in zip(matches.correct, matches.ignored, strict=True)
        ]
    )


def counts_at(matches: ClassMatches, confidence: float, iou_index: int = 0) -> MatchCounts:
    """Counts among predictions of at least this confidence, at one of the IoU thresholds."""
    used = matches.counted_at(confidence, iou_index)
    tp = int(np.sum(used & matches.correct[iou_index]))
    return MatchCounts.of(tp, int(used.sum()) - tp, matches.n_truth - tp)


def curve(matches: ClassMatches, iou_index: int = 0) -> Curve:
    """Precision, recall and false alarms as the threshold falls; empty without true cells."""
    confidence, tp, fp = _cumulative(matches, iou_index)
    finds = np.flatnonzero(np.diff(tp, prepend=0))
    confidence, tp, fp = confidence[finds], tp[finds], fp[finds]
    return Curve(confidence, tp / (tp + fp), tp / max(matches.n_truth, 1), fp / len(matches.truths))


def threshold_curve(matches: ClassMatches) -> Curve:
    """Like `curve`, at IoU 0.5, with a point for each threshold, from above the most confident box.

    Whatever the threshold, its precision, recall and false alarms (`counts_at`) are a point of the
    curve. Above all boxes, where precision is undefined, it is that of the most confident ones.
    """
    confidence, tp, fp = _cumulative(matches, 0)
    last = _group_ends(confidence)
    confidence, tp, fp = confidence[last], tp[last], fp[last]
    precision = tp / (tp + fp)
    start = min(1, len(precision))
    return Curve(
        np.concatenate([np.ones(start), confidence]),
        np.concatenate([precision[:1], precision]),
        np.concatenate([np.zeros(start), tp / max(matches.n_truth, 1)]),
        np.concatenate([np.zeros(start), fp / len(matches.truths)]),
    )


def best_f1(classes: Sequence[ClassMatches]) -> BestF1:
    """P and R as YOLOv5 prints them (`ap_per_class`, unchanged in ultralytics), at IoU 0.5.

    Precision and recall of each class are interpolated linearly at 1000 confidences from 0 to 1
    (above its most confident prediction: 1 and 0; without predictions: none, where YOLOv5 says 0,
    and 0). The F1 curves are averaged over the classes that have true cells and smoothed by a
    moving mean over 101 points; the confidence at its first maximum is used for all classes. Only
    the matching differs from YOLOv5's: it is COCO's.

    Args:
        classes: The classes that share the threshold (the paper's two: blast, healthy).
    """
    precision = np.zeros((len(classes), len(_CONFIDENCE_GRID)))
    recall = np.zeros_like(precision)
    for row, matches in enumerate(classes):
        confidence, tp, fp = _cumulative(matches, 0)
        if len(tp) and matches.n_truth:
            # np.interp needs ascending x, hence the minus signs.
            at, known = -_CONFIDENCE_GRID, -confidence
            recall[row] = np.interp(at, known, tp / matches.n_truth, left=0)
            precision[row] = np.interp(at, known, tp / (tp + fp), left=1)
    present = np.array([matches.n_truth > 0 for matches in classes], bool)
    boxed = [bool((~matches.ignored[0]).any()) for matches in classes]
    best = 0
    if present.any():
        total = precision + recall
        f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
        padded = np.pad(f1[present].mean(axis=0), _SMOOTHING_POINTS // 2, mode="edge")
        window = np.full(_SMOOTHING_POINTS, 1 / _SMOOTHING_POINTS)
        best = int(np.convolve(padded, window, mode="valid").argmax())
    return BestF1(
        float(_CONFIDENCE_GRID[best]),
        tuple(
            float(p[best]) if known and any_box else None
            for p, known, any_box in zip(precision, present, boxed, strict=True)
        ),
        tuple(float(r[best]) if known else None for r, known in zip(recall, present, strict=True)),
    )


def centroid_recall(
    predictions: Detections,
    centroids: FloatArray,
    confidence: float,
    *,
    class_id: int = BLAST,
    ignore: FloatArray | None = None,
) -> MatchCounts:
    """Count expert centroids that lie in a predicted box, matched one to one.

    The matching has as many pairs as possible, so the order does not matter.

    Args:
        predictions: All classes.
        centroids: Shape (M, 2): x, y in source pixels.
        confidence: Operating threshold, 0 to 1.
        class_id: Class of the boxes.
        ignore: Boxes (K, 4): a prediction without a centroid that has half its area or more on one
            of these is not a false alarm.

    Returns:
        tp: centroids found; fp: boxes without one; fn: centroids missed.
    """
    boxes = predictions.of(class_id).at_least(confidence).xyxy
    points = centroids[None, :, :]
    within = (points >= boxes[:, None, :2]) & (points <= boxes[:, None, 2:])
    inside = within[..., 0] & within[..., 1]
    rows, columns = linear_sum_assignment(inside.astype(np.float64), maximize=True)
    paired = inside[rows, columns]
    free = np.delete(boxes, rows[paired], axis=0)
    excused = lies_on(free, no_boxes() if ignore is None else ignore)
    tp = int(paired.sum())
    return MatchCounts.of(tp, int(np.sum(~excused)), len(centroids) - tp)


#: Mean false alarms per image at which the sensitivity of a FROC curve is read off.
FROC_FALSE_ALARMS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)


def froc_sensitivity(matches: ClassMatches) -> Array:
    """Highest sensitivity at no more than each of `FROC_FALSE_ALARMS` per image, IoU 0.5.

    Shape (6,), 0 to 1; NaN without true cells.
    """
    if matches.n_truth == 0:
        return np.full(len(FROC_FALSE_ALARMS), np.nan)
    # Both rise as the threshold falls, so the last point within the limit has the highest recall.
    confidence, tp, fp = _cumulative(matches, 0)
    last = _group_ends(confidence)
    false_alarms, recall = fp[last] / len(matches.truths), tp[last] / matches.n_truth
    within = np.searchsorted(false_alarms, FROC_FALSE_ALARMS, side="right")
    return np.asarray(np.concatenate([[0.0], recall])[within])


@dataclass(frozen=True)
class Calibration:
    """Whether a share c of the predictions with confidence c is correct, at IoU 0.5.

    Attributes:
        ece: Expected calibration error, 0 to 1: the mean gap, weighted by predictions.
        bins: Equal bins of confidence: bin_lower, bin_upper, avg_confidence, avg_accuracy, count.
    """

    ece: float
    bins: tuple[dict[str, Any], ...]


def calibration(matches: ClassMatches, bins: int = 10) -> Calibration:
    """Calibration of the precision of one class; ignored predictions are left out."""
    used = ~matches.ignored[0]
    confidence, correct = matches.confidence[used], matches.correct[0][used]
    return Calibration(
        calibration_error(matches, bins),
        tuple(coco.calibration_curve(confidence, correct, bins)),
    )


def calibration_error(matches: ClassMatches, bins: int = 10) -> float:
    """Expected calibration error alone, 0 to 1 (see `Calibration`)."""
    used = ~matches.ignored[0]
    error, *_ = coco.calibration_error(matches.confidence[used], matches.correct[0][used], bins)
    return float(error)


def _group_ends(confidence: Array) -> IntArray:
    """Last index of each run of equal confidences: boxes of one pass a threshold together."""
    if len(confidence) == 0:
        return np.zeros(0, np.int64)
    return np.append(np.flatnonzero(confidence[1:] != confidence[:-1]), len(confidence) - 1)


def _cumulative(matches: ClassMatches, iou_index: int) -> tuple[Array, Array, Array]:
    """Confidence of all predictions that count, with cumulative true and false positives."""
    used = ~matches.ignored[iou_index]
    correct = matches.correct[iou_index][used]
    tp = np.cumsum(correct, dtype=np.float64)
    return matches.confidence[used], tp, np.arange(1, len(tp) + 1) - tp
