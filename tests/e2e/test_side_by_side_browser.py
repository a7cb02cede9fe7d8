"""Side by side in Chromium, with the shipped models: what a user does with it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from allcell.boxes import iou
from allcell.detections import FloatArray
from allcell.imaging.images import encode_png
from allcell.settings import RESEARCH_USE
from allcell.synth import FieldSpec, SyntheticField, render

if TYPE_CHECKING:
    from playwright.sync_api import Page

SPEC = FieldSpec(1280, 960, red_cell_px=40, seed=5, blasts=12, neutrophils=4, lymphocytes=2)
THREE = ("allcell live", "YOLOv5s", "YOLOv6n")
WAIT_MS = 60_000
#: Linked views show the same place, to a fraction of a screen pixel.
PLACE_TOLERANCE_PX = 0.6
ROW_PX, HEADER_PX = 52, 40


@pytest.fixture(scope="module")
def field() -> SyntheticField:
    """A rendered smear and the truth about it."""
    return render(SPEC)


@pytest.fixture
def three(page: Page, app_url: str, field: SyntheticField, tmp_path: Path) -> Page:
    """Three models on that smear."""
    (tmp_path / "patient name.png").write_bytes(encode_png(field.image))
    page.goto(f"{app_url}/compare")
    page.get_by_role("tab", name="Side by side").click(timeout=WAIT_MS)
    page.get_by_text("File of yours").click(timeout=WAIT_MS)
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(
        tmp_path / "patient name.png", timeout=WAIT_MS
    )
    page.locator(".pane .box").first.wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name="YOLOv6n", exact=True).click()
    page.locator(".pane[data-pane=YOLOv6n] .box").first.wait_for(timeout=WAIT_MS)
    settled(page)
    return page


def settled(page: Page) -> None:
    """Wait until the server has answered; a slider waits a moment before it asks."""
    page.wait_for_timeout(400)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=WAIT_MS)


def views(page: Page) -> FloatArray:
    """Where each pane shows the picture: left, top, width relative to its frame, (N, 3)."""
    places = page.locator(".pane").evaluate_all(
        """panes => panes.map(pane => {
          const frame = pane.querySelector(".stage").getBoundingClientRect();
          const seen = pane.querySelector(".picture").getBoundingClientRect();
          return [seen.left - frame.left, seen.top - frame.top, seen.width];
        })"""
    )
    return np.array(places, np.float32)


def boxes(page: Page) -> dict[str, list[dict[str, Any]]]:
    """The boxes of each pane: class, number of the cell, sides in pixels of the image."""
    found = page.locator(".pane").evaluate_all(
        """panes => panes.map(pane => [pane.dataset.pane,
          [...pane.querySelectorAll(".box")].map(g => {
            const rect = g.querySelector(".line");
            const [x, y, w, h] = ["x", "y", "width", "height"].map(
              name => Number(rect.getAttribute(name)));
            return {kind: g.dataset.kind, number: Number(g.dataset.number),
                    xyxy: [x, y, x + w, y + h]};
          })])"""
    )
    return dict(found)


def counts(page: Page) -> list[int]:
    """What stands below each pane, all classes together."""
    numbers = page.locator(".pane .legend").evaluate_all(
        "all => all.map(l => [...l.querySelectorAll('b')].map(b => Number(b.textContent)))"
    )
    return [sum(each) for each in numbers]


def together(page: Page) -> bool:
    """Whether all panes show the same place."""
    places = views(page)
    return bool(np.abs(places - places[0]).max() < PLACE_TOLERANCE_PX)


def test_three_models_zoom_and_move_as_one(three: Page, field: SyntheticField) -> None:
    found = boxes(three)
    assert tuple(found) == THREE
    cells = field.truth.xyxy[field.truth.class_id < 2]
    for title in THREE:
        drawn = np.array([box["xyxy"] for box in found[title]], np.float32)
        assert (iou(cells, drawn).max(axis=1) > 0.5).mean() > 0.5, f"{title} boxes the cells"
    assert together(three)
    whole = views(three)[0]
    frame = three.locator(".pane .stage").first.bounding_box()
    assert frame is not None
    assert whole[2] == pytest.approx(frame["width"], abs=1), "all of the field is shown at first"

    stages = three.locator(".pane .stage")
    stages.nth(0).scroll_into_view_if_needed()
    first, second = stages.nth(0).bounding_box(), stages.nth(1).bounding_box()
    assert first is not None
    assert second is not None
    three.mouse.move(first["x"] + 100, first["y"] + 80)
    three.mouse.wheel(0, -400)
    three.wait_for_timeout(100)
    zoomed = views(three)[2]
    assert zoomed[2] > 1.5 * whole[2], "the last pane follows the wheel over the first"
    assert together(three)

    three.mouse.move(second["x"] + 200, second["y"] + 120)
    three.mouse.down()
    three.mouse.move(second["x"] + 150, second["y"] + 100, steps=4)
    three.mouse.up()
    moved = views(three)[0]
    assert np.abs(moved - zoomed - (-50, -20, 0)).max() < 2, "the first follows the second's drag"
    assert together(three)

    stages.nth(2).focus()
    three.keyboard.press("+")
    assert views(three)[1][2] > 1.2 * moved[2], "keys lead, too"
    assert together(three)
    three.keyboard.press("0")
    assert np.abs(views(three) - whole).max() < PLACE_TOLERANCE_PX


def test_threshold_moves_counts_and_boxes(three: Page) -> None:
    before = counts(three)
    assert before == [len(drawn) for drawn in boxes(three).values()]
    three.locator(".pane .stage").nth(1).hover()
    three.mouse.wheel(0, -400)
    zoomed = views(three)
    own = three.get_by_role("slider", name="YOLOv5s")
    own.press("End")
    settled(three)
    after = counts(three)
    assert after[1] == 0 < before[1]
    assert [after[0], after[2]] == [before[0], before[2]], "the others keep theirs"
    assert np.abs(views(three) - zoomed).max() < PLACE_TOLERANCE_PX, "the zoom is kept"

    three.get_by_text("One for all").click()
    common = three.get_by_role("slider", name="All models")
    common.wait_for(timeout=WAIT_MS)
    common.press("Home")
    settled(three)
    many = counts(three)
    for _ in range(8):
        common.press("PageUp")
    settled(three)
    few = counts(three)
    assert all(a < b for a, b in zip(few, many, strict=True))
    assert few == [len(drawn) for drawn in boxes(three).values()]


def click_first_row(page: Page) -> None:
    """Choose the most disputed cell in the table."""
    table = page.get_by_test_id("stDataFrame").last
    table.scroll_into_view_if_needed()
    place = table.bounding_box()
    assert place is not None
    page.mouse.click(place["x"] + 250, place["y"] + HEADER_PX + 0.5 * ROW_PX)
    settled(page)


def test_a_row_shows_its_cell_in_all_panes(three: Page) -> None:
    whole = views(three)[0]
    click_first_row(three)
    marks = three.locator(".pane").evaluate_all(
        "panes => panes.map(p => p.querySelectorAll('.box.chosen, .spot').length)"
    )
    assert marks == [1, 1, 1], "a box, or the place where a model has none"
    assert set(three.locator(".box.chosen").evaluate_all("g => g.map(x => x.dataset.number)")) == {
        "1"
    }
    assert views(three)[0][2] > 1.5 * whole[2], "and comes closer"
    assert together(three)
    with three.expect_download() as waiting:
        three.get_by_role("button", name="Download the cells (CSV)").click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    assert "patient" not in text, "no file name"
    rows = list(csv.DictReader(io.StringIO(text)))
    assert RESEARCH_USE in rows[0]
    drawn = boxes(three)
    for name, title in zip(("live", "yolov5s", "yolov6"), THREE, strict=True):
        said = {int(r["cell"]): r[f"{name}_suggested_class"] for r in rows}
        shown = {box["number"]: box["kind"] for box in drawn[title]}
        assert {n: kind for n, kind in said.items() if kind != "not found"} == shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_stacks_the_panes(three: Page, scheme: Any) -> None:
    three.emulate_media(color_scheme=scheme)
    three.set_viewport_size({"width": 390, "height": 844})
    three.wait_for_timeout(500)
    width = three.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert width <= 390, "nothing sticks out"
    places = [stage.bounding_box() for stage in three.locator(".pane .stage").all()]
    tops = [place["y"] for place in places if place]
    assert all(place and place["width"] > 340 for place in places)
    assert tops == sorted(tops)
    assert len(set(tops)) == 3
    # Choosing a row far below the panes scrolls a pane into view.
    table = three.get_by_test_id("stDataFrame").last
    table.evaluate("table => table.scrollIntoView({ block: 'start' })")
    three.wait_for_timeout(300)

    def a_pane_is_in_view() -> bool:
        places = [stage.bounding_box() for stage in three.locator(".pane .stage").all()]
        return any(p and p["y"] >= 0 and p["y"] + p["height"] <= 844 for p in places)

    assert not a_pane_is_in_view()
    click_first_row(three)
    three.wait_for_timeout(500)
    assert a_pane_is_in_view()
