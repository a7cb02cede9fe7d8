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


#: Of stills, against the 32-bit graph. bfloat16 keeps 8 bits of a number: on golden fields its
#: scores are off by up to .021, and its boxes overlap by .98 and more.
STILLS = Tolerance(0.95, 0.03)
#: Of live video, whose boxes are gone with the next frame: what the 8-bit graphs are allowed.
LIVE = Tolerance(0.8, 0.25)


def difference(
    reference: Detections, found: Detections, threshold: float, tolerance: Tolerance
) -> str:
    """How two answers on one picture differ, in a few words; empty if they agree.

    Args:
        reference: Of the 32-bit graph, down to the threshold less the tolerance.
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
    overlaps = iou(cells.xyxy, others.xyxy)
    best = overlaps.argmax(axis=1)
    if (low := float(overlaps.max(axis=1).min())) < tolerance.iou:
        return f"is matched with an overlap of {low:.2f} only"
    apart = np.abs(cells.confidence - others.confidence[best])
    if (worst := float(apart.max())) > tolerance.score:
        return f"has a confidence that is {worst:.2f} off"
    # In live video the class of a weak cell may turn with its score.
    same = cells.class_id == others.class_id[best]
    if not same.all() and tolerance is not LIVE:
        return "is of another class"
    return ""
