"""A detector's predictions on labelled images and the ground truth, and their JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from allcell.analysis.finding import Found, ImageDetector, Seen, Wish, find_many
from allcell.data.dataset import LabelledImage, data_sha256
from allcell.detections import Detections, FloatArray
from allcell.environment.versions import installed_versions
from allcell.errors import AllcellError, DataError, ModelError
from allcell.models.registry import CLASSES, TRAINED_CLASSES

#: The curves need low-confidence predictions too: YOLOv5 validates from here up.
FLOOR_CONFIDENCE = 0.001
#: YOLOv5 validates this many boxes of an image, the best ones (its `max_det`; COCO's maxDets, which
#: `allcell.evaluation.matching` applies, is per class). What a user sees has no such limit.
MAX_BOXES_AN_IMAGE = 300
#: Lowest confidence that a user can be shown, and that calibration covers: below it, nearly
#: everything is background.
CALIBRATION_FLOOR = 0.05

_DECIMALS_PX, _DECIMALS_CONFIDENCE = 2, 6


@dataclass(frozen=True)
class Setting:
    """Which model was run on which images, and how.

    Attributes:
        model: Name of the model.
        model_sha256: SHA-256 of the file that ran.
        device: What it ran on, for display.
        data: Name of the data set.
        split: Part of the data set.
        confidence: Operating threshold, 0 to 1, chosen on other images.
        iou: IoU, 0 to 1, above which non-maximum suppression takes two boxes for one cell.
    """

    model: str
    model_sha256: str
    device: str
    data: str
    split: str
    confidence: float
    iou: float


@dataclass(frozen=True, eq=False)
class PredictedImage:
    """Predictions and ground truth of one image.

    Attributes:
        name: File name without extension, with its folder in the set if it has one of its own.
        width_px: Width of the image.
        height_px: Height of the image.
        predictions: Down to `FLOOR_CONFIDENCE`, best first and as many as `predict` keeps; a box
            is there once for every class in which it has that confidence. Class ids are allcell's.
        truth: Cells of known class.
        ignore: Boxes (K, 4) of cells that count neither way.
        centroids: Expert blast centroids (M, 2), x and y in source pixels; None if no expert looked
            for blasts.
        total_ms: Time from measured image to boxes; other cores read the next images meanwhile.
    """

    name: str
    width_px: int
    height_px: int
    predictions: Detections
    truth: Detections
    ignore: FloatArray
    centroids: FloatArray | None
    total_ms: float


@dataclass(frozen=True, eq=False)
class Predictions:
    """One model's predictions on one split.

    Attributes:
        setting: The model, the images and the thresholds.
        images: Predictions and ground truth, image by image.
        data_sha256: SHA-256 over all images and labels.
        classes: Those of `CLASSES` that the model has; it cannot be scored on any other.
        date: UTC, ISO 8601.
        versions: Versions of the packages involved.
    """

    setting: Setting
    images: tuple[PredictedImage, ...]
    data_sha256: str
    classes: tuple[str, ...] = field(default=CLASSES, kw_only=True)
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: dict[str, str] = field(default_factory=installed_versions)

    def to_json(self) -> str:
        """Everything as JSON; `from_json` gives back the same numbers to the last bit."""
        images = [
            {
                "name": item.name,
                "size_px": [item.width_px, item.height_px],
                "total_ms": round(item.total_ms, 3),
                "predictions": _rows(item.predictions, with_confidence=True),
                "truth": _rows(item.truth, with_confidence=False),
                "ignore": _lists(item.ignore),
                "centroids": None if item.centroids is None else _lists(item.centroids),
            }
            for item in self.images
        ]
        head = {
            **asdict(self.setting),
            "data_sha256": self.data_sha256,
            "date": self.date,
            "versions": self.versions,
            "classes": CLASSES,
            "model_classes": self.classes,
            "columns": "x1, y1, x2, y2 in source pixels, confidence (predictions only), class",
        }
        lines = ",\n".join(json.dumps(item, separators=(",", ":")) for item in images)
        return f'{json.dumps(head, indent=1)[:-2]},\n "images": [\n{lines}\n]}}'

    @classmethod
    def from_json(cls, text: str) -> Predictions:
        """Read what `to_json` wrote.

        Raises:
            DataError: If it is not such a file.
        """
        try:
            content = json.loads(text)
            # A file written before a class was added has fewer, with the same ids.
            if tuple(content["classes"]) not in (CLASSES, TRAINED_CLASSES):
                raise ValueError(f"classes {content['classes']}")
            images = tuple(
                PredictedImage(
                    str(item["name"]),
                    int(item["size_px"][0]),
                    int(item["size_px"][1]),
                    _from_rows(item["predictions"], with_confidence=True),
                    _from_rows(item["truth"], with_confidence=False),
                    np.array(item["ignore"], np.float32).reshape(-1, 4),
                    None
                    if item["centroids"] is None
                    else np.array(item["centroids"], np.float32).reshape(-1, 2),
                    float(item["total_ms"]),
                )
                for item in content["images"]
            )
            if not images:
                raise ValueError("no images")
            setting = TypeAdapter(Setting).validate_python(content)
            return cls(
                setting,
                images,
                content["data_sha256"],
                content["date"],
                content["versions"],
                classes=_classes(content),
            )
        # The last two: a number too large for a float, and lists nested too deeply.
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            raise DataError(
                f"This is not a file of predictions ({error}).",
                "Use one that `python -m allcell evaluate` wrote.",
            ) from error


def predict(
    detector: ImageDetector,
    images: Sequence[LabelledImage],
    setting: Setting,
    *,
    classes: Sequence[str] = CLASSES,
    on_image: Callable[[int, int], None] | None = None,
    sha256: str | None = None,
) -> Predictions:
    """Run a detector over labelled images, each at its own estimated scale.

    For each image the best `MAX_BOXES_AN_IMAGE` boxes are kept, which YOLOv5 validates, and beyond
    them every box that a user can be shown (from `CALIBRATION_FLOOR` up).

    Args:
        detector: The detector to evaluate.
        images: From `yolo_sets.read_yolo`.
        setting: Names and thresholds.
        classes: Class names in the order of the detector's class ids.
        on_image: Called with the number of images done and the total.
        sha256: `data_sha256` of the images, if already known: computing it reads all of them.

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
            f"Only models that predict {', '.join(CLASSES)} can be evaluated.",
        )
    our_class = np.array([CLASSES.index(name) for name in classes])
    answers = []
    found_in = find_many(
        detector,
        images,
        lambda item: Seen.of(detector.spec, item.pixels()),
        Wish(FLOOR_CONFIDENCE, setting.iou, every_class=True),
        pixels=LabelledImage.pixel_count,
        own_streams=False,
    )
    with closing(found_in):
        for done, (item, outcome) in enumerate(found_in, 1):
            if isinstance(outcome, AllcellError):
                raise outcome
            seen, answer = outcome
            answers.append(_predicted(item, seen, answer, our_class))
            if on_image:
                on_image(done, len(images))
    digest = sha256 or data_sha256(images)
    return Predictions(setting, tuple(answers), digest, classes=tuple(classes))


def _predicted(
    item: LabelledImage, seen: Seen, answer: Found, our_class: npt.NDArray[np.intp]
) -> PredictedImage:
    found = answer.candidates
    shown = int(np.count_nonzero(found.confidence >= CALIBRATION_FLOOR))
    found = found[: max(MAX_BOXES_AN_IMAGE, shown)]
    height, width = seen.image.shape[:2]
    # Rounded as in the file, so that scoring a file again gives the same scores.
    predictions = Detections(
        _rounded(found.xyxy),
        _rounded(found.confidence, _DECIMALS_CONFIDENCE),
        our_class[found.class_id],
    )
    return PredictedImage(
        item.called,
        width,
        height,
        predictions,
        Detections.truth(_rounded(item.truth.xyxy), item.truth.class_id),
        _rounded(item.ignore),
        None if item.centroids is None else _rounded(item.centroids),
        round(answer.timing.total_ms, 3),
    )


def _classes(content: dict[str, Any]) -> tuple[str, ...]:
    # Earlier files are of models that have all of the file's classes.
    said = tuple(content.get("model_classes", content["classes"]))
    if not set(said) <= set(CLASSES):
        raise ValueError(f"classes of the model {said}")
    return said


def _rounded(values: FloatArray, decimals: int = _DECIMALS_PX) -> FloatArray:
    return np.round(values.astype(np.float64), decimals).astype(np.float32)


def _lists(values: FloatArray, decimals: int = _DECIMALS_PX) -> Any:
    return np.round(values.astype(np.float64), decimals).tolist()


def _rows(boxes: Detections, *, with_confidence: bool) -> list[list[float]]:
    xyxy = _lists(boxes.xyxy)
    confidence = _lists(boxes.confidence, _DECIMALS_CONFIDENCE)
    return [
        [*box, score, kind] if with_confidence else [*box, kind]
        for box, score, kind in zip(xyxy, confidence, boxes.class_id.tolist(), strict=True)
    ]


def _from_rows(rows: list[list[float]], *, with_confidence: bool) -> Detections:
    table = np.array(rows, np.float64).reshape(-1, 6 if with_confidence else 5)
    class_id = table[:, -1].astype(np.int64)
    if len(class_id) and not 0 <= class_id.min() <= class_id.max() < len(CLASSES):
        raise ValueError(f"class {class_id.min()} to {class_id.max()}")
    if not with_confidence:
        return Detections.truth(table[:, :4], class_id)
    return Detections(table[:, :4].astype(np.float32), table[:, 4].astype(np.float32), class_id)
