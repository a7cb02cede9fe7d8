"""One evaluator for all models: from predictions to every score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from allcell.analysis.finding import ImageDetector
from allcell.data.dataset import LabelledImage
from allcell.evaluation.confusion import confusion
from allcell.evaluation.evidence import Array, Evidence
from allcell.evaluation.matching import IOU_THRESHOLDS, MAX_DETECTIONS, no_boxes
from allcell.evaluation.metrics import (
    FROC_FALSE_ALARMS,
    MatchCounts,
    average_precision,
    best_f1,
    calibration,
    counts_at,
    curve,
    froc_sensitivity,
)
from allcell.evaluation.predictions import (
    CALIBRATION_FLOOR,
    FLOOR_CONFIDENCE,
    Predictions,
    Setting,
    predict,
)
from allcell.evaluation.results import (
    ClassResult,
    CurvePoints,
    EvaluationResult,
    FieldResult,
    IgnoredCells,
)
from allcell.evaluation.spread import Spread
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
    "froc_as_shown, reach_as_shown: the same of what a user sees, from calibration_floor on. "
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
    shared = evidence.best_f1().confidence
    results = {
        name: _class_result(evidence, class_id, measured, shared)
        for class_id, name in enumerate(CLASSES)
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
        best_f1_confidence=shared,
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
        ignored=_ignored(predictions, evidence.confidence),
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
    f1 = np.array([mean_f1(evidence, float(threshold)) for threshold in _THRESHOLDS])
    return float(_THRESHOLDS[np.flatnonzero(f1 >= f1.max() - _AS_GOOD)[0]])


def mean_f1(evidence: Evidence, confidence: float) -> float:
    """Mean F1 of blast and healthy as a user sees them, 0 to 1; 1 for a class that is not there.

    Only classes that the model has count; all of them, where it has neither of the two.

    Args:
        evidence: Of one model.
        confidence: Threshold, 0 to 1.
    """
    classes = evidence.paper_classes or evidence.known
    counts = [counts_at(evidence.user_matches[i], confidence) for i in classes]
    return float(np.mean([_f1(of_class) for of_class in counts]))


def _f1(counts: MatchCounts) -> float:
    total = 2 * counts.tp + counts.fp + counts.fn
    return 2 * counts.tp / total if total else 1.0


def _class_result(
    evidence: Evidence, class_id: int, measured: dict[str, float], shared: float
) -> ClassResult:
    """The scores of a class; `shared` is the confidence of the paper's classes' best F1."""
    name = CLASSES[class_id]
    matches = evidence.matches[class_id]
    user = evidence.user_matches[class_id]
    points = curve(matches)
    best = shared if class_id in evidence.paper_classes else best_f1([matches]).confidence
    # From one confidence up, so that it does not depend on the operating threshold.
    as_shown = user.at_least(CALIBRATION_FLOOR)
    has_class = class_id in evidence.known
    return ClassResult(
        cells=matches.n_truth,
        ap50=_known(measured[f"{name}.ap50"]),
        ap50_95=_known(measured[f"{name}.ap50_95"]),
        ap50_as_shown=_known(measured[f"{name}.ap50_as_shown"]),
        ap50_95_as_shown=_known(measured[f"{name}.ap50_95_as_shown"]),
        precision=_known(measured[f"{name}.precision"]),
        recall=_known(measured[f"{name}.recall"]),
        at_best_f1=counts_at(matches, best),
        at_operating_point=counts_at(user, evidence.confidence),
        spread=Spread.of(matches.truths.tolist()),
        curve=CurvePoints(
            points.confidence.tolist(),
            points.precision.tolist(),
            points.recall.tolist(),
            points.false_alarms_per_image.tolist(),
        ),
        froc=_froc(froc_sensitivity(matches), has_class),
        froc_as_shown=_froc(froc_sensitivity(as_shown), has_class),
        reach_as_shown=counts_at(as_shown, CALIBRATION_FLOOR).recall if has_class else None,
        calibration=calibration(user) if len(user.confidence) else None,
    )


def _froc(sensitivity: Array, has_class: bool) -> dict[str, float | None]:
    rates = zip(FROC_FALSE_ALARMS, sensitivity.tolist(), strict=True)
    return {f"{allowed:g}": _known(value) if has_class else None for allowed, value in rates}


def _ignored(predictions: Predictions, confidence: float) -> IgnoredCells:
    """The scores if a box on a cell that counts neither way were a false alarm."""
    counted = replace(
        predictions, images=tuple(replace(i, ignore=no_boxes()) for i in predictions.images)
    )
    evidence = Evidence.of(counted, confidence)
    scores = {
        CLASSES[i]: {
            "ap50_as_shown": evidence.user_matches[i].at_least(CALIBRATION_FLOOR),
            "ap50": evidence.matches[i],
        }
        for i in evidence.paper_classes
    }
    return IgnoredCells(
        sum(len(item.ignore) for item in predictions.images),
        {
            name: {key: _known(float(average_precision(m)[0])) for key, m in of_class.items()}
            for name, of_class in scores.items()
        },
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
