"""What an evaluation yields, and its JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from allcell.evaluation.metrics import Counts
from allcell.statistics import Proportion


@dataclass(frozen=True)
class CurvePoints:
    """A `metrics.Curve` at IoU 0.5 as plain numbers."""

    confidence: list[float]
    precision: list[float]
    recall: list[float]
    false_alarms_per_image: list[float]


@dataclass(frozen=True)
class ClassResult:
    """How well one class was found; None where there is no true cell of it.

    Attributes:
        cells: True cells.
        ap50: COCO's AP at IoU 0.5, 0 to 1.
        ap50_95: COCO's AP, mean over IoU 0.50, 0.55 ... 0.95.
        precision: YOLOv5's P, at the result's `best_f1_confidence`; smudge: at its own.
        recall: YOLOv5's R, likewise.
        at_operating_point: Counts at the model's operating threshold, IoU 0.5.
        curve: Precision, recall and FROC.
    """

    cells: int
    ap50: float | None
    ap50_95: float | None
    precision: float | None
    recall: float | None
    at_operating_point: Counts
    curve: CurvePoints


@dataclass(frozen=True)
class EvaluationResult:
    """All that is known of one model on one split.

    Attributes:
        model: Its name.
        model_sha256: Of its weights.
        data: Name of the data set.
        data_sha256: Of all images and labels.
        split: Which part of it.
        images: How many.
        date: UTC, ISO 8601.
        device: What it ran on.
        versions: Of the packages involved.
        settings: Thresholds, limits and rules.
        classes: By class name.
        map50: Mean AP at IoU 0.5 over blast and healthy, as far as there are any.
        map50_95: Likewise over IoU 0.50 to 0.95.
        best_f1_confidence: See `metrics.best_f1`, over blast and healthy.
        white_cells: Blast and healthy as one class, at the operating threshold: is the cell found?
        centroids: Expert blast centroids in predicted blast boxes (fp: boxes without one), over the
            images that experts went through, finding blasts or none; None if there is no such.
        sensitivity: Images with a blast in which one was suggested.
        specificity: Images without a blast in which none was.
        false_blasts_per_field: Mean over all images, at the operating threshold.
        fields_with_false_blast: Images with at least one.
        median_ms: Median time from image to boxes, decoding of the file excluded.
    """

    model: str
    model_sha256: str
    data: str
    data_sha256: str
    split: str
    images: int
    date: str
    device: str
    versions: dict[str, str]
    settings: dict[str, Any]
    classes: dict[str, ClassResult]
    map50: float | None
    map50_95: float | None
    best_f1_confidence: float
    white_cells: Counts
    centroids: Counts | None
    sensitivity: Proportion
    specificity: Proportion
    false_blasts_per_field: float
    fields_with_false_blast: Proportion
    median_ms: float

    def to_json(self) -> str:
        """The whole result as JSON, numbers to six decimals so that files compare."""
        return json.dumps(_rounded(asdict(self)), indent=1, allow_nan=False)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
