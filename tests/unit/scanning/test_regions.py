"""A slide's regions: without gaps, and together as good as one piece."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from allcell.analysis.finding import Seen, Wish, find
from allcell.boxes import iou
from allcell.detections import Detections
from allcell.detector import Detector, choose
from allcell.imaging.preprocess import plan_tiles
from allcell.imaging.scale import Scale
from allcell.imaging.stain import measure_stain
from allcell.models.registry import get_spec
from allcell.scanning.regions import Region, RegionAnswer, Regions, detect_region
from allcell.scanning.seen import SeenCells
from allcell.slides.arrays import ArraySlide
from allcell.synth.field import render
from allcell.synth.spec import FieldSpec
from tests.unit.scanning.slides import (
    RED_CELL_PX,
    SIDE_PX,
    SPEC,
    FindsSquares,
    FixedRulers,
    squares,
)

LIVE = get_spec("live")
FIXED = replace(LIVE, fixed_input_px=(416, 320))


@pytest.mark.parametrize(
    ("size_px", "red_cell_px", "spec", "input_px"),
    [
        pytest.param((60_000, 40_000), 29.3, LIVE, None, id="a slide at 40x"),
        pytest.param((60_000, 40_000), 29.3, LIVE, 640, id="in smaller pieces"),
        pytest.param((5_000, 90_000), 14.0, LIVE, None, id="at 20x, long and narrow"),
        pytest.param((700, 500), 29.3, LIVE, None, id="no larger than one window"),
        pytest.param((9_000, 7_000), 31.0, FIXED, None, id="a network with a size of its own"),
        pytest.param((3_001, 2_999), 20.0, LIVE, 32, id="pieces that would be all margin"),
    ],
)
def test_cores_cover_the_slide_once(size_px, red_cell_px, spec, input_px) -> None:
    regions = Regions(size_px, red_cell_px, spec, input_px)
    assert sum(one.width * one.height for one in regions.all()) == size_px[0] * size_px[1]
    assert len({(one.column, one.row) for one in regions.all()}) == len(regions)
    for one in regions.all():
        x, y, width, height = regions.window(one)
        assert x >= 0 <= y
        assert x + width <= size_px[0]
        assert y + height <= size_px[1]
        for start, end, low, high, length in (
            (x, x + width, one.x, one.x + one.width, size_px[0]),
            (y, y + height, one.y, one.y + one.height, size_px[1]),
        ):
            assert start == 0 or low - start >= 0.9 * regions.margin_px
            assert end == length or end - high >= 0.9 * regions.margin_px


def test_neighbours_follow_each_other() -> None:
    order = Regions((9_000, 9_000), 20, LIVE).all()
    steps = [abs(a.column - b.column) + abs(a.row - b.row) for a, b in itertools.pairwise(order)]
    assert set(steps) == {1}


def test_windows_are_the_tiles_of_a_picture() -> None:
    regions = Regions((9_000, 7_000), 29.3, LIVE)
    fit, starts = plan_tiles(LIVE, 9_000, 7_000, 29.3)
    windows = {regions.window(one) for one in regions.all()}
    assert windows == {(x, y, fit.source_width_px, fit.source_height_px) for x, y in starts}


def test_a_view_gets_what_it_touches_from_its_middle_on() -> None:
    regions = Regions((9_000, 9_000), 20, LIVE)
    middle = regions.at(3, 3)
    right = regions.at(4, 3)
    view = (middle.x + 100, middle.y + 100, middle.width + 50, middle.height - 200)
    assert regions.of_view(*view) == (middle, right)
    assert regions.of_view(-500, -500, 400, 400) == ()


#: Around the seams of a slide of 800 x 700 px in windows of 320.
_REGIONS = Regions((800, 700), RED_CELL_PX, SPEC)
_SEAM_X, _SEAM_Y = _REGIONS.at(0, 0).width, _REGIONS.at(0, 0).height


@pytest.mark.parametrize("half", [False, True], ids=["the finest level", "a coarser level"])
@pytest.mark.parametrize(
    "corner",
    [
        pytest.param((50, 50), id="amid a core"),
        pytest.param((0, 0), id="in the slide's corner"),
        pytest.param((800 - SIDE_PX, 700 - SIDE_PX), id="in the other corner"),
        pytest.param((_SEAM_X - SIDE_PX // 2, 50), id="its centre on a seam"),
        pytest.param((_SEAM_X - SIDE_PX, 50), id="touching a seam from the left"),
        pytest.param((_SEAM_X, 50), id="touching a seam from the right"),
        pytest.param((_SEAM_X - SIDE_PX // 2, _SEAM_Y - SIDE_PX // 2), id="where four meet"),
        pytest.param((_SEAM_X - SIDE_PX // 2 - 1, _SEAM_Y - 3), id="more in one of four"),
    ],
)
def test_a_cell_is_found_once_wherever_it_lies(corner: tuple[int, int], half: bool) -> None:
    red_cell_px = 2 * RED_CELL_PX if half else RED_CELL_PX
    corner = (2 * corner[0], 2 * corner[1]) if half else corner
    slide = squares((1600, 1400) if half else (800, 700), [corner], half=half)
    regions, detector = Regions.of(slide, red_cell_px, SPEC), FindsSquares()
    seen = SeenCells(regions)
    for region in regions.all():
        rulers = FixedRulers(red_cell_px)
        seen.add(detect_region(detector, slide, regions, region, rulers))
    x, y = corner
    wanted = np.float32([[x, y, x + SIDE_PX, y + SIDE_PX]])
    assert seen.cells().xyxy == pytest.approx(wanted, abs=2.0)
    assert set(detector.seen) == {regions.window_px}
    assert regions.level == int(half)


def _answer(region: Region, boxes: list[tuple[float, float, float]]) -> RegionAnswer:
    """Boxes of 40 px around points, with their confidences."""
    around = np.float32([[x - 20, y - 20, x + 20, y + 20] for x, y, _ in boxes]).reshape(-1, 4)
    cells = Detections(around, np.float32([c for *_, c in boxes]), np.zeros(len(boxes), np.int64))
    inside = region.holds(around)
    return RegionAnswer(region, cells[inside], cells[~inside])


@pytest.mark.parametrize(
    ("left", "right", "kept"),
    [
        pytest.param([(-1, 50, 0.9)], [(1, 50, 0.8)], [0.9], id="both take it for theirs"),
        pytest.param([(1, 50, 0.9)], [(-1, 50, 0.8)], [0.9], id="each for the other's"),
        pytest.param([(3, 50, 0.9)], [], [0.9], id="only the one that it is not in sees it"),
        pytest.param([(-3, 50, 0.9)], [(30, 50, 0.8)], [0.9, 0.8], id="two that touch"),
        pytest.param([(9, 50, 0.6)], [(9, 50, 0.9)], [0.9], id="the surer one stays"),
    ],
)
def test_what_two_regions_say_of_their_seam(left, right, kept) -> None:
    a, b = _REGIONS.at(0, 0), _REGIONS.at(1, 0)
    answers = [
        _answer(one, [(_SEAM_X + x, y, c) for x, y, c in said])
        for one, said in ((a, left), (b, right))
    ]
    for order in (answers, answers[::-1]):
        seen = SeenCells(_REGIONS)
        for answer in order:
            seen.add(answer)
        assert sorted(seen.cells().confidence, reverse=True) == pytest.approx(kept)


def test_what_lies_in_a_region_that_was_not_seen_does_not_count_yet() -> None:
    seen = SeenCells(_REGIONS)
    seen.add(_answer(_REGIONS.at(0, 0), [(_SEAM_X + 5, 50, 0.9)]))
    assert len(seen.cells()) == 0
    seen.add(_answer(_REGIONS.at(1, 0), []))
    assert len(seen.cells()) == 1
    count = seen.count()
    assert (count.regions, count.of) == (2, len(_REGIONS))
    assert count.counts.by_class["blast"] == 1


@pytest.mark.slow
def test_a_slide_in_regions_is_the_slide_in_one_piece() -> None:
    """6,000 x 5,000 px with a real network: the same cells, box by box."""
    spec = FieldSpec(
        1500, 1250, red_cell_px=30, seed=5, blasts=9, neutrophils=5, lymphocytes=5, smudges=2
    )
    field = render(spec).image
    # Turned copies: the same cell lies at another place in each window.
    row = np.hstack([field, field[:, ::-1], field[::-1], field[::-1, ::-1]])
    image = np.vstack([row, row[:, ::-1], row[::-1], row])
    detector = Detector.open("live", runtime="onnx", threads=1)
    measured = measure_stain(image, 30.0)
    assert measured is not None
    stain = replace(measured, shade=None)
    picture = Seen(image, Scale(30.0, "given"), stain)
    whole = choose(detector.spec, find(detector, picture, Wish()).candidates)
    assert len(whole) > 200

    slide = ArraySlide([image])
    assert slide.size_px == (6000, 5000)
    regions = Regions.of(slide, 30.0, detector.spec)
    seen = SeenCells(regions)
    for region in regions.all():
        seen.add(detect_region(detector, slide, regions, region, FixedRulers(30.0, stain)))
    cells = seen.cells()
    assert len(cells) == len(whole)
    overlap = iou(whole.xyxy, cells.xyxy)
    partner = overlap.argmax(axis=1)
    assert sorted(partner) == list(range(len(cells)))
    assert overlap.max(axis=1).min() > 0.99
    assert (cells.class_id[partner] == whole.class_id).all()
    assert cells.confidence[partner] == pytest.approx(whole.confidence, abs=1e-4)
