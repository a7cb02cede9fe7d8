"""Whether two networks see the same cells, within a tolerance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allcell.boxes import iou
from allcell.detections import Detections


@dataclass(frozen=True)
class Tolerance:
    """How far the answers of two networks may lie apart and still be the same.

    Attributes:
        iou: Least overlap of two boxes of one cell (0 to 1).
        score: Greatest difference of their confidences (0 to 1).
    """

    iou: float
    score: float


#: Of stills, against the 32-bit graph. bfloat16 keeps 8 bits of a number: on golden fields scores
#: are off by up to .033, and boxes overlap by .94 and more, as of two candidates that are equally
#: good the other may be taken.
STILLS = Tolerance(0.9, 0.04)
#: Of live video, whose boxes are gone with the next frame: what the 8-bit graphs are allowed.
LIVE = Tolerance(0.8, 0.25)


def difference(
    reference: Detections, found: Detections, threshold: float, tolerance: Tolerance
) -> str:
    """How two answers on one picture differ, in a few words; empty if they agree.

    Each class is compared for itself: where two classes of a cell are as likely within the
    tolerance, either may be the likelier one.

    Args:
        reference: Of the 32-bit graph, down to the threshold less the tolerance, with a box for
            each class (see `every_class` of `allcell.detector.Detector.detect`).
        found: The same of the other network.
        threshold: Cells are compared that one of the two shows at this confidence. (In live video a
            cell that only `found` shows must be above it by the tolerance: reported are cells that
            are made up, not weak ones.)
        tolerance: How far they may lie apart.
    """
    sure = reference.at_least(threshold)
    if reason := _unmatched(sure, found, tolerance):
        return f"a cell of the 32-bit graph {reason}"
    shown = found.at_least(threshold + (tolerance.score if tolerance is LIVE else 0))
    if reason := _unmatched(shown, reference, tolerance):
        return f"a cell that the 32-bit graph has not: it {reason}"
    return ""


def _unmatched(cells: Detections, others: Detections, tolerance: Tolerance) -> str:
    if not len(cells):
        return ""
    if not len(others):
        return "is not found"
    same = cells.class_id[:, None] == others.class_id[None]
    overlaps = np.where(same, iou(cells.xyxy, others.xyxy), 0)
    best = overlaps.argmax(axis=1)
    if (low := float(overlaps.max(axis=1).min())) < tolerance.iou:
        return f"is matched with an overlap of {low:.2f} only"
    apart = np.abs(cells.confidence - others.confidence[best])
    if (worst := float(apart.max())) > tolerance.score:
        return f"has a confidence that is {worst:.2f} off"
    return ""
