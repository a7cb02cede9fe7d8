"""The outcome of each box and each cell of one class in one image, for display."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allcell.boxes import iou
from allcell.detections import Detections, FloatArray
from allcell.evaluation.confusion import FOUND_IOU
from allcell.evaluation.matching import ScoredImage, match


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One class in one image, at one threshold; boxes that count neither way are left out.

    Attributes:
        found: Boxes on a cell of the class, best first.
        false_alarms: Boxes on none, including second boxes on a found cell, best first.
        missed: True cells (K, 4) without a box, in source pixels.
        missed_confidence: Shape (K,): highest confidence of the boxes on each that the threshold
            hides; 0 if there are none.
    """

    found: Detections
    false_alarms: Detections
    missed: FloatArray
    missed_confidence: FloatArray


def outcomes(seen: ScoredImage, class_id: int, confidence: float) -> Outcomes:
    """Sort boxes and cells into found, false alarms and missed by the rules of `matching`, IoU 0.5.

    Args:
        seen: One of `Evidence.seen`.
        class_id: The class.
        confidence: Threshold, 0 to 1.
    """
    every = seen.predictions.of(class_id)
    cells = seen.truth.of(class_id).xyxy
    boxes = every.at_least(confidence)
    boxes = boxes[np.argsort(-boxes.confidence, kind="stable")]
    only = ScoredImage(boxes, seen.truth.of(class_id), seen.ignore)
    fate = match([only], iou_thresholds=(FOUND_IOU,))[class_id]
    # Matching drops boxes beyond `MAX_DETECTIONS`.
    boxes = boxes[: len(fate.confidence)]
    hit, excused = fate.correct[0], fate.ignored[0]
    free = np.ones(len(cells), bool)
    overlap = iou(boxes.xyxy, cells)
    for row in np.flatnonzero(hit):
        free[np.argmax(np.where(free, overlap[row], -1.0))] = False
    hidden = every[every.confidence < confidence]
    near = iou(hidden.xyxy, cells[free]) >= FOUND_IOU
    surest = np.where(near, hidden.confidence[:, None], 0.0).max(axis=0, initial=0.0)
    return Outcomes(boxes[hit], boxes[~hit & ~excused], cells[free], np.asarray(surest, np.float32))
