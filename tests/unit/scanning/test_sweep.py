"""A sweep: which regions in which order, what is skipped, when it ends, what a kill leaves."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from allcell.detections import Detections
from allcell.errors import SlideError
from allcell.scanning.density import density, tour
from allcell.scanning.regions import RegionAnswer, Regions, detect_region
from allcell.scanning.results import AnswerFile, read_answers
from allcell.scanning.seen import SeenCells
from allcell.scanning.sweep import (
    Failed,
    in_bands,
    nothing_in,
    plan_sweep,
    spread,
    sweep,
    unfit_for,
    until_target,
    white_cells,
)
from allcell.slides.rulers import SlideRulers
from tests.unit.scanning.slides import (
    RED_CELL_PX,
    SPEC,
    FindsSquares,
    FixedRulers,
    squares,
)

SIZE = (2000, 1500)
CORNERS = [(60 + 210 * i, 40 + 190 * j) for i in range(9) for j in range(7)]


def _regions() -> Regions:
    return Regions(SIZE, RED_CELL_PX, SPEC)


@pytest.mark.parametrize(
    ("where", "searched", "left_out"),
    [
        pytest.param("monolayer", {"fit"}, {"thick", "blurred"}, id="what is fit for counting"),
        pytest.param("everything", {"fit", "thick", "blurred"}, set(), id="all that is there"),
    ],
)
def test_what_is_swept(where, searched, left_out) -> None:
    regions = _regions()
    kinds = ("fit", "empty", "thick", "blurred")

    def fitness(region):
        return kinds[(region.column + region.row) % 4]

    plan = plan_sweep(regions, fitness, where)
    assert {fitness(one) for one in plan.searched} == searched
    assert {fitness(one) for one in plan.empty} == {"empty"}
    assert {fitness(one) for one in plan.left_out} == left_out
    assert len(plan.searched) + len(plan.empty) + len(plan.left_out) == len(regions)


def test_with_a_target_the_first_regions_come_from_all_over_the_slide() -> None:
    regions = Regions((40_000, 30_000), 20, SPEC).all()
    order = spread(regions)
    assert sorted((a.row, a.column) for a in order) == sorted((a.row, a.column) for a in regions)
    first = order[:60]
    for axis, most in (("column", 40_000 / 240), ("row", 30_000 / 240)):
        at = np.array([getattr(one, axis) for one in first]) / most
        counts = np.histogram(at, bins=4, range=(0, at.max() + 1e-9))[0]
        assert counts.min() >= 8, axis


def test_it_finds_what_its_regions_hold_one_by_one() -> None:
    slide, regions, rulers = squares(SIZE, CORNERS), _regions(), FixedRulers()
    alone, swept = SeenCells(regions), SeenCells(regions)
    for region in regions.all():
        alone.add(detect_region(FindsSquares(), slide, regions, region, rulers))
    for answer in sweep(FindsSquares(), slide, regions, rulers, regions.all()):
        assert isinstance(answer, RegionAnswer)
        swept.add(answer)
    assert len(swept.cells()) == len(CORNERS)
    assert (swept.cells().xyxy == alone.cells().xyxy).all()


def test_empty_glass_is_not_searched() -> None:
    corners = [corner for corner in CORNERS if corner[0] < 900]
    slide, regions, detector = squares(SIZE, corners), _regions(), FindsSquares()
    rulers = SlideRulers()
    answers = list(
        sweep(
            detector,
            slide,
            regions,
            FixedRulers(),
            regions.all(),
            unfit=unfit_for("everything", rulers),
        )
    )
    empty = [one for one in answers if isinstance(one, RegionAnswer) and one.fitness == "empty"]
    assert len(answers) == len(regions)
    assert len(empty) >= len(regions) // 3
    assert len(detector.seen) == len(regions) - len(empty)
    assert sum(len(one.cells) for one in answers if isinstance(one, RegionAnswer)) >= len(corners)


class Torn:
    """A slide of which some parts cannot be read."""

    def __init__(self, slide, bad) -> None:
        self._slide, self._bad = slide, bad
        self.name, self.mpp = slide.name, slide.mpp
        self.size_px, self.levels = slide.size_px, slide.levels

    def read(self, x, y, width, height, level=0):
        if (x, y) in self._bad:
            raise SlideError("This part of the slide is damaged.", "")
        return self._slide.read(x, y, width, height, level)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("bad", "failed"),
    [
        pytest.param([1], 1, id="one part"),
        pytest.param([0, 2, 4, 6, 8, 10], 6, id="every other one"),
        pytest.param(range(2, 12), None, id="all from some place on: the slide is gone"),
    ],
)
def test_parts_that_cannot_be_read_are_left_out_and_said(bad, failed) -> None:
    slide, regions = squares(SIZE, CORNERS), _regions()
    places = {regions.window(regions.all()[i])[:2] for i in bad}
    answers = sweep(FindsSquares(), Torn(slide, places), regions, FixedRulers(), regions.all())
    if failed is None:
        with pytest.raises(SlideError, match="damaged"):
            list(answers)
    else:
        assert sum(isinstance(one, Failed) for one in answers) == failed


@pytest.mark.parametrize(
    ("target", "least", "most"),
    [
        pytest.param(None, 63, 63, id="to the end"),
        pytest.param(20, 20, 24, id="after the region that reaches it"),
        pytest.param(500, 63, 63, id="there are not so many"),
    ],
)
def test_it_ends_at_its_target(target, least, most) -> None:
    slide, regions = squares(SIZE, CORNERS), _regions()
    seen = SeenCells(regions)
    found = sweep(FindsSquares(), slide, regions, FixedRulers(), regions.all())
    for _ in until_target(found, seen, target):
        pass
    assert least <= white_cells(seen) <= most
    again = until_target(iter([nothing_in(regions.at(0, 0))]), seen, least)
    assert list(again) == [], "one that has enough looks at nothing more"


@pytest.mark.parametrize(
    ("torn", "kept"),
    [
        pytest.param(b"", 3, id="whole"),
        pytest.param(b'{"at":[1,', 3, id="killed in the middle of a line"),
    ],
)
def test_what_a_kill_leaves_is_read_and_gone_on_with(tmp_path, torn, kept) -> None:
    path, regions = tmp_path / "answers.jsonl", _regions()
    slide = squares(SIZE, CORNERS)
    answers = [
        detect_region(FindsSquares(), slide, regions, one, FixedRulers())
        for one in regions.all()[:4]
    ]
    file = AnswerFile(path)
    for answer in answers[:3]:
        file.add(answer)
    file.close()
    path.write_bytes(path.read_bytes() + torn)
    assert len(list(read_answers(path, regions))) == kept
    file = AnswerFile(path)
    file.add(answers[3])
    file.close()
    read = list(read_answers(path, regions))
    assert [one.region for one in read] == [one.region for one in answers]
    for one, was in zip(read, answers, strict=True):
        assert one.cells.xyxy == pytest.approx(was.cells.xyxy, abs=0.01)
        assert one.cells.confidence == pytest.approx(was.cells.confidence, abs=1e-4)
        assert len(one.beside) == len(was.beside)


def test_no_file_no_answers(tmp_path) -> None:
    assert list(read_answers(tmp_path / "none", _regions())) == []


def _seen_with(cells: list[tuple[float, float, int, float]]) -> SeenCells:
    seen = SeenCells(_regions())
    boxes = np.float32([[x - 10, y - 10, x + 10, y + 10] for x, y, *_ in cells])
    found = Detections(
        boxes, np.float32([c for *_, c in cells]), np.array([k for *_, k, _ in cells])
    )
    for region in seen.regions.all()[: len(seen.regions) // 2]:
        seen.add(RegionAnswer(region, found[region.holds(boxes)]))
    return seen


def test_the_map_counts_each_cell_where_it_lies() -> None:
    blast, healthy, smudge = range(3)
    seen = _seen_with([(30, 30, blast, 0.9), (35, 90, healthy, 0.8), (1900, 60, smudge, 0.7)])
    found = density(seen, bins=20)
    assert found.bin_px == 100
    assert found.white_cells.shape == (15, 20)
    assert found.white_cells[0, 0] == 2
    assert found.blasts[0, 0] == 1
    assert found.white_cells.sum() == 2, "a smudge is no white cell"
    share = sum(a.region.width * a.region.height for a in seen.answers()) / (SIZE[0] * SIZE[1])
    assert found.seen.mean() == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    ("order", "roles", "confidences"),
    [
        pytest.param("place", (), [0.9, 0.6, 0.7], id="as they lie"),
        pytest.param("place", ("blast",), [0.9, 0.7], id="blasts as they lie"),
        pytest.param("doubt", (), [0.6, 0.7, 0.9], id="the least certain first"),
    ],
)
def test_the_order_in_which_to_look_at_cells(order, roles, confidences) -> None:
    seen = _seen_with([(1900, 60, 0, 0.7), (35, 90, 1, 0.6), (30, 30, 0, 0.9)])
    assert tour(seen, order, *roles).confidence == pytest.approx(confidences)


def test_without_a_target_rows_are_swept_together() -> None:
    regions = Regions((9_000, 9_000), 20, SPEC).all()
    order = in_bands(regions)
    assert len(set(order)) == len(order) == len(regions)
    assert {one.row for one in order[: 3 * (1 + max(o.column for o in regions))]} == {0, 1, 2}
    steps = [
        max(abs(a.column - b.column), abs(a.row - b.row)) for a, b in itertools.pairwise(order)
    ]
    assert sum(step > 1 for step in steps) <= 1 + max(one.row for one in regions) // 3
