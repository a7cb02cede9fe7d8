"""One evaluator for all models: from predictions to every score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from allcell.analysis import ImageDetector
from allcell.data.dataset import LabelledImage
from allcell.evaluation.confusion import confusion
from allcell.evaluation.evidence import Array, Evidence
from allcell.evaluation.matching import IOU_THRESHOLDS, MAX_DETECTIONS, ClassMatches
from allcell.evaluation.metrics import (
    FROC_FALSE_ALARMS,
    MatchCounts,
    calibration,
    counts_at,
    curve,
)
from allcell.evaluation.predictions import (
    CALIBRATION_FLOOR,
    FLOOR_CONFIDENCE,
    Predictions,
    Setting,
    predict,
)
from allcell.evaluation.results import ClassResult, CurvePoints, EvaluationResult, FieldResult
from allcell.models.registry import CLASSES, HEALTHY
from allcell.statistics import Proportion, percentile_interval, too_few_images

#: Bootstrap resamples.
RESAMPLES = 2000

#: Thresholds to choose from: multiples of 0.05, as a few images cannot tell finer ones apart.
_THRESHOLDS = np.arange(2, 19) / 20

#: A threshold whose mean F1 is within this of the best counts as equally good.
_AS_GOOD = 0.005

_RULES = (
    "COCO's greedy matching for each class by itself; a blast called on a smudge is a false alarm; "
    "cells cut by the edge or unknown are COCO's crowds and count neither way. precision and "
    "recall of a class: YOLOv5's, at best_f1_confidence (smudge: at its own best F1). AP, curves, "
    "P and R as YOLOv5 validates: a box counts for each class it reaches. at_operating_point, "
    "white_cells, centroids, confusion and the image level: what a user sees at "
    "operating_confidence, where one cell has one class. Means over classes are over blast and "
    "healthy. white_cells: blast and healthy as one class. Image level: at least one blast at "
    "operating_confidence. froc: highest sensitivity by mean false alarms an image, IoU 0.5. "
    "calibration: precision at IoU 0.5 against confidence, from calibration_floor on. "
    "suggested_confidence: the lowest whole twentieth whose mean F1 of blast and healthy, as a "
    "user sees them, is within 0.005 of the best."
)

_AS_SHOWN = (
    "ap50_as_shown, ap50_95_as_shown and their means: AP of what a user sees, where one cell has "
    "one class, over the boxes from calibration_floor on, whatever operating_confidence is."
)


def evaluate(
    detector: ImageDetector,
    images: Sequence[LabelledImage],
    setting: Setting,
    *,
    classes: Sequence[str] = CLASSES,
    on_image: Callable[[int, int], None] | None = None,
) -> EvaluationResult:
    """Run a detector over labelled images and score it: `predict`, then `score`."""
    return score(predict(detector, images, setting, classes=classes, on_image=on_image))


def score(
    predictions: Predictions,
    *,
    confidence: float | None = None,
    replicates: dict[str, Array] | None = None,
) -> EvaluationResult:
    """Score one model's predictions.

    Args:
        predictions: Of one model on one split.
        confidence: Operating threshold, 0 to 1; that of the predictions if None.
        replicates: `Evidence.replicates` of the same, if already computed; they take a while.
    """
    evidence = Evidence.of(predictions, confidence)
    measured = evidence.measure()
    replicates = evidence.replicates(RESAMPLES) if replicates is None else replicates
    setting = predictions.setting
    few = too_few_images(evidence.n_images)
    results = {
        name: _class_result(evidence, class_id, measured) for class_id, name in enumerate(CLASSES)
    }
    suggested, present = evidence.blast_suggested, evidence.blast_present
    false_blast = evidence.false_blast
    errors = confusion(evidence.shown)
    tp, fp, fn = evidence.centroids.sum(axis=0).tolist()
    return EvaluationResult(
        model=setting.model,
        model_sha256=setting.model_sha256,
        data=setting.data,
        data_sha256=predictions.data_sha256,
        split=setting.split,
        images=evidence.n_images,
        date=predictions.date,
        device=setting.device,
        versions=predictions.versions,
        settings={
            "operating_confidence": evidence.confidence,
            "floor_confidence": FLOOR_CONFIDENCE,
            "calibration_floor": CALIBRATION_FLOOR,
            "suppression_iou": setting.iou,
            "iou_thresholds": list(IOU_THRESHOLDS),
            "recall_points": 101,
            "max_detections": MAX_DETECTIONS,
            "interval": "proportions of images: Clopper-Pearson, 95 %",
            "bootstrap": f"none: {few}"
            if few
            else f"{RESAMPLES} resamples of the images, seed 0, percentile, 95 %",
            "rules": _RULES,
            "rule_as_shown": _AS_SHOWN,
        },
        classes=results,
        intervals={
            name: None if few else percentile_interval(values)
            for name, values in replicates.items()
        },
        map50=_known(measured["map50"]),
        map50_95=_known(measured["map50_95"]),
        map50_as_shown=_known(measured["map50_as_shown"]),
        map50_95_as_shown=_known(measured["map50_95_as_shown"]),
        best_f1_confidence=evidence.best_f1().confidence,
        suggested_confidence=suggest_confidence(evidence),
        white_cells=counts_at(evidence.white_cells, evidence.confidence),
        healthy_with_blasts=_healthy_with_blasts(evidence),
        centroids=MatchCounts.of(tp, fp, fn) if evidence.with_centroids.any() else None,
        sensitivity=Proportion.of(int(np.sum(suggested & present)), int(present.sum())),
        specificity=Proportion.of(int(np.sum(~suggested & ~present)), int(np.sum(~present))),
        false_blasts_per_field=measured["false_blasts_per_field"],
        fields_with_false_blast=Proportion.of(int(false_blast.sum()), evidence.n_images),
        confusion=errors.matrix.tolist(),
        mistakes=errors.mistakes,
        fields=tuple(
            FieldResult(item.name, bool(p), bool(s), bool(f))
            for item, p, s, f in zip(
                predictions.images, present, suggested, false_blast, strict=True
            )
        ),
        median_ms=median(item.total_ms for item in predictions.images),
    )


def suggest_confidence(evidence: Evidence) -> float:
    """The operating threshold to choose from these images, 0.1 to 0.9.

    The lowest multiple of 0.05 whose F1, averaged over blast and healthy, is within 0.005 of the
    best: of equally good thresholds, the one that misses the fewest cells. Only classes that the
    model has count.
    """
    classes = evidence.paper_classes or evidence.known
    f1 = np.array(
        [
            np.mean([_f1(counts_at(evidence.user_matches[i], float(t))) for i in classes])
            for t in _THRESHOLDS
        ]
    )
    return float(_THRESHOLDS[np.flatnonzero(f1 >= f1.max() - _AS_GOOD)[0]])


def _f1(counts: MatchCounts) -> float:
    total = 2 * counts.tp + counts.fp + counts.fn
    return 2 * counts.tp / total if total else 1.0


def _class_result(evidence: Evidence, class_id: int, measured: dict[str, float]) -> ClassResult:
    name = CLASSES[class_id]
    matches: ClassMatches = evidence.matches[class_id]
    user = evidence.user_matches[class_id]
    points = curve(matches)
    froc = [measured[f"{name}.sensitivity_at_{a:g}_false_alarms"] for a in FROC_FALSE_ALARMS]
    return ClassResult(
        cells=matches.n_truth,
        ap50=_known(measured[f"{name}.ap50"]),
        ap50_95=_known(measured[f"{name}.ap50_95"]),
        ap50_as_shown=_known(measured[f"{name}.ap50_as_shown"]),
        ap50_95_as_shown=_known(measured[f"{name}.ap50_95_as_shown"]),
        precision=_known(measured[f"{name}.precision"]),
        recall=_known(measured[f"{name}.recall"]),
        at_operating_point=counts_at(user, evidence.confidence),
        curve=CurvePoints(
            points.confidence.tolist(),
            points.precision.tolist(),
            points.recall.tolist(),
            points.false_alarms_per_image.tolist(),
        ),
        froc={
            f"{allowed:g}": _known(float(value))
            for allowed, value in zip(FROC_FALSE_ALARMS, froc, strict=True)
        },
        calibration=calibration(user) if len(user.confidence) else None,
    )


def _healthy_with_blasts(evidence: Evidence) -> Proportion:
    if HEALTHY not in evidence.known:
        return Proportion.of(0, 0)
    healthy = evidence.user_matches[HEALTHY]
    found = healthy.counted_at(evidence.confidence) & healthy.correct[0]
    k = int(np.sum(found & evidence.blast_present[healthy.image]))
    return Proportion.of(k, int(healthy.truths[evidence.blast_present].sum()))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
