"""What one image gave, ready to be shown or exported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from allcell.detections import Detections
from allcell.models.classes import CELL_CLASSES, CellClass, Role
from allcell.models.registry import BLAST, CLASSES
from allcell.statistics import Proportion

#: The stages of `ImageResult.timing_ms`, in order.
STAGES = ("preprocess", "inference", "postprocess", "total")


@dataclass(frozen=True)
class Counts:
    """How many cells a model suggests, by class; its role in the table says what it counts as.

    Attributes:
        by_class: Cells of each class of `models.classes.CELL_CLASSES` that the model knows. A
            class that is missing was not looked for.

    Raises:
        ValueError: If a class is not in that table.
    """

    by_class: Mapping[str, int]

    def __post_init__(self) -> None:
        if unknown := [name for name in self.by_class if name not in CLASSES]:
            raise ValueError(f"by_class: expected classes of {CLASSES}, got {unknown}")

    @property
    def blasts(self) -> int:
        """k, the cells suggested as blasts."""
        return self._of("blast")

    @property
    def white_cells(self) -> int:
        """n, blasts and all other white cells together; smudges are not counted in."""
        return self._of("blast", "white cell")

    @property
    def smudges(self) -> int:
        """Smudge cells."""
        return self._of("smudge")

    @property
    def tells_blasts(self) -> bool:
        """Whether the model knows blasts and other white cells both.

        One that knows a single kind says nothing of their proportion.
        """
        return self.knows("blast") and self.knows("white cell")

    @property
    def blast_share(self) -> Proportion:
        """Blasts among the detected white cells, with the exact 95 % interval.

        It is 0 of 0 for a model that knows only one of both kinds.
        """
        if not self.tells_blasts:
            return Proportion.of(0, 0)
        return Proportion.of(self.blasts, self.white_cells)

    @property
    def smudges_per_100(self) -> float | None:
        """Smudges per 100 white cells, or None where there is no white cell."""
        return 100 * self.smudges / self.white_cells if self.white_cells else None

    def knows(self, role: Role) -> bool:
        """Whether the model knows a class of that role."""
        return any(cell.role == role and cell.name in self.by_class for cell in CELL_CLASSES)

    def listed(self) -> list[tuple[CellClass, int]]:
        """The classes that were looked for, each with its count, in the order of `by_class`."""
        table = {cell.name: cell for cell in CELL_CLASSES}
        return [(table[name], count) for name, count in self.by_class.items()]

    def _of(self, *roles: Role) -> int:
        return sum(self.by_class.get(c.name, 0) for c in CELL_CLASSES if c.role in roles)


@dataclass(frozen=True, eq=False)
class ImageResult:
    """The detections of one image and how they came about.

    Attributes:
        name: What the user calls the image: a file name, or a path on the command line.
        width_px: Width of the source image.
        height_px: Height of the source image.
        model: Name of the model.
        detections: In pixels of the source image; what is shown is what is exported.
        classes: Class names, in the order of `detections.class_id`.
        timing_ms: Milliseconds of each of `STAGES`.
        red_cell_px: Red-cell diameter the detector worked with, in source pixels; None if it used
            the model's default.

    Raises:
        ValueError: If a size is not positive, a class has no name or a stage is missing.
    """

    name: str
    width_px: int
    height_px: int
    model: str
    detections: Detections
    classes: tuple[str, ...]
    timing_ms: Mapping[str, float]
    red_cell_px: float | None = None

    def __post_init__(self) -> None:
        if min(self.width_px, self.height_px) <= 0:
            raise ValueError(f"expected a positive size, got {self.width_px}x{self.height_px}")
        ids = self.detections.class_id
        if len(ids) and (ids.min() < 0 or ids.max() >= len(self.classes)):
            raise ValueError(
                f"class_id: expected 0 to {len(self.classes) - 1}, got {ids.min()} to {ids.max()}"
            )
        if missing := [stage for stage in STAGES if stage not in self.timing_ms]:
            raise ValueError(f"timing_ms: expected {', '.join(STAGES)}; missing {missing}")

    def named(self, class_name: str) -> Detections:
        """The detections of the class of that name; none if the model does not know it."""
        ids = [i for i, name in enumerate(self.classes) if name == class_name]
        return self.detections[np.isin(self.detections.class_id, ids)]

    def counts(self) -> Counts:
        """Cells of each class in the table; other classes of a foreign model are left out."""
        return Counts({name: len(self.named(name)) for name in self.classes if name in CLASSES})

    @property
    def highest_blast_confidence(self) -> float | None:
        """Confidence (0 to 1) of the surest blast, or None where there is none."""
        confidence = self.named(CLASSES[BLAST]).confidence
        return float(confidence.max()) if len(confidence) else None


def without_names(results: Iterable[ImageResult]) -> list[ImageResult]:
    """The same results as image-001, image-002, ...: a file name may hold a patient's name."""
    return [replace(result, name=f"image-{n:03d}") for n, result in enumerate(results, 1)]
