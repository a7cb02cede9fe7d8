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
        by_class: Cells of each class of `models.classes.CELL_CLASSES` that the model knows; None
            while they are withheld. A class that is missing was not looked for.

    Raises:
        ValueError: If a class is not in that table.
    """

    by_class: Mapping[str, int | None]

    def __post_init__(self) -> None:
        if unknown := [name for name in self.by_class if name not in CLASSES]:
            raise ValueError(f"by_class: expected classes of {CLASSES}, got {unknown}")

    @property
    def withheld(self) -> bool:
        """Whether the picture is not to be trusted: every number is None, the share 0 of 0."""
        return None in self.by_class.values()

    @property
    def blasts(self) -> int | None:
        """k, the cells suggested as blasts; None while withheld."""
        return self._of("blast")

    @property
    def white_cells(self) -> int | None:
        """n, blasts and all other white cells, without smudges; None while withheld."""
        return self._of("blast", "white cell")

    @property
    def smudges(self) -> int | None:
        """Smudge cells; None while withheld."""
        return self._of("smudge")

    @property
    def suggests_blasts(self) -> bool | None:
        """Whether at least one blast is suggested; None while withheld or if not looked for."""
        return bool(self.blasts) if self.knows("blast") and not self.withheld else None

    @property
    def tells_blasts(self) -> bool:
        """Whether the model knows both blasts and other white cells.

        One that knows only one of them says nothing about their proportion.
        """
        return self.knows("blast") and self.knows("white cell")

    @property
    def blast_share(self) -> Proportion:
        """Blasts among the detected white cells, with the exact 95 % confidence interval.

        It is 0 of 0, with no fraction, while withheld and for a model that knows only one of the
        two.
        """
        blasts, white_cells = self.blasts, self.white_cells
        if blasts is None or white_cells is None or not self.tells_blasts:
            return Proportion.of(0, 0)
        return Proportion.of(blasts, white_cells)

    @property
    def smudges_per_100(self) -> float | None:
        """Smudges per 100 white cells, or None if there are no white cells, or withheld."""
        smudges, white_cells = self.smudges, self.white_cells
        return 100 * smudges / white_cells if white_cells and smudges is not None else None

    def knows(self, role: Role) -> bool:
        """Whether the model knows a class with that role."""
        return any(cell.role == role and cell.name in self.by_class for cell in CELL_CLASSES)

    def listed(self) -> list[tuple[CellClass, int | None]]:
        """The classes that were looked for, each with its count, in the order of `by_class`."""
        table = {cell.name: cell for cell in CELL_CLASSES}
        return [(table[name], count) for name, count in self.by_class.items()]

    def _of(self, *roles: Role) -> int | None:
        if self.withheld:
            return None
        return sum(self.by_class.get(c.name) or 0 for c in CELL_CLASSES if c.role in roles)
