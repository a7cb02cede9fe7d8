"""The cells of one picture, as a model suggested them and a person sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from allcell.environment.provenance import Provenance
from allcell.errors import ReviewError
from allcell.review.labels import NOT_A_CELL, UNIDENTIFIED
from allcell.review.places import Box as Box
from allcell.review.places import SlidePlace

#: `suggested`: nobody has said anything of it. `confirmed`: a person gave it its label, or agreed.
#: `removed`: a person took it away; it is kept so that it can be restored and shows in the trail.
CellState = Literal["suggested", "confirmed", "removed"]

#: Least side of a box that a person draws, in pixels of the image.
MIN_SIDE_PX = 3.0


def _is_none(value: object) -> bool:
    return value is None


class CellRef(NamedTuple):
    """Which cell is meant.

    Attributes:
        field: SHA-256 of its picture's pixels (`FieldReview.sha256`).
        number: Its number in that picture, as shown on the screen.
    """

    field: str
    number: int


@dataclass(frozen=True)
class ReviewedCell:
    """One cell of a picture.

    Attributes:
        number: From 1, best first as on the screen; cells that a person adds go on from there.
        xyxy: Left, top, right, bottom in pixels of the source image.
        label: The name of its class now: a class of the models, one of the user's, `unidentified`
            or `not a cell`.
        suggested: The class that the model suggested; None if a person added the cell, or while
            the picture's classes are withheld.
        confidence: The model's, 0 to 1; None if a person added the cell.
        state: See `CellState`.

    Raises:
        ReviewError: If the box is not finite or has no area, or the number is below 1.
    """

    number: int
    xyxy: Box
    label: str
    suggested: str | None = None
    confidence: float | None = None
    state: CellState = "suggested"

    def __post_init__(self) -> None:
        # Whole numbers become floats: a record gives these back, and hashes compare the two.
        x1, y1, x2, y2 = (float(side) for side in self.xyxy)
        object.__setattr__(self, "xyxy", (x1, y1, x2, y2))
        if self.confidence is not None:
            object.__setattr__(self, "confidence", float(self.confidence))
        if self.number < 1 or not np.isfinite(self.xyxy).all() or x2 <= x1 or y2 <= y1:
            raise ReviewError(
                f"Cell {self.number}: expected a number from 1 and a box with left < right and "
                f"top < bottom, got {self.xyxy}."
            )

    @property
    def added(self) -> bool:
        """Whether a person added it."""
        return self.confidence is None

    @property
    def counts(self) -> bool:
        """Whether it is there and is a cell, confirmed or not."""
        return self.state != "removed" and self.label != NOT_A_CELL

    @property
    def moved_label(self) -> bool:
        """Whether its class is another than the model's."""
        return self.label != (self.suggested or UNIDENTIFIED)


@dataclass(frozen=True)
class FieldOrigin:
    """How the boxes of a field came about: what makes a count reproducible.

    Attributes:
        model: Name of the model.
        weights_sha256: SHA-256 of its weights, hexadecimal; empty if unknown.
        threshold: Lowest confidence of a suggested box, 0 to 1.
        overlap: Overlap (0 to 1) above which two boxes are one cell; None if unknown.
        analysed_at: When the model ran, in UTC.
        version: Version of allcell that ran it.
        runtime: What ran the model, as shown to people; empty if unknown.
        red_cell_px: Diameter of the red cells in pixels; None if it was not measured.
        um_per_px: Micrometres per pixel; None if not known.
    """

    model: str
    weights_sha256: str
    threshold: float
    overlap: float | None
    analysed_at: datetime
    version: str
    runtime: str = ""
    red_cell_px: float | None = None
    um_per_px: float | None = None

    def __post_init__(self) -> None:
        for name in ("threshold", "overlap", "red_cell_px", "um_per_px"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, float(value))

    @property
    def made(self) -> Provenance:
        """The part of it that every export of allcell has."""
        return Provenance(
            self.threshold, self.overlap, self.weights_sha256, self.analysed_at, self.version
        )


@dataclass(frozen=True)
class FieldReview:
    """One picture of a case with its cells.

    Attributes:
        sha256: Of the picture's pixels, hexadecimal (see `suggestions.picture_hash`).
        width_px: Width of the picture.
        height_px: Height of the picture.
        title: What it is called: `Field 1` unless the user says otherwise. Never the file's name by
            itself, which may hold a patient's.
        origin: How its boxes came about.
        cells: By number, those removed included.
        left_out: Why the user left it out of the counts; empty if it is in.
        withheld: Why its numbers are withheld (see `allcell.cautions`); empty if they are not.
        insisted: Whether the user wants its numbers although they would be withheld.
        cautions: What has to be said with its numbers.
        place: Where it lies on a slide; None if it is of none, or that is not known.
    """

    sha256: str
    width_px: int
    height_px: int
    title: str
    origin: FieldOrigin
    cells: tuple[ReviewedCell, ...] = ()
    left_out: str = ""
    withheld: str = ""
    insisted: bool = False
    cautions: tuple[str, ...] = ()
    # Left out where there is none: the hash of what was signed before stays as it was.
    place: Annotated[SlidePlace | None, Field(exclude_if=_is_none)] = None

    @property
    def counted(self) -> bool:
        """Whether its cells enter the counts."""
        return not self.left_out and (not self.withheld or self.insisted)

    @property
    def why_not_counted(self) -> str:
        """Why it is not counted; empty if it is."""
        return "" if self.counted else self.left_out or self.withheld

    @cached_property
    def by_number(self) -> Mapping[int, ReviewedCell]:
        """Its cells by number."""
        return {cell.number: cell for cell in self.cells}

    @property
    def next_number(self) -> int:
        """The number of the next cell that is added."""
        return max(self.by_number, default=0) + 1

    @property
    def unreviewed(self) -> tuple[ReviewedCell, ...]:
        """Those that nobody has confirmed or removed."""
        return tuple(cell for cell in self.cells if cell.state == "suggested")

    def cell(self, number: int) -> ReviewedCell:
        """The cell with that number.

        Raises:
            ReviewError: If there is none.
        """
        try:
            return self.by_number[number]
        except KeyError:
            raise ReviewError(
                f"{self.title} has no cell {number}.", "It may have been undone: look again."
            ) from None

    def with_cells(self, changed: Mapping[int, ReviewedCell | None]) -> FieldReview:
        """The same with some cells changed, added or (None) taken out altogether."""
        merged: dict[int, ReviewedCell | None] = {**self.by_number, **changed}
        kept = (cell for _, cell in sorted(merged.items()) if cell is not None)
        return replace(self, cells=tuple(kept))

    def inside(self, xyxy: Box) -> Box:
        """A box that a person drew, its corners in order and within the picture.

        Raises:
            ReviewError: If less than `MIN_SIDE_PX` of a side is left.
        """
        if not np.isfinite(xyxy).all():
            raise ReviewError(f"A box is four numbers in pixels, got {xyxy}.")
        left, right = sorted((float(xyxy[0]), float(xyxy[2])))
        top, bottom = sorted((float(xyxy[1]), float(xyxy[3])))
        box = (
            *(max(0.0, left), max(0.0, top)),
            *(min(float(self.width_px), right), min(float(self.height_px), bottom)),
        )
        if box[2] - box[0] < MIN_SIDE_PX or box[3] - box[1] < MIN_SIDE_PX:
            raise ReviewError(
                f"A box of {max(0, box[2] - box[0]):.0f}x{max(0, box[3] - box[1]):.0f} px in the "
                f"picture is too small, at least {MIN_SIDE_PX:.0f} px a side are needed.",
                "Draw it around a cell of the picture.",
            )
        return box


@dataclass(frozen=True)
class CellChange:
    """What an edit made of one cell.

    Attributes:
        field: SHA-256 of its picture.
        before: The cell before; None if it was not there.
        after: The cell after; None if it is gone altogether (an addition that was undone).
    """

    field: str
    before: ReviewedCell | None
    after: ReviewedCell | None

    @property
    def number(self) -> int:
        """The cell's number."""
        cell = self.after or self.before
        return cell.number if cell else 0

    @property
    def reversed(self) -> CellChange:
        """What undoes it."""
        return CellChange(self.field, self.after, self.before)


@dataclass(frozen=True)
class FieldChange:
    """What an edit made of a picture as a whole; its cells are not part of it.

    Attributes:
        before: The field before, without cells; None if it was not in the case.
        after: The field after, without cells; None if it was taken out of the case.
    """

    before: FieldReview | None = field(default=None)
    after: FieldReview | None = field(default=None)

    @property
    def sha256(self) -> str:
        """Which picture."""
        one = self.after or self.before
        return one.sha256 if one else ""

    @property
    def reversed(self) -> FieldChange:
        """What undoes it."""
        return FieldChange(self.after, self.before)
