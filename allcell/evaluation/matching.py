"""Which prediction found which true cell: COCO's greedy matching, run by hotcoco.

The rules, for each class separately (a blast predicted on a smudge is a false alarm):

- Predictions are taken from the most confident down, at most `max_detections` per image and class.
- Each takes the unmatched true box of its class with the highest IoU, if that reaches the
  threshold.
- One that finds none but lies on an *ignored* box (a cell cut by the edge, or of unknown class) by
  intersection over its own area >= the threshold counts neither way. That is COCO's `iscrowd`; IoU
  never exceeds this ratio, so a box matched by IoU is covered too.
- Every other prediction is a false alarm, including a second box on a found cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from hotcoco import COCO, COCOeval

from allcell.boxes import area, intersection
from allcell.detections import BoolArray, Detections, FloatArray, IntArray
from allcell.models.registry import CLASSES

#: IoU 0.50, 0.55 ... 0.95: computed as COCO does, since 0.9 differs in its last bit.
IOU_THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())

#: COCO's maxDets, per image and class. COCO's own default of 100 is too few for a dense field.
MAX_DETECTIONS = 300


def no_boxes() -> FloatArray:
    """An empty (0, 4) array."""
    return np.zeros((0, 4), np.float32)


def lies_on(boxes: FloatArray, ignore: FloatArray) -> BoolArray:
    """Which boxes (N, 4) have half of their area or more on an ignored one (K, 4): shape (N,)."""
    covered = intersection(boxes, ignore) >= 0.5 * area(boxes)[:, None]
    return np.asarray(covered.any(axis=1), bool)


@dataclass(frozen=True, eq=False)
class ScoredImage:
    """A model's predictions on one image, and the ground truth.

    Attributes:
        predictions: All classes, down to the lowest confidence that enters the curves.
        truth: Every cell of known class.
        ignore: Boxes (K, 4) in source pixels of cells that count neither way.
    """

    predictions: Detections
    truth: Detections
    ignore: FloatArray = field(default_factory=no_boxes)


@dataclass(frozen=True, eq=False)
class ClassMatches:
    """The outcome of every prediction of one class, from the most confident down.

    Attributes:
        confidence: Shape (N,), descending, 0 to 1.
        image: Shape (N,): index of the image.
        correct: Shape (T, N): found a true cell, at each IoU threshold.
        ignored: Shape (T, N): counts neither way.
        truths: Shape (I,): true cells of the class in each image.
    """

    confidence: npt.NDArray[np.float64]
    image: IntArray
    correct: BoolArray
    ignored: BoolArray
    truths: IntArray

    @cached_property
    def n_truth(self) -> int:
        """True cells of the class in all images."""
        return int(self.truths.sum())

    def counted_at(self, confidence: float, iou_index: int = 0) -> BoolArray:
        """Shape (N,): which predictions have at least this confidence and are not ignored.

        Compared in 32 bits, as in `Detections.at_least`: a box at 0.7 is both shown and counted at
        the threshold 0.7.
        """
        sure = self.confidence >= np.float32(confidence)
        return np.asarray(sure & ~self.ignored[iou_index], bool)

    def at_least(self, confidence: float) -> ClassMatches:
        """The same without predictions below a confidence, which change no match above it."""
        # Compared as in `counted_at`.
        rows = self.confidence >= np.float32(confidence)
        return ClassMatches(
            self.confidence[rows],
            self.image[rows],
            self.correct[:, rows],
            self.ignored[:, rows],
            self.truths,
        )

    def resample(self, times: IntArray) -> ClassMatches:
        """The same with image i counted `times[i]` times (shape (I,)), as in a bootstrap.

        The images keep their indices and their number I, so rates per image hold only if
        `times.sum() == I`.
        """
        rows = np.repeat(np.arange(len(self.image)), times[self.image])
        return ClassMatches(
            self.confidence[rows],
            self.image[rows],
            self.correct[:, rows],
            self.ignored[:, rows],
            self.truths * times,
        )


def match(
    images: Sequence[ScoredImage],
    n_classes: int = len(CLASSES),
    *,
    iou_thresholds: Sequence[float] = IOU_THRESHOLDS,
    max_detections: int = MAX_DETECTIONS,
) -> tuple[ClassMatches, ...]:
    """Match predictions to true cells, by the rules at the top of this file.

    Args:
        images: Predictions and truth.
        n_classes: Classes are 0 to n_classes - 1.
        iou_thresholds: T thresholds, 0 to 1.
        max_detections: Predictions kept for each image and class, best first.

    Returns:
        One `ClassMatches` for each class.

    Raises:
        ValueError: If a class is not in range.
    """
    for item in images:
        for boxes in (item.predictions, item.truth):
            if len(boxes) and not 0 <= boxes.class_id.min() <= boxes.class_id.max() < n_classes:
                raise ValueError(
                    f"class_id: expected 0 to {n_classes - 1}, got {np.unique(boxes.class_id)}"
                )
    evaluator = _coco_evaluator(images, n_classes)
    evaluator.params.iou_thrs = list(iou_thresholds)
    evaluator.params.max_dets = [max_detections]
    evaluator.params.area_rng = [[0, 1e10]]
    evaluator.params.area_rng_lbl = ["all"]
    evaluator.evaluate()
    results = [result for result in evaluator.eval_imgs if result is not None]

    matches = []
    for class_id in range(n_classes):
        mine = [result for result in results if result["category_id"] == class_id + 1]
        shape = (len(iou_thresholds), -1)
        confidence = [np.asarray(result["dtScores"], np.float64) for result in mine]
        owner = [np.full(len(c), r["image_id"] - 1) for c, r in zip(confidence, mine, strict=True)]
        # COCO numbers true boxes from 1; 0 stands for "found none".
        hit = [np.asarray(result["dtMatches"], np.int64).reshape(shape) > 0 for result in mine]
        ignored = [np.asarray(result["dtIgnore"], bool).reshape(shape) for result in mine]
        scores = np.concatenate([np.zeros(0), *confidence])
        order = np.argsort(-scores, kind="stable")
        none = np.zeros((len(iou_thresholds), 0), bool)
        all_ignored = np.concatenate([none, *ignored], axis=1)[:, order]
        all_hit = np.concatenate([none, *hit], axis=1)[:, order]
        matches.append(
            ClassMatches(
                scores[order],
                np.concatenate([np.zeros(0, np.int64), *owner])[order],
                all_hit & ~all_ignored,
                all_ignored,
                np.array([np.sum(i.truth.class_id == class_id) for i in images], np.int64),
            )
        )
    return tuple(matches)


def _coco_evaluator(images: Sequence[ScoredImage], n_classes: int) -> COCOeval:
    """The images as COCO data sets; COCO's ids are ours plus 1."""
    boxes, owners, classes, crowd, rows = [no_boxes()], [], [], [], [np.zeros((0, 7))]
    for image_id, item in enumerate(images, start=1):
        # COCO ignores a cell for one class only, we ignore it whatever it is called.
        boxes += [item.truth.xyxy, np.tile(item.ignore, (n_classes, 1))]
        ignored_as = np.repeat(np.arange(n_classes), len(item.ignore))
        classes += [item.truth.class_id + 1, ignored_as + 1]
        crowd += [np.zeros(len(item.truth), bool), np.ones(len(ignored_as), bool)]
        owners.append(np.full(len(item.truth) + len(ignored_as), image_id))
        found = item.predictions
        rows.append(
            np.column_stack(
                [
                    np.full(len(found), image_id),
                    _xywh(found.xyxy),
                    found.confidence,
                    found.class_id + 1,
                ]
            )
        )
    truth = COCO.from_arrays(
        [{"id": i, "width": 0, "height": 0} for i in range(1, len(images) + 1)],
        [{"id": c, "name": str(c)} for c in range(1, n_classes + 1)],
        np.concatenate([np.zeros(0, np.int64), *owners]),
        np.concatenate([np.zeros(0, np.int64), *classes]),
        _xywh(np.concatenate(boxes)),
        iscrowd=np.concatenate([np.zeros(0, bool), *crowd]),
    )
    return COCOeval(truth, truth.load_res(np.concatenate(rows)), "bbox")


def _xywh(xyxy: FloatArray) -> npt.NDArray[np.float64]:
    """Corners (N, 4) as COCO's left, top, width, height."""
    corners = xyxy.astype(np.float64)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
