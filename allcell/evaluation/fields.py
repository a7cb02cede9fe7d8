"""Score a whole-field classifier: each field as it is, and as the paper's eight rotated copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

import numpy as np

from allcell.classifier import centre_crop, turned
from allcell.data.dataset import LabelledImage, data_sha256
from allcell.environment.versions import installed_versions
from allcell.errors import DataError
from allcell.evaluation.judged_fields import FieldCounts, ImageClassifier
from allcell.evaluation.results import to_json

#: Rotations in the paper's notebook `cnn_test.ipynb`; the first leaves the field as it is.
ANGLES_DEG = (0, 45, 90, 135, 180, 225, 270, 315)

_RULES = (
    "A field is cancerous if it holds a blast, by its boxes or an expert's centroids. The class is "
    "suggested at operating_threshold. Counts over fields: exact intervals. Counts over turned "
    "copies: as the paper counted (its notebook cropped each field to 4:3 and turned it by every "
    "multiple of 45 degrees in a frame of the same size, with mirrored surroundings). The copies "
    "of a field are not independent, so they have no interval; n counts copies, not fields."
)


@dataclass(frozen=True)
class FieldProbabilities:
    """A classifier's answers on one field.

    Attributes:
        cancerous: Whether it is, by its labels.
        probability: Predicted probability that it is, 0 to 1, without rotation.
        turned: Predicted probability at each of `ANGLES_DEG`, the first of which is 0.
    """

    cancerous: bool
    probability: float
    turned: tuple[float, ...]


@dataclass(frozen=True)
class Share:
    """k of n copies, without an interval: copies of one field are not independent.

    Attributes:
        k: Copies judged correctly.
        n: All copies.
        fraction: k / n, or None when n is 0.
    """

    k: int
    n: int
    fraction: float | None


@dataclass(frozen=True)
class CopyCounts:
    """Correct answers as the paper counted them, each field eight times.

    Attributes:
        title: What these counts are; to be shown with them.
        accuracy: Of all copies.
        sensitivity: Of the copies of cancerous fields.
        specificity: Of the copies of healthy fields.
    """

    title: str
    accuracy: Share
    sensitivity: Share
    specificity: Share


@dataclass(frozen=True)
class ClassifierResult:
    """Every score of one whole-field classifier on one split.

    Attributes:
        model: Name of the classifier.
        model_sha256: SHA-256 of its checkpoint.
        data: Name of the data set.
        data_sha256: SHA-256 over all images and labels.
        split: Part of the data set.
        images: Number of images.
        date: UTC, ISO 8601.
        device: What it ran on.
        versions: Versions of the packages involved.
        settings: Threshold, angles and rules.
        fields: Answers on each field, by file name without extension.
        counts: Each field once, without rotation.
        as_the_paper_counted: Each field in eight rotated copies.
        median_ms: Median time from image to class, not counting the decoding of the file.
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
    fields: dict[str, FieldProbabilities]
    counts: FieldCounts
    as_the_paper_counted: CopyCounts
    median_ms: float

    def to_json(self) -> str:
        """The whole result as JSON, numbers to six decimals so that files compare."""
        return to_json(asdict(self))


def evaluate_fields(
    classifier: ImageClassifier,
    images: Sequence[LabelledImage],
    *,
    model: str,
    model_sha256: str,
    device: str,
    data: str,
    split: str,
    threshold: float,
    on_image: Callable[[int, int], None] | None = None,
) -> ClassifierResult:
    """Run a classifier over labelled images, each in eight rotations, and score it.

    Args:
        classifier: The classifier to evaluate.
        images: From `yolo_sets.read_yolo`.
        model: Its name.
        model_sha256: SHA-256 of its checkpoint.
        device: What it runs on, for display.
        data: Name of the data set.
        split: Part of the data set.
        threshold: Probability, 0 to 1, at or above which a field is called cancerous; chosen on
            other images.
        on_image: Called with the number of images done and the total.

    Raises:
        DataError: If there is no image.
        ImageError: If an image cannot be read.
    """
    if not images:
        raise DataError("There is no image to evaluate on.", "Check --data and --split.")
    fields: dict[str, FieldProbabilities] = {}
    times_ms = []
    for done, item in enumerate(images, 1):
        # Cropped before rotation, as in the paper: what is cut off must not return at the corners.
        image = centre_crop(item.pixels())
        answers = [classifier.classify(turned(image, angle)) for angle in ANGLES_DEG]
        probabilities = tuple(field.probability for field, _ in answers)
        fields[item.called] = FieldProbabilities(item.has_blast, probabilities[0], probabilities)
        times_ms.append(answers[0][1].total_ms)
        if on_image:
            on_image(done, len(images))

    truth = np.array([field.cancerous for field in fields.values()])
    called = np.array([field.turned for field in fields.values()]) >= threshold
    right = called == truth[:, None]
    copies = [(int(r.sum()), r.size) for r in (right, right[truth], right[~truth])]
    return ClassifierResult(
        model=model,
        model_sha256=model_sha256,
        data=data,
        data_sha256=data_sha256(images),
        split=split,
        images=len(images),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        device=device,
        versions=installed_versions(),
        settings={
            "operating_threshold": threshold,
            "angles_deg": list(ANGLES_DEG),
            "interval": "Clopper-Pearson, 95 %",
            "rules": _RULES,
        },
        fields=fields,
        counts=FieldCounts.of(truth, right[:, 0]),
        as_the_paper_counted=CopyCounts(
            f"as the paper counted: {len(ANGLES_DEG)} x {len(images)} copies of "
            f"{len(images)} fields, not independent",
            *(Share(k, n, k / n if n else None) for k, n in copies),
        ),
        median_ms=median(times_ms),
    )
