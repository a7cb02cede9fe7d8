"""What is said of a view of a slide, and which of its cells count."""

from __future__ import annotations

import numpy as np
import pytest

from allcell.cautions import WITHHELD
from allcell.detections import Detections
from allcell.errors import SlideError
from allcell.models.registry import get_spec
from allcell.scanning.grid import Regions
from allcell.scanning.regions import RegionAnswer
from allcell.scanning.seen import SeenCells
from allcell.scanning.views import ViewProgress
from allcell.ui.slides.words import (
    found_in,
    in_view,
    is_done,
    part_of,
    rows_of,
    state_of,
    touch_view,
)
from allcell.ui.tiles.shown import AskedView

SPEC = get_spec("live")
BLAST, HEALTHY = SPEC.classes.index("blast"), SPEC.classes.index("healthy")


def progress(**changed: object) -> ViewProgress:
    """A view of nine regions, all searched."""
    usual: dict[str, object] = {
        **{"number": 1, "near": True, "measuring": False, "regions": 9, "left": 0},
        **{"judging": False, "serial": 5, "error": None},
    }
    return ViewProgress(**(usual | changed))  # type: ignore[arg-type]


ERROR = SlideError("The file was deleted.", "Put it back.")
STATES = [
    pytest.param({}, {"fit": 9}, "All of this view was searched.", True, id="done"),
    pytest.param({"left": 4}, {"fit": 5}, "Looking for cells: 5 of 9 parts.", False, id="begun"),
    pytest.param({"near": False}, {}, "Zoom in to look for cells.", True, id="too far out"),
    pytest.param(
        {"measuring": True}, {}, "Measuring the red cells of this slide.", False, id="measuring"
    ),
    pytest.param({}, {"empty": 9}, "Empty glass.", True, id="nothing there"),
    pytest.param(
        {}, {"fit": 5, "thick": 2, "blurred": 1, "empty": 1},
        "All of this view was searched. Unfit parts here: blurred, thick.", True, id="partly unfit",
    ),
    pytest.param(
        {"left": 4, "error": ERROR}, {}, "The file was deleted. Put it back.", True, id="an error"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "fitness", "said", "done"), STATES)
def test_the_state_of_a_view(
    changed: dict[str, object], fitness: dict[str, int], said: str, done: bool
) -> None:
    """In a sentence, and whether the browser asks again."""
    assert state_of(progress(**changed), fitness) == said
    assert is_done(progress(**changed)) == done


@pytest.fixture
def seen() -> SeenCells:
    """A fit region with a blast and a healthy cell, and a thick one with two blasts."""
    regions = Regions((6000, 3000), 30.0, SPEC, 640)
    found = SeenCells(regions)
    for region, classes, fitness in (
        (regions.at(0, 0), (BLAST, HEALTHY), "fit"),
        (regions.at(4, 0), (BLAST, BLAST), "thick"),
    ):
        x, y = region.x + 200, region.y + 200
        boxes = [[x + 100 * n, y, x + 100 * n + 60, y + 60] for n in range(2)]
        cells = Detections(
            np.array(boxes, np.float32), np.array([0.9, 0.6], np.float32), np.array(classes)
        )
        found.add(RegionAnswer(region, cells, fitness=fitness))
    return found


def test_cells_of_unfit_parts_are_shown_without_a_class_and_not_counted(seen: SeenCells) -> None:
    """Where red cells lie on each other, a count would look like one of the monolayer."""
    found = found_in(seen)
    assert found.counted.tolist() == [True, True, False, False]
    kinds = (*SPEC.classes, WITHHELD)
    assert [kinds[int(row[5])] for row in rows_of(found, SPEC.classes, kinds)] == [
        *("blast", WITHHELD, "healthy", WITHHELD)
    ]
    part = part_of("Seen so far", found, seen, 0.125)
    assert dict(part["cells"])["Blasts"] == 1
    assert part["share"] == "Blast fraction 50.0\u00a0%"
    assert part["words"] == [
        "1 of 2, exact 95 % interval 1.3 to 98.7\u00a0%",
        "2 cells lie where the slide is unfit, and not counted.",
        "12.5\u00a0% of the slide searched.",
    ]


VIEWS = [
    pytest.param((0, 0, 6000, 3000), 4, 4, id="the whole slide"),
    pytest.param((0, 0, 231, 231), 1, 1, id="its centre is just within"),
    pytest.param((0, 0, 230, 231), 0, 1, id="its centre is just without"),
    pytest.param((250, 240, 30, 30), 0, 1, id="zoomed into a part of it"),
    pytest.param((0, 0, 200, 231), 0, 0, id="it ends where the view begins"),
]


@pytest.mark.parametrize(("view", "counted", "drawn"), VIEWS)
def test_a_cell_is_counted_where_its_centre_is_and_drawn_wherever_it_can_be_seen(
    seen: SeenCells, view: tuple[float, float, float, float], counted: int, drawn: int
) -> None:
    """As in the cores of regions: of two views side by side one counts it."""
    x, y, width, height = view
    look = AskedView(1, x, y, width, height, 1.0, -1, 0.5)
    assert in_view(found_in(seen).cells, look).sum() == counted
    assert touch_view(found_in(seen).cells, look).sum() == drawn
