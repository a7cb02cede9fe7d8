"""What an evaluation has measured, and under which names it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from allcell.evaluation.compare import Comparison
from allcell.evaluation.judged_fields import JudgedFields
from allcell.evaluation.scored import Scored
from allcell.models.registry import ClassifierSpec, ModelSpec


@dataclass(frozen=True)
class ScoreKey:
    """All that a score depends on: the contents of set and model, settings and device."""

    data_sha256: str
    spec: ModelSpec | ClassifierSpec
    model_sha256: str
    device: str


@dataclass(frozen=True, eq=False)
class RunScores:
    """What a run has measured so far; never changed, so that its parts belong together.

    Attributes:
        results: Measured detectors, by position in the run's jobs.
        fields: Measured whole-field classifiers, by position in the run's jobs.
        comparison: Of these; None while there is no detector.
    """

    results: Mapping[int, Scored] = field(default_factory=dict)
    fields: Mapping[int, JudgedFields] = field(default_factory=dict)
    comparison: Comparison | None = None


def numbered(images: int) -> list[str]:
    """Names for the images of a set where their file names must not appear."""
    return [f"image-{n:03d}" for n in range(1, images + 1)]
