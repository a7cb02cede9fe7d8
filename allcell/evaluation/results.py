"""The results of an evaluation, and their JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from allcell.evaluation.confusion import Mistake
from allcell.evaluation.metrics import Calibration, MatchCounts
from allcell.evaluation.spread import Spread
from allcell.statistics import Proportion

#: Labels that belong to other pictures meet a box by chance. Of a network and a laboratory that it
#: has never seen, a third of the boxes and half of the labels met in the worst case measured.
_HARDLY_ANY = 0.2
#: Lower and upper bound, 95 %.
Interval = tuple[float, float]


@dataclass(frozen=True)
class CurvePoints:
    """A `metrics.Curve` at IoU 0.5 as plain numbers."""

    confidence: list[float]
    precision: list[float]
    recall: list[float]
    false_alarms_per_image: list[float]


@dataclass(frozen=True)
class IgnoredCells:
    """What it is worth that some cells, such as those cut by the edge, count neither way.

    Attributes:
        cells: How many such cells there are.
        counted: By class, AP at IoU 0.5 as shown and as YOLOv5 counts if a box on one of them were
            a false alarm; None without true cells. Blast and healthy, if the model has them.
    """

    cells: int
    counted: dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class ClassResult:
    """How well one class was found; None where there is no true cell of it.

    A model that does not have the class has no score for it either; its counts say that it found
    none.

    Attributes:
        cells: True cells.
        ap50: COCO's AP at IoU 0.5, 0 to 1, as YOLOv5 counts: a box counts for every class that it
            reaches.
        ap50_95: The same, mean over IoU 0.50, 0.55 ... 0.95.
        ap50_as_shown: COCO's AP at IoU 0.5, 0 to 1, of what a user sees: one cell, one class.
        ap50_95_as_shown: The same, mean over IoU 0.50, 0.55 ... 0.95.
        precision: YOLOv5's P, at the result's `best_f1_confidence`; smudge: at its own best F1.
            None without any box.
        recall: YOLOv5's R, at the same confidence.
        at_best_f1: Counts, as YOLOv5 counts, at the confidence behind `precision` and `recall`, of
            which those are interpolations.
        at_operating_point: Counts at the model's operating threshold, IoU 0.5.
        spread: The true cells by image.
        curve: Precision, recall and FROC, as YOLOv5 counts.
        froc: Highest sensitivity (or None) by mean false alarms per image, as YOLOv5 counts.
        froc_as_shown: The same of what a user sees: one cell, one class.
        reach_as_shown: Highest sensitivity that any threshold reaches for a user (from
            `CALIBRATION_FLOOR` up).
        calibration: Precision against confidence of boxes a user can be shown; None without any.
    """

    cells: int
    ap50: float | None
    ap50_95: float | None
    ap50_as_shown: float | None
    ap50_95_as_shown: float | None
    precision: float | None
    recall: float | None
    at_best_f1: MatchCounts
    at_operating_point: MatchCounts
    spread: Spread
    curve: CurvePoints
    froc: dict[str, float | None]
    froc_as_shown: dict[str, float | None]
    reach_as_shown: float | None
    calibration: Calibration | None

    @property
    def unknown(self) -> bool:
        """Whether there are cells of the class, but the model does not have it."""
        return self.cells > 0 and self.ap50 is None


@dataclass(frozen=True)
class FieldResult:
    """One image as a whole.

    Attributes:
        name: File name without extension.
        blast_present: Whether there is a blast.
        blast_suggested: Whether the model suggests one at its operating threshold.
        false_blast: Whether it suggests one where there is none.
    """

    name: str
    blast_present: bool
    blast_suggested: bool
    false_blast: bool


@dataclass(frozen=True)
class EvaluationResult:
    """Every score of one model on one split.

    Attributes:
        model: Name of the model.
        model_sha256: SHA-256 of the file that ran.
        data: Name of the data set.
        data_sha256: SHA-256 over all images and labels.
        split: Part of the data set.
        images: Number of images.
        date: UTC, ISO 8601.
        device: What it ran on.
        versions: Versions of the packages involved.
        settings: Thresholds, limits and rules.
        classes: By class name.
        intervals: 95 % bootstrap intervals over images by the names of `Evidence.measure`; None
            if no resample defines the score or there are fewer than `statistics.LEAST_IMAGES`
            images. `evaluation.intervals` decides which may be shown.
        map50: Mean of `ap50` over those of blast and healthy that have true cells; None if the
            model does not have one of them.
        map50_95: The same of `ap50_95`.
        map50_as_shown: The same of `ap50_as_shown`.
        map50_95_as_shown: The same of `ap50_95_as_shown`.
        best_f1_confidence: See `metrics.best_f1`, over blast and healthy.
        suggested_confidence: See `evaluate.suggest_confidence`.
        white_cells: Blast and healthy as one class, at the operating threshold: is the cell found?
        healthy_with_blasts: Healthy cells in images that hold blasts too: found and called healthy.
        centroids: Expert blast centroids in predicted blast boxes (fp: boxes without one), over the
            images in which experts looked for blasts, even if they found none; None if there are
            no such images.
        sensitivity: Images with a blast in which one was suggested.
        specificity: Images without a blast in which none was.
        false_blasts_per_field: Mean over all images, at the operating threshold.
        fields_with_false_blast: Images with at least one.
        confusion: True (rows) against predicted classes (columns) at the operating threshold, the
            last of each being background; see `confusion.confusion`.
        mistakes: The errors off its diagonal, one by one.
        ignored: The cells that count neither way, and what that is worth.
        fields: Image by image.
        median_ms: Median time from image to boxes, not counting the decoding of the file.
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
    intervals: dict[str, Interval | None]
    map50: float | None
    map50_95: float | None
    map50_as_shown: float | None
    map50_95_as_shown: float | None
    best_f1_confidence: float
    suggested_confidence: float
    white_cells: MatchCounts
    healthy_with_blasts: Proportion
    centroids: MatchCounts | None
    sensitivity: Proportion
    specificity: Proportion
    false_blasts_per_field: float
    fields_with_false_blast: Proportion
    confusion: list[list[int]]
    mistakes: tuple[Mistake, ...]
    ignored: IgnoredCells
    fields: tuple[FieldResult, ...]
    median_ms: float

    @property
    def right(self) -> tuple[bool, ...]:
        """For each image: whether the model was right about there being a blast."""
        return tuple(field.blast_suggested == field.blast_present for field in self.fields)

    @property
    def unmet(self) -> str:
        """A sentence if there are labels and boxes, and hardly any touches one of the others.

        Boxes are those at the operating threshold, touching means an IoU of at least 0.1.
        """
        *cells, background = self.confusion
        found = sum(sum(row[:-1]) for row in cells)
        near = [m for m in self.mistakes if m.kind in ("off centre", "doubled")]
        touching = sum(mistake.truth is None for mistake in near)
        met, boxes = found + touching, found + sum(background)
        labels_met = found + len(near) - touching
        labels = sum(map(sum, cells))
        if not boxes or not labels or max(met / boxes, labels_met / labels) >= _HARDLY_ANY:
            return ""
        says = f"No box of {self.model} meets any label."
        if met or labels_met:
            says = (
                f"Hardly any box of {self.model} meets a label: {met} of {boxes} boxes "
                f"({met / boxes:.0%}), and {labels_met} of {labels} labels."
            )
        return (
            f"{says} Check that the labels belong to these pictures, and in which units their "
            "boxes are."
        )

    def to_json(self) -> str:
        """The whole result as JSON, numbers to six decimals so that files compare."""
        return to_json(asdict(self))


def to_json(content: Any) -> str:
    """JSON with numbers to six decimals and each innermost list or object on one line."""
    return _pretty(_rounded(content), 0)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


def _pretty(value: Any, depth: int) -> str:
    """JSON whose innermost lists and objects stand on one line each: short, and diffs well."""
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not any(isinstance(item, dict | list) for item in nested):
        return json.dumps(value, allow_nan=False)
    inner = " " * (depth + 1)
    if isinstance(value, dict):
        rows = [f"{json.dumps(key)}: {_pretty(v, depth + 1)}" for key, v in value.items()]
        opening, closing = "{", "}"
    else:
        rows = [_pretty(item, depth + 1) for item in value]
        opening, closing = "[", "]"
    body = f",\n{inner}".join(rows)
    return f"{opening}\n{inner}{body}\n{' ' * depth}{closing}"
