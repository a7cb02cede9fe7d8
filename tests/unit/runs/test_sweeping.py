"""A sweep in its folder: to the end, paused, killed and gone on with, and its case."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from allcell.background.locks import locked
from allcell.background.state import ALIVE_FILE
from allcell.errors import SweepError
from allcell.records.kept import Actor
from allcell.records.store import case_store
from allcell.review import edits
from allcell.review.cells import CellRef
from allcell.runs.sweeping.case import cut_out
from allcell.runs.sweeping.found import read_found
from allcell.runs.sweeping.work import SweepRequest, begin, slide_key, sweeps
from allcell.settings import settings
from allcell.slides.opening import open_slide
from allcell.synth import SmearSpec, write_slide
from tests.sweeping_cases import CORNERS, KilledError, Model, request_in, work_here
from tests.unit.scanning.slides import RED_CELL_PX, SIDE_PX

pytestmark = pytest.mark.slow

ME = Actor("reviewer")


@pytest.fixture
def swept(tmp_path, monkeypatch):
    """A slide of squares, its request, and a function that works on it in this process."""
    monkeypatch.setenv("ALLCELL_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    case_store.cache_clear()
    request = request_in(tmp_path)

    def work(sweep, **how):
        return work_here(monkeypatch, sweep, **how)

    yield SimpleNamespace(path=tmp_path / "slide.bin", request=request, work=work)
    settings.cache_clear()
    case_store.cache_clear()


def places_of(case_id):
    """Left and top (N, 2) of the cells of a case in pixels of the slide."""
    review = case_store().open(case_id, ME).review
    return np.array(
        [one.place.on_slide(cell.xyxy)[:2] for one in review.fields for cell in one.cells]
    )


def boxes_of(case_id):
    """The same as whole numbers, sorted."""
    return sorted(tuple(place) for place in np.round(places_of(case_id)).astype(int).tolist())


def test_a_slide_becomes_a_case_with_each_cell_in_its_place(swept) -> None:
    sweep = begin(swept.request)
    swept.work(sweep)
    state = sweep.state
    assert state.status == "done", state
    assert state.white_cells == state.blasts == len(CORNERS)
    assert boxes_of(state.case_id) == sorted(CORNERS)
    review = case_store().open(state.case_id, ME).review
    for one in review.fields:
        picture = case_store().picture(one.sha256)
        for cell in one.cells:
            x1, y1, x2, y2 = (round(side) for side in cell.xyxy)
            inside = picture[y1:y2, x1:x2]
            assert inside.shape == (SIDE_PX, SIDE_PX, 3)
            assert inside.max() < 140, "the cell itself"
        assert one.place.slide == swept.request.key
        assert one.origin.red_cell_px == RED_CELL_PX


def test_the_same_wish_finds_the_same_sweep_and_what_is_done_stays(swept) -> None:
    sweep = begin(swept.request)
    assert begin(swept.request) == sweep
    assert sweeps() == (sweep,)
    swept.work(sweep)
    sweep.start()
    assert sweep.state.status == "done"
    sweep.delete()
    assert sweeps() == ()
    with pytest.raises(SweepError, match="no sweep"):
        _ = sweep.state


@pytest.mark.parametrize("after", [1, 7, 20])
def test_paused_it_keeps_what_it_found_and_goes_on(swept, after) -> None:
    sweep = begin(swept.request)
    first = swept.work(sweep, stop_after=after)
    paused = sweep.state
    assert paused.status == "stopped"
    assert len(boxes_of(paused.case_id)) == paused.white_cells if paused.case_id else True
    second = swept.work(sweep)
    state = sweep.state
    assert state.status == "done"
    assert state.case_id
    assert not paused.case_id or state.case_id == paused.case_id
    assert boxes_of(state.case_id) == sorted(CORNERS)
    # A region or two may have been under way.
    assert len(first.seen) + len(second.seen) <= state.of + 3


@pytest.mark.parametrize("after", [0, 5, 12])
def test_killed_it_goes_on_where_it_was(swept, after) -> None:
    sweep = begin(swept.request)
    with pytest.raises(KilledError):
        swept.work(sweep, kill_after=after)
    assert sweep.state.status == "interrupted"
    second = swept.work(sweep)
    assert sweep.state.status == "done"
    assert boxes_of(sweep.state.case_id) == sorted(CORNERS)
    assert len(second.seen) <= sweep.state.of - after + 3


def test_what_people_did_meanwhile_stays(swept) -> None:
    sweep = begin(swept.request)
    swept.work(sweep, stop_after=8)
    case_id, store = sweep.state.case_id, case_store()
    kept = store.open(case_id, ME)
    gone, judged = kept.review.fields[0], kept.review.fields[1]
    review = edits.take_out_field(kept.review, gone.sha256, ME.name, store.clock())
    ref = CellRef(judged.sha256, judged.cells[0].number)
    review = edits.reclassify(review, [ref], "healthy", ME.name, store.clock())
    store.save(kept, review, ME)
    swept.work(sweep)
    after = store.open(case_id, ME).review
    assert sweep.state.status == "done"
    assert gone.sha256 not in after.by_sha256, "what was taken out does not come back"
    assert after.cell(ref).label == "healthy"
    assert len(boxes_of(case_id)) == len(CORNERS) - len(gone.cells)


def test_another_model_does_not_go_on_with_it(swept, monkeypatch) -> None:
    sweep = begin(swept.request)
    swept.work(sweep, stop_after=3)
    monkeypatch.setattr(Model, "weights_sha256", "1" * 64)
    swept.work(sweep)
    assert sweep.state.status == "failed"
    assert "The model is another" in sweep.state.message


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        pytest.param(lambda p: p.write_bytes(b"other"), "failed", "another", id="replaced"),
        pytest.param(lambda p: p.unlink(), "failed", "cannot be read", id="deleted"),
    ],
)
def test_a_slide_that_is_another_now(swept, change, status, said) -> None:
    sweep = begin(swept.request)
    change(swept.path)
    swept.work(sweep)
    assert sweep.state.status == status
    assert said in sweep.state.message
    assert sweep.state.remedy


def test_too_few_cells_for_its_target_is_said(swept) -> None:
    sweep = begin(replace(swept.request, target=400))
    swept.work(sweep)
    assert sweep.state.status == "done"
    assert f"holds {len(CORNERS)} white cells, not 400" in " ".join(sweep.state.notes)


def test_a_sweep_at_work_is_not_deleted(swept) -> None:
    sweep = begin(swept.request)
    with locked(sweep.folder / ALIVE_FILE), pytest.raises(SweepError, match="still working"):
        sweep.delete()


@pytest.mark.parametrize(
    ("boxes", "core", "cut"),
    [
        pytest.param([[500, 500, 540, 540]], [50, 50, 950, 950], (280, 280, 760, 760), id="one"),
        pytest.param(
            [[60, 500, 100, 540]], [50, 50, 950, 950], (50, 280, 320, 760), id="at the core's edge"
        ),
        pytest.param(
            [[40, 500, 80, 540]], [50, 50, 950, 950], (40, 280, 300, 760), id="across the edge"
        ),
        pytest.param(
            [[100, 100, 140, 140], [800, 700, 840, 740]],
            [50, 50, 950, 950],
            (50, 50, 920, 820),
            id="far apart",
        ),
    ],
)
def test_a_field_is_its_cells_and_what_is_around_them(boxes, core, cut) -> None:
    window = np.random.default_rng(0).integers(0, 255, (1000, 1000, 3), np.uint8)
    arguments = (np.float32(boxes), np.float32(core), (1000, 1000), 20.0)
    assert cut_out(*arguments, set(), window) == cut


def test_two_pictures_that_are_alike_to_the_pixel_are_two_fields(swept) -> None:
    """As on rendered slides, which repeat themselves."""
    sweep = begin(swept.request)
    swept.work(sweep)
    review = case_store().open(sweep.state.case_id, ME).review
    assert len({one.sha256 for one in review.fields}) == len(review.fields) > 5


@pytest.mark.child
def test_killed_for_good_and_gone_on_with_it_is_as_if_undisturbed(tmp_path, monkeypatch) -> None:
    """A real network in a real process, and kill -9."""
    monkeypatch.setenv("ALLCELL_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    case_store.cache_clear()
    path = tmp_path / "slide.tif"
    write_slide(path, SmearSpec(9000, 7000, seed=3))
    request = SweepRequest(str(path), slide_key(path), where="everything", label="a", by=ME.name)
    undisturbed = begin(replace(request, label="b"))
    undisturbed.start()
    for _ in undisturbed.follow():
        pass
    sweep = begin(request)
    kills = 0
    sweep.start()
    while sweep.state.status != "done":
        state = sweep.state
        assert state.status in ("waiting", "working"), state
        if kills < 2 and state.regions >= 3 * (kills + 1):
            os.kill(_pid_of(sweep.folder), signal.SIGKILL)
            while sweep.state.running:
                time.sleep(0.05)
            assert sweep.state.status == "interrupted"
            kills += 1
            sweep.start()
        time.sleep(0.05)
    assert kills
    slide = open_slide(path)
    mine, theirs = (read_found(one, slide).seen.cells() for one in (sweep, undisturbed))
    slide.close()
    assert len(mine) == len(theirs) > 100
    order, other = (np.lexsort(found.xyxy.T) for found in (mine, theirs))
    assert (mine.xyxy[order] == theirs.xyxy[other]).all()
    mine, theirs = (places_of(one.state.case_id) for one in (sweep, undisturbed))
    apart = np.abs(mine[:, None] - theirs[None]).max(axis=2)
    assert len(mine) == len(theirs)
    # Their fields may begin elsewhere, which is another rounding.
    assert max(apart.min(axis=0).max(), apart.min(axis=1).max()) < 0.01
    settings.cache_clear()
    case_store.cache_clear()


def _pid_of(folder) -> int:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    if str(folder).encode() in file.read():
                        return int(entry)
            except OSError:
                continue
    raise AssertionError("no process of this sweep")
