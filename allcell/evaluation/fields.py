"""Score a whole-field classifier: each field as it is, and in the paper's eight turned copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

import numpy as np

from allcell.classifier import centre_crop, turned
from allcell.data.dataset import LabelledImage
from allcell.environment.versions import installed_versions
from allcell.errors import DataError
from allcell.evaluation.judged_fields import FieldCounts, ImageClassifier
from allcell.evaluation.predictions import data_sha256
from allcell.evaluation.results import to_json

#: The angles of the paper's notebook `cnn_test.ipynb`, beginning with the field as it is.
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
    """What was said of one field.

    Attributes:
        cancerous: Whether it is.
        probability: That it is, 0 to 1, as it lies.
        turned: Likewise for each of `ANGLES_DEG`, the first of which is the field as it lies.
    """

    cancerous: bool
    probability: float
    turned: tuple[float, ...]


@dataclass(frozen=True)
class Share:
    """k of n copies, without the interval that dependent copies cannot have.

    Attributes:
        k: Right ones.
        n: All of them.
        fraction: k / n, or None when n is 0.
    """

    k: int
    n: int
    fraction: float | None


@dataclass(frozen=True)
class CopyCounts:
    """Right answers as the paper counted them, each field eight times.

    Attributes:
        title: What these are, to be shown wherever they are.
        accuracy: Of all copies.
        sensitivity: Of those of cancerous fields.
        specificity: Of those of healthy fields.
    """

    title: str
    accuracy: Share
    sensitivity: Share
    specificity: Share


@dataclass(frozen=True)
class ClassifierResult:
    """All that is known of one whole-field classifier on one split.

    Attributes:
        model: Its name.
        model_sha256: Of its checkpoint.
        data: Name of the data set.
        data_sha256: Of all images and labels.
        split: Which part of it.
        images: How many.
        date: UTC, ISO 8601.
        device: What it ran on.
        versions: Of the packages involved.
        settings: Threshold, angles and rules.
        fields: What was said of each field, by file name without its ending.
        counts: Each field once, as it lies.
        as_the_paper_counted: Each field in eight copies.
        median_ms: Median time from image to class, decoding of the file excluded.
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
    """Run a classifier over labelled images, each in eight turns, and score it.

    Args:
        classifier: What is evaluated.
        images: From `dataset.read_yolo`.
        model: Its name.
        model_sha256: Of its checkpoint.
        device: What it runs on, as a person reads it.
        data: Name of the data set.
        split: Which part of it.
        threshold: Probability, 0 to 1, from which a field is called cancerous, chosen on other
            images.
        on_image: Called with the number of images done, and of all.

    Raises:
        DataError: If there is no image.
        ImageError: If an image cannot be read.
    """
    if not images:
        raise DataError("There is no image to evaluate on.", "Check --data and --split.")
    fields: dict[str, FieldProbabilities] = {}
    times_ms = []
    for done, item in enumerate(images, 1):
        # Cropped first, as the paper did: what is cut off must not come in again at the corners.
        image = centre_crop(item.pixels())
        answers = [classifier.classify(turned(image, angle)) for angle in ANGLES_DEG]
        probabilities = tuple(field.probability for field, _ in answers)
        fields[item.path.stem] = FieldProbabilities(item.has_blast, probabilities[0], probabilities)
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
