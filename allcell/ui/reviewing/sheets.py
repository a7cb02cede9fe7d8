"""All cells of a picture cut out onto one sheet: one JPEG instead of hundreds of crops."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from allcell.formats.pixels import RGBImage
from allcell.imaging.images import encode_jpeg
from allcell.review.cells import FieldReview, ReviewedCell
from allcell.ui.field.crops import crop

#: Side of a crop in pixels: sharp at 72 px on most screens.
SIDE_PX = 96
ACROSS = 16
#: A JPEG has at most 65,535 pixels a side.
MAX_CELLS = ACROSS * (65_535 // SIDE_PX)


@dataclass(frozen=True)
class Sheet:
    """The crops of one picture.

    Attributes:
        name: By which the browser knows it; another one if a box is another.
        jpeg: The sheet as a JPEG file.
        places: Place of each cell on it, by number, from 0, row by row.
    """

    name: str
    jpeg: bytes
    places: dict[int, int]

    @property
    def described(self) -> dict[str, object]:
        """What the browser has to know of it."""
        return {"name": self.name, "side": SIDE_PX, "across": ACROSS}


def _cells(one: FieldReview) -> list[ReviewedCell]:
    return list(one.cells[:MAX_CELLS])


def sheet_name(one: FieldReview) -> str:
    """The name of a picture's sheet."""
    boxes = repr([(cell.number, cell.xyxy) for cell in _cells(one)])
    return f"crops-{one.sha256[:16]}-{hashlib.sha256(boxes.encode()).hexdigest()[:16]}"


def make_sheet(one: FieldReview, image: RGBImage) -> Sheet:
    """Cut the cells of a picture out.

    Args:
        one: The picture with its cells; of more than `MAX_CELLS` the last are left out.
        image: Its pixels, RGB uint8 (H, W, 3).
    """
    cells = _cells(one)
    rows = max(1, -(-len(cells) // ACROSS))
    canvas = np.full((rows * SIDE_PX, ACROSS * SIDE_PX, 3), 128, np.uint8)
    for place, cell in enumerate(cells):
        top, left = (SIDE_PX * n for n in divmod(place, ACROSS))
        canvas[top : top + SIDE_PX, left : left + SIDE_PX] = crop(image, *cell.xyxy, SIDE_PX)
    places = {cell.number: place for place, cell in enumerate(cells)}
    return Sheet(sheet_name(one), encode_jpeg(canvas, quality=85), places)
