"""One evaluator for all models: run a detector over labelled images and score it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Protocol

import numpy as np
import numpy.typing as npt

from allcell.boxes import suppress
from allcell.data.dataset import LabelledImage
from allcell.detections import Detections
from allcell.errors import DataError, ModelError
from allcell.evaluation.matching import (
    IOU_THRESHOLDS,
    MAX_DETECTIONS,
    ClassMatches,
    ScoredImage,
    match,
)
from allcell.evaluation.metrics import (
    Counts,
    average_precision,
    best_f1,
    centroid_recall,
    counts_at,
    curve,
)
from allcell.evaluation.results import ClassResult, CurvePoints, EvaluationResult
from allcell.images import decode
from allcell.models.registry import BLAST, CLASSES, HEALTHY, SMUDGE
from allcell.scale import resolve_scale
from allcell.statistics import Proportion

#: The curves need the unsure predictions too: YOLOv5 validates from here on.
FLOOR_CONFIDENCE = 0.001

#: The paper's two classes: means over classes are over these; smudge is reported by itself.
PAPER_CLASSES = (BLAST, HEALTHY)

_RULES = (
    "COCO's greedy matching for each class by itself; a blast called on a smudge is a false alarm; "
    "cells cut by the edge or unknown are COCO's crowds and count neither way. precision and "
    "recall of a class: YOLOv5's, at best_f1_confidence (smudge: at its own best F1). AP, curves, "
    "P and R as YOLOv5 validates: a box counts for each class it reaches. at_operating_point, "
    "white_cells, centroids and the image level: what a user sees at operating_confidence, where "
    "one cell has one class. Means over classes are over blast and healthy. "
    "white_cells: blast and healthy as one class. "
    "Image level: at least one blast at operating_confidence."
)
_PACKAGES = ("allcell", "hotcoco", "numpy", "onnxruntime", "torch", "ultralytics")


class TotalTime(Protocol):
    """What a detector says of the time it took."""

    @property
    def total_ms(self) -> float:
        """From the decoded image to boxes, in milliseconds."""
        ...


class ImageDetector(Protocol):
    """What `allcell.detector.Detector` and the stubs of tests have in common."""

    def detect(
        self,
        image: npt.NDArray[np.uint8],
        *,
        red_cell_px: float | None = None,
        confidence: float | None = None,
        iou: float | None = None,
        every_class: bool = False,
    ) -> tuple[Detections, TotalTime]:
        """Boxes in an RGB image (H, W, 3), down to a confidence (see `allcell.detector`)."""
        ...


def evaluate(
    detector: ImageDetector,
    images: Sequence[LabelledImage],
    *,
    model: str,
    model_sha256: str,
    device: str,
    data: str,
    split: str,
    confidence: float,
    iou: float,
    classes: Sequence[str] = CLASSES,
) -> EvaluationResult:
    """Run a detector over labelled images, at their own estimated scale, and score it.

    Args:
        detector: What is evaluated.
        images: From `dataset.read_yolo`.
        model: Its name.
        model_sha256: Of its weights.
        device: What it runs on, as a person reads it.
        data: Name of the data set.
        split: Which part of it.
        confidence: Operating threshold, 0 to 1, chosen on other images.
        iou: Overlap, 0 to 1, above which two boxes are one cell.
        classes: Class names in the order of the detector's class ids.

    Raises:
        DataError: If there is no image.
        ModelError: If the detector's classes are not those of allcell.
        ImageError: If an image cannot be read.
    """
    if not images:
        raise DataError("There is no image to evaluate on.", "Check --data and --split.")
    if not set(classes) <= set(CLASSES):
        raise ModelError(
            f"The model's classes are {', '.join(classes)}.",
            f"Only models that tell {', '.join(CLASSES)} can be evaluated.",
        )
    our_class = np.array([CLASSES.index(name) for name in classes])
    scored, shown, times_ms = [], [], []
    for item in images:
        image = decode(item.path)
        raw, timing = detector.detect(
            image,
            red_cell_px=resolve_scale(image).red_cell_px,
            confidence=FLOOR_CONFIDENCE,
            iou=iou,
            every_class=True,
        )
        found = Detections(raw.xyxy, raw.confidence, our_class[raw.class_id])
        scored.append(ScoredImage(found, item.truth, item.ignore))
        # What a user sees at the operating threshold: one cell has one class.
        product = suppress(found.at_least(confidence), iou)
        shown.append(ScoredImage(product, item.truth, item.ignore))
        times_ms.append(timing.total_ms)

    matches, shown_matches = match(scored), match(shown)
    paper = best_f1([matches[class_id] for class_id in PAPER_CLASSES])
    alone = best_f1([matches[SMUDGE]])
    precision = (*paper.precision, *alone.precision)
    recall = (*paper.recall, *alone.recall)
    results = {
        name: _class_result(matches[i], counts_at(shown_matches[i], confidence), p, r)
        for i, (name, p, r) in enumerate(zip(CLASSES, precision, recall, strict=True))
    }

    blasts = shown_matches[BLAST]
    counted = ~blasts.ignored[0]
    everywhere = range(len(images))
    suggested = np.isin(everywhere, blasts.image[counted])
    false_alarm = np.isin(everywhere, blasts.image[counted & ~blasts.correct[0]])
    present = np.array(
        [np.any(i.truth.class_id == BLAST) or bool(_n_centroids(i)) for i in images], bool
    )
    return EvaluationResult(
        model=model,
        model_sha256=model_sha256,
        data=data,
        data_sha256=data_sha256(images),
        split=split,
        images=len(images),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        device=device,
        versions=_versions(),
        settings={
            "operating_confidence": confidence,
            "floor_confidence": FLOOR_CONFIDENCE,
            "suppression_iou": iou,
            "iou_thresholds": list(IOU_THRESHOLDS),
            "recall_points": 101,
            "max_detections": MAX_DETECTIONS,
            "interval": "Clopper-Pearson, 95 %",
            "rules": _RULES,
        },
        classes=results,
        map50=_mean([results[CLASSES[i]].ap50 for i in PAPER_CLASSES]),
        map50_95=_mean([results[CLASSES[i]].ap50_95 for i in PAPER_CLASSES]),
        best_f1_confidence=paper.confidence,
        white_cells=counts_at(match([_as_one_class(item) for item in shown], 1)[0], confidence),
        centroids=_centroids(shown, images, confidence),
        sensitivity=Proportion.of(int(np.sum(suggested & present)), int(present.sum())),
        specificity=Proportion.of(int(np.sum(~suggested & ~present)), int(np.sum(~present))),
        false_blasts_per_field=results["blast"].at_operating_point.fp / len(images),
        fields_with_false_blast=Proportion.of(int(false_alarm.sum()), len(images)),
        median_ms=median(times_ms),
    )


def data_sha256(images: Sequence[LabelledImage]) -> str:
    """SHA-256 over the images' names, bytes and labels, in the given order."""
    digest = hashlib.sha256()
    for item in images:
        digest.update(item.path.name.encode())
        digest.update(hashlib.sha256(item.path.read_bytes()).digest())
        # Boxes to a tenth of a pixel: the last bits of a division are not data.
        for values in (item.truth.xyxy, item.ignore, item.centroids):
            rounded = None if values is None else np.round(values, 1).tolist()
            digest.update(json.dumps(rounded).encode())
        digest.update(json.dumps(item.truth.class_id.tolist()).encode())
    return digest.hexdigest()


def _class_result(
    matches: ClassMatches, at_operating_point: Counts, precision: float | None, recall: float | None
) -> ClassResult:
    ap = average_precision(matches)
    known = matches.n_truth > 0
    points = curve(matches)
    return ClassResult(
        cells=matches.n_truth,
        ap50=float(ap[0]) if known else None,
        ap50_95=float(ap.mean()) if known else None,
        precision=precision,
        recall=recall,
        at_operating_point=at_operating_point,
        curve=CurvePoints(
            points.confidence.tolist(),
            points.precision.tolist(),
            points.recall.tolist(),
            points.false_alarms_per_image.tolist(),
        ),
    )


def _as_one_class(item: ScoredImage) -> ScoredImage:
    """Blast and healthy as class 0, without smudges."""

    def merged(boxes: Detections) -> Detections:
        white = boxes[np.isin(boxes.class_id, PAPER_CLASSES)]
        return Detections(white.xyxy, white.confidence, np.zeros(len(white), np.int64))

    return ScoredImage(merged(item.predictions), merged(item.truth), item.ignore)


def _n_centroids(image: LabelledImage) -> int:
    return 0 if image.centroids is None else len(image.centroids)


def _centroids(
    scored: Sequence[ScoredImage], images: Sequence[LabelledImage], confidence: float
) -> Counts | None:
    counts = [
        centroid_recall(item.predictions, image.centroids, confidence, ignore=item.ignore)
        for item, image in zip(scored, images, strict=True)
        if image.centroids is not None
    ]
    if not counts:
        return None
    return Counts.of(
        sum(c.tp for c in counts), sum(c.fp for c in counts), sum(c.fn for c in counts)
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
