"""Cells of an image or a stream by class, and the proportions that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from allcell.models.classes import CELL_CLASSES, CellClass, Role
from allcell.models.registry import CLASSES
from allcell.statistics import Proportion


@dataclass(frozen=True)
class Counts:
    """Suggested cells by class; the role of a class in the table says what it counts as.

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
        """n, blasts and all other white cells together, without smudges."""
        return self._of("blast", "white cell")

    @property
    def smudges(self) -> int:
        """Smudge cells."""
        return self._of("smudge")

    @property
    def tells_blasts(self) -> bool:
        """Whether the model knows both blasts and other white cells.

        One that knows only one of them says nothing about their proportion.
        """
        return self.knows("blast") and self.knows("white cell")

    @property
    def blast_share(self) -> Proportion:
        """Blasts among the detected white cells, with the exact 95 % confidence interval.

        It is 0 of 0 for a model that knows only one of the two.
        """
        if not self.tells_blasts:
            return Proportion.of(0, 0)
        return Proportion.of(self.blasts, self.white_cells)

    @property
    def smudges_per_100(self) -> float | None:
        """Smudges per 100 white cells, or None if there are no white cells."""
        return 100 * self.smudges / self.white_cells if self.white_cells else None

    def knows(self, role: Role) -> bool:
        """Whether the model knows a class with that role."""
        return any(cell.role == role and cell.name in self.by_class for cell in CELL_CLASSES)

    def listed(self) -> list[tuple[CellClass, int]]:
        """The classes that were looked for, each with its count, in the order of `by_class`."""
        table = {cell.name: cell for cell in CELL_CLASSES}
        return [(table[name], count) for name, count in self.by_class.items()]

    def _of(self, *roles: Role) -> int:
        return sum(self.by_class.get(c.name, 0) for c in CELL_CLASSES if c.role in roles)
