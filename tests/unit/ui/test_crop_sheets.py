"""Sheets of crops: each cell in its own place, another name for other boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from allcell.environment.provenance import now
from allcell.imaging.images import decode
from allcell.review.cells import Box, FieldOrigin, FieldReview, ReviewedCell
from allcell.ui.reviewing.sheets import ACROSS, SIDE_PX, make_sheet, sheet_name

ORIGIN = FieldOrigin("live", "", 0.4, 0.5, now(), "0")


def field(*boxes: Box) -> FieldReview:
    """A picture of 800 x 600 px with cells in these boxes."""
    cells = tuple(ReviewedCell(n, box, "blast", "blast", 0.9) for n, box in enumerate(boxes, 1))
    return FieldReview("ab" * 32, 800, 600, "Field 1", ORIGIN, cells)


@pytest.mark.parametrize(
    ("cells", "rows"),
    [
        pytest.param(0, 1, id="none"),
        pytest.param(1, 1, id="one"),
        pytest.param(ACROSS, 1, id="a full row"),
        pytest.param(ACROSS + 1, 2, id="one more"),
    ],
)
def test_each_cell_has_its_place(cells: int, rows: int) -> None:
    image = np.full((600, 800, 3), 200, np.uint8)
    boxes: list[Box] = [(40.0 * n, 100, 40.0 * n + 30, 130) for n in range(cells)]
    for n in range(cells):
        image[100:130, 40 * n : 40 * n + 30] = 12 * n
    sheet = make_sheet(field(*boxes), image)
    pixels = decode(sheet.jpeg)
    assert pixels.shape == (rows * SIDE_PX, ACROSS * SIDE_PX, 3)
    for n in range(cells):
        top, left = (SIDE_PX * at for at in divmod(sheet.places[n + 1], ACROSS))
        middle = pixels[top + SIDE_PX // 2, left + SIDE_PX // 2]
        assert abs(int(middle[0]) - 12 * n) < 6, f"cell {n + 1}"


def test_another_box_is_another_sheet() -> None:
    """The browser keeps sheets by name."""
    one = field((10, 10, 40, 40))
    moved = replace(one, cells=(replace(one.cells[0], xyxy=(11, 10, 40, 40)),))
    judged = replace(one, cells=(replace(one.cells[0], state="confirmed"),))
    assert sheet_name(moved) != sheet_name(one)
    assert sheet_name(judged) == sheet_name(one), "what is said of a cell changes no pixel"
    assert len(sheet_name(one)) <= 64
