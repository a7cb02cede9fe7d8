"""Which cell was taken for what, and how detections go wrong. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from allcell.boxes import iou
from allcell.detections import IntArray
from allcell.evaluation.matching import ScoredImage, lies_on
from allcell.models.registry import CLASSES

#: A box with this IoU with a cell has found it.
FOUND_IOU = 0.5

#: A box with less than that, but at least this IoU, is off centre.
NEAR_IOU = 0.1


@dataclass(frozen=True)
class Mistake:
    """One error: a cell that was missed or given the wrong class, or a box on no such cell.

    Attributes:
        image: Index of the image.
        truth: Class name of the cell; None if there is no cell.
        called: Class name of the box; None if there is no box.
        confidence: Of the box, 0 to 1; None if there is no box.
        kind: missed | wrong class | off centre | doubled | background.
    """

    image: int
    truth: str | None
    called: str | None
    confidence: float | None
    kind: str


#: How a detection goes wrong, with what that means.
KINDS = {
    "missed": "no box on the cell",
    "wrong class": "a box on the cell, of another class",
    "off centre": f"a box beside the cell, IoU {NEAR_IOU:g} to {FOUND_IOU:g}",
    "doubled": "a second box on a cell",
    "background": "a box on no cell",
}


def by_kind(mistakes: Sequence[Mistake]) -> dict[str, int]:
    """How many mistakes there are of each of `KINDS`.

    A cell that is missed because the box is off centre, and that box, are two mistakes, but one
    error: the larger of both numbers counts.

    Args:
        mistakes: From `Confusion`.
    """
    cells = Counter(m.kind for m in mistakes if m.truth is not None)
    boxes = Counter(m.kind for m in mistakes if m.truth is None)
    return {kind: max(cells[kind], boxes[kind]) for kind in KINDS}


@dataclass(frozen=True, eq=False)
class Confusion:
    """The confusion matrix and its errors.

    Attributes:
        matrix: Shape (C + 1, C + 1), true classes in rows, predicted ones in columns; the last row
            is background (a box on no cell), as is the last column (a cell without a box).
        mistakes: Everything off the diagonal, one by one.
    """

    matrix: IntArray
    mistakes: tuple[Mistake, ...]


def confusion(images: Sequence[ScoredImage]) -> Confusion:
    """Match boxes and cells whatever their class, to tell which class was taken for which.

    In each image the assignment of greatest total IoU is taken among pairs of IoU >= `FOUND_IOU`,
    with pairs of the same class preferred. Unmatched boxes that have half of their own area or more
    on an ignored cell count neither way.

    Args:
        images: Predictions at the operating threshold, one class per cell.
    """
    n = len(CLASSES)
    matrix = np.zeros((n + 1, n + 1), np.int64)
    mistakes: list[Mistake] = []
    for index, item in enumerate(images):
        boxes, cells = item.predictions, item.truth
        overlap = iou(boxes.xyxy, cells.xyxy)
        same = boxes.class_id[:, None] == cells.class_id[None, :]
        gain = np.where(overlap >= FOUND_IOU, overlap + 2.0 * same, 0.0)
        rows, columns = linear_sum_assignment(gain, maximize=True)
        paired = gain[rows, columns] > 0
        rows, columns = rows[paired], columns[paired]
        for box, cell in zip(rows, columns, strict=True):
            truth, call = int(cells.class_id[cell]), int(boxes.class_id[box])
            matrix[truth, call] += 1
            if truth != call:
                score = float(boxes.confidence[box])
                mistakes.append(Mistake(index, CLASSES[truth], CLASSES[call], score, "wrong class"))
        free = np.setdiff1d(np.arange(len(boxes)), rows)
        for cell in np.setdiff1d(np.arange(len(cells)), columns):
            truth = int(cells.class_id[cell])
            matrix[truth, n] += 1
            near = len(free) > 0 and overlap[free, cell].max() >= NEAR_IOU
            kind = "off centre" if near else "missed"
            mistakes.append(Mistake(index, CLASSES[truth], None, None, kind))
        for box in free[~lies_on(boxes.xyxy[free], item.ignore)]:
            call = int(boxes.class_id[box])
            matrix[n, call] += 1
            best = float(overlap[box].max()) if len(cells) else 0.0
            kind = "doubled" if best >= FOUND_IOU else "background"
            if NEAR_IOU <= best < FOUND_IOU:
                kind = "off centre"
            score = float(boxes.confidence[box])
            mistakes.append(Mistake(index, None, CLASSES[call], score, kind))
    return Confusion(matrix, tuple(mistakes))
