"""The answers of a whole-field classifier on labelled images, each once and without rotation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Annotated, Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter, ValidationError

from allcell.classifier import FieldClass
from allcell.data.dataset import LabelledImage, data_sha256
from allcell.detector import Timing
from allcell.errors import DataError
from allcell.statistics import Proportion

_Share = Annotated[float, Field(ge=0, le=1)]


class ImageClassifier(Protocol):
    """The interface of `allcell.classifier.FieldClassifier`, which test stubs share."""

    def classify(self, image: npt.NDArray[np.uint8]) -> tuple[FieldClass, Timing]:
        """The class of an RGB image (H, W, 3) (see `allcell.classifier`)."""
        ...


@dataclass(frozen=True)
class FieldCounts:
    """Correct answers, each field counted once.

    Attributes:
        accuracy: Of all fields.
        sensitivity: Of the cancerous ones.
        specificity: Of the healthy ones.
    """

    accuracy: Proportion
    sensitivity: Proportion
    specificity: Proportion

    @classmethod
    def of(cls, cancerous: npt.ArrayLike, right: npt.ArrayLike) -> FieldCounts:
        """Count correct answers.

        Args:
            cancerous: Shape (N,): whether each field is cancerous.
            right: Shape (N,): whether it was judged correctly.
        """
        truth, hits = np.asarray(cancerous, bool), np.asarray(right, bool)
        parts = (hits, hits[truth], hits[~truth])
        return cls(*(Proportion.of(int(part.sum()), len(part)) for part in parts))


@dataclass(frozen=True)
class JudgedFields:
    """A classifier's answers on whole fields, each once and without rotation.

    Attributes:
        model: Name of the classifier.
        model_sha256: SHA-256 of its checkpoint.
        data_sha256: SHA-256 over all images and labels.
        threshold: Lowest probability, 0 to 1, at which a field is called cancerous.
        cancerous: Whether each field is, by its labels, in the order of the images.
        probability: Predicted probability that it is, 0 to 1, in the same order.
    """

    model: str
    model_sha256: str
    data_sha256: str
    threshold: _Share
    cancerous: tuple[bool, ...]
    probability: tuple[_Share, ...]

    @cached_property
    def right(self) -> tuple[bool, ...]:
        """Whether each field was judged correctly."""
        pairs = zip(self.cancerous, self.probability, strict=True)
        return tuple((p >= self.threshold) == truth for truth, p in pairs)

    @cached_property
    def counts(self) -> FieldCounts:
        """Counts of correct answers."""
        return FieldCounts.of(self.cancerous, self.right)

    def to_json(self) -> str:
        """As JSON: only the answers, since the counts follow from them."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_result(cls, kept: Mapping[str, Any], threshold: float) -> JudgedFields:
        """Take the answers from a stored evaluation.

        Args:
            kept: `ClassifierResult.to_json`, parsed.
            threshold: See `evaluate_fields`.
        """
        said = kept["fields"].values()
        return cls(
            kept["model"],
            kept["model_sha256"],
            kept["data_sha256"],
            threshold,
            tuple(field["cancerous"] for field in said),
            tuple(field["probability"] for field in said),
        )

    @classmethod
    def from_json(cls, text: str) -> JudgedFields:
        """Read what `to_json` wrote.

        Raises:
            DataError: If it is not such a file.
        """
        try:
            judged = _JUDGED.validate_json(text, strict=True)
        except ValidationError as error:
            raise DataError(
                f"This is not a file of judged fields ({error}).", "Use one that allcell wrote."
            ) from error
        if len(judged.cancerous) != len(judged.probability):
            raise DataError("A field has no answer.", "Use a file that allcell wrote.")
        return judged


_JUDGED = TypeAdapter(JudgedFields)


def judge_fields(
    classifier: ImageClassifier,
    images: Sequence[LabelledImage],
    *,
    model: str,
    model_sha256: str,
    threshold: float,
    on_image: Callable[[int, int], None] | None = None,
    sha256: str | None = None,
) -> JudgedFields:
    """Run a classifier over labelled images, without rotation.

    Args:
        classifier: The classifier to evaluate.
        images: The images.
        model: Its name.
        model_sha256: SHA-256 of its checkpoint.
        threshold: See `evaluate_fields`.
        on_image: Called with the number of images done and the total; may raise to stop.
        sha256: See `predictions.predict`.

    Raises:
        ModelError: If the network fails.
        ImageError: If an image cannot be read.
    """
    said = []
    for done, item in enumerate(images, 1):
        said.append(float(classifier.classify(item.pixels())[0].probability))
        if on_image:
            on_image(done, len(images))
    truth = tuple(item.has_blast for item in images)
    digest = data_sha256(images) if sha256 is None else sha256
    return JudgedFields(model, model_sha256, digest, threshold, truth, tuple(said))
