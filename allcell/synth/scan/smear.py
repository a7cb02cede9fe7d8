"""What a rendered slide shows, and how the smear on it changes from one end to the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from allcell.synth.spec import RED_CELL_UM

#: Blocks are of this side on large slides, and of half of it on smaller ones: tiles of four, or
#: three, levels of the pyramid then lie within one block.
BLOCK_PX = 2048
_LARGE_PX = 16_000


class Part(Enum):
    """What there is on a stretch of the slide."""

    EMPTY = "empty"
    THICK = "thick"
    MONOLAYER = "monolayer"
    FEATHERED = "feathered edge"


#: Where each part ends, as a share of the slide from the left: a drop was put down at the left
#: and drawn out to the right.
_ENDS = ((0.08, Part.EMPTY), (0.20, Part.THICK), (0.78, Part.MONOLAYER), (0.90, Part.FEATHERED))


@dataclass(frozen=True)
class Thickness:
    """How the cells lie at some place, each 0 to 1.

    Attributes:
        reds: Share of a monolayer's red cells that are there.
        piled: How many more lie on top of them.
        flat: Share of the red cells that have no pale centre.
        whites: Share of the white cells that are there.
    """

    reds: float
    piled: float
    flat: float
    whites: float


THICKNESS = {
    Part.EMPTY: Thickness(0.0, 0.0, 0.0, 0.0),
    Part.THICK: Thickness(1.0, 1.0, 0.0, 1.0),
    Part.MONOLAYER: Thickness(1.0, 0.0, 0.0, 1.0),
    Part.FEATHERED: Thickness(0.18, 0.0, 1.0, 0.6),
}


@dataclass(frozen=True)
class SmearSpec:
    """A slide to render.

    Attributes:
        width_px: Width of the finest level, 512 to 60,000.
        height_px: Height of the finest level, 512 to 60,000.
        red_cell_px: Mean diameter of red cells in pixels of the finest level, 10 to 80.
        seed: Decides everything else.
        layout: A smear from one end to the other, or a monolayer everywhere.
        blasts: Lymphoblasts in each square of 500 micrometres, on average.
        healthy: Other white cells in each such square, on average.
        smudges: Smudge cells in each such square, on average.

    Raises:
        ValueError: If a number is outside its range.
    """

    width_px: int = 60_000
    height_px: int = 40_000
    red_cell_px: float = 30.0
    seed: int = 0
    layout: Literal["smear", "monolayer"] = "smear"
    blasts: float = 30.0
    healthy: float = 20.0
    smudges: float = 2.0

    def __post_init__(self) -> None:
        for name, low, high in (
            *(("width_px", 512, 60_000), ("height_px", 512, 60_000), ("red_cell_px", 10, 80)),
            *(("blasts", 0, 60), ("healthy", 0, 60), ("smudges", 0, 20), ("seed", 0, 2**32)),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"SmearSpec.{name}: expected {low} to {high}, got {value!r}")

    @property
    def mpp(self) -> float:
        """Micrometres along a side of a pixel."""
        return RED_CELL_UM / self.red_cell_px

    @property
    def block_px(self) -> int:
        """Side of a block."""
        return BLOCK_PX if max(self.width_px, self.height_px) > _LARGE_PX else BLOCK_PX // 2

    @property
    def columns(self) -> int:
        """Blocks from left to right; the last may reach beyond the slide."""
        return -(-self.width_px // self.block_px)

    @property
    def rows(self) -> int:
        """Blocks from top to bottom."""
        return -(-self.height_px // self.block_px)

    def part_at(self, border: int) -> Part:
        """What there is at the left border of a column of blocks."""
        if self.layout == "monolayer":
            return Part.MONOLAYER
        share = border / self.columns
        return next((part for end, part in _ENDS if share < end), Part.EMPTY)

    def stretches(self) -> list[tuple[int, int, Part]]:
        """Left and right edge (px) of each stretch of whole columns that is one part throughout."""
        found: list[tuple[int, int, Part]] = []
        for column in range(self.columns):
            part = self.part_at(column)
            if part is not self.part_at(column + 1):
                continue
            left = column * self.block_px
            right = min(left + self.block_px, self.width_px)
            if found and found[-1][2] is part and found[-1][1] == left:
                left = found.pop()[0]
            found.append((left, right, part))
        return found
