"""What tests of the review do in Chromium: reach a control, read the cells, check the files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pypdfium2
import pytest
import shapely

from allcell.boxes import iou
from allcell.detections import Detections
from allcell.models.registry import CLASSES
from allcell.settings import RESEARCH_USE
from allcell.statistics import Proportion

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

WAIT_MS = 30_000
FILE_INPUT = "[data-testid=stFileUploader] input[type=file]"
CROPS = "[...window.allcellReview.fields.values()].every((field) => field.crops)"
CHOSEN = "window.allcellReview.cell(window.allcellReview.chosen) ?? null"
COUNT = "[...window.allcellReview.fields.values()].reduce((n, field) => n + field.cells.size, 0)"
#: Boxes that overlap more are on the same cell.
SAME_CELL = 0.4
#: More controls than any page has.
MOST_TABS = 200
#: Half of the last digit that the browser is told of a box, and of the one that files have.
HALF_A_DIGIT_PX = 0.11


def upload(page: Page, url: str, smear: Path | Sequence[Path]) -> None:
    page.goto(url)
    page.locator(FILE_INPUT).wait_for(state="attached", timeout=WAIT_MS)
    page.locator(FILE_INPUT).set_input_files(smear)
    page.locator(".desk .box").first.wait_for(timeout=WAIT_MS)
    heard(page)


def to_review(page: Page) -> None:
    page.get_by_role("link", name="Review", exact=True).first.focus()
    page.keyboard.press("Enter")
    page.locator(".desk[data-page=review] .box").first.wait_for(timeout=WAIT_MS)
    crops_made(page)


def crops_made(page: Page) -> None:
    """Wait for the last thing that comes by itself: the crops of the gallery."""
    page.wait_for_function(CROPS, timeout=WAIT_MS)
    heard(page)


def heard(page: Page) -> None:
    """Wait until the server has heard of every edit and has nothing to do."""
    page.wait_for_function("window.allcellReview?.pending.length === 0", timeout=WAIT_MS)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=WAIT_MS)


def cells(page: Page) -> list[dict[str, Any]]:
    """The cells of the pictures that are shown, as the browser knows them."""
    found: list[dict[str, Any]] = page.evaluate(
        "[...window.allcellReview.fields.values()].flatMap((f) => [...f.cells.values()])"
    )
    return found


def present(page: Page) -> dict[int, dict[str, Any]]:
    """Those that nobody removed, by number."""
    return {cell["number"]: cell for cell in cells(page) if cell["state"] != "removed"}


def keys(page: Page, *pressed: str) -> None:
    for key in pressed:
        page.keyboard.press(key)


def tab_to(page: Page, control: Locator) -> None:
    """Reach a control as somebody does who has no mouse."""
    control.wait_for(timeout=WAIT_MS)
    for _ in range(MOST_TABS):
        if control.evaluate("e => e.getRootNode().activeElement === e"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {control}")


def counts_said(page: Page) -> str:
    return page.locator(".desk .countline .after").inner_text().replace("\u00a0", " ")


def expected(k: int, n: int) -> str:
    share = Proportion.of(k, n)
    return (
        f"Confirmed blasts: {k} of {n} = {100 * k / n:.1f} % "
        f"({100 * share.low:.1f} to {100 * share.high:.1f} %)"
    )


Press = Callable[["Page", "Locator"], None]


def by_keyboard(page: Page, button: Locator) -> None:
    button.wait_for(timeout=WAIT_MS)
    page.wait_for_timeout(300)  # as long as anybody takes; what is drawn anew loses the focus
    tab_to(page, button)
    page.keyboard.press("Enter")


def by_touch(page: Page, button: Locator) -> None:
    button.tap()


def download(page: Page, name: str, press: Press) -> bytes:
    with page.expect_download(timeout=60_000) as waiting:
        press(page, page.get_by_role("button", name=name))
    return Path(waiting.value.path()).read_bytes()


def check_files(page: Page, press: Press, k: int, n: int, reviewer: str, kept: Path) -> None:
    """PDF, COCO and GeoJSON say what the review says.

    `k` of `n` white cells are blasts; each of the cells that are left is one of them.
    """
    now = present(page)
    assert len(now) == n
    pdf = download(page, "Report (PDF)", press)
    kept.write_bytes(pdf)
    check_pdf(pdf, k, n, reviewer)
    coco = json.loads(download(page, "COCO (JSON)", press))
    names = {category["id"]: category["name"] for category in coco["categories"]}
    rows = {a["cell"]: a for a in coco["annotations"]}
    assert len(rows) == len(coco["annotations"])
    assert classes(now) == {number: names[a["category_id"]] for number, a in rows.items()}
    corners = {
        number: (
            a["bbox"][0],
            a["bbox"][1],
            a["bbox"][0] + a["bbox"][2],
            a["bbox"][1] + a["bbox"][3],
        )
        for number, a in rows.items()
    }
    same_boxes(now, corners)
    assert {number: cell["suggested"] for number, cell in now.items()} == {
        number: a["suggested"] for number, a in rows.items()
    }
    assert {a["state"] for a in rows.values()} == {"confirmed"}

    text = download(page, "GeoJSON for QuPath", press)
    features = [one["properties"] for one in json.loads(text)["features"]]
    shapes = shapely.from_geojson(text).geoms
    assert len(shapes) == len(features) == n
    assert all(s.geom_type == "Polygon" and s.is_valid and not s.is_empty for s in shapes)
    numbers = [int(one["name"]) for one in features]
    assert classes(now) == {
        number: one["classification"]["name"] for number, one in zip(numbers, features, strict=True)
    }
    same_boxes(now, {number: s.bounds for number, s in zip(numbers, shapes, strict=True)})


def classes(now: dict[int, dict[str, Any]]) -> dict[int, str]:
    return {number: cell["label"] for number, cell in now.items()}


def same_boxes(now: dict[int, dict[str, Any]], boxes: dict[int, tuple[float, ...]]) -> None:
    assert boxes.keys() == now.keys()
    for number, box in boxes.items():
        assert box == pytest.approx(now[number]["box"], abs=HALF_A_DIGIT_PX)


def check_pdf(pdf: bytes, k: int, n: int, reviewer: str) -> None:
    document = pypdfium2.PdfDocument(pdf)
    pages = [" ".join(p.get_textpage().get_text_bounded().split()) for p in document]
    assert len(pages) >= 3, "counts, the field, the gallery"
    assert all(RESEARCH_USE in text for text in pages)
    whole = " ".join(pages)
    share = Proportion.of(k, n)
    for said in (
        reviewer,
        f"{100 * share.fraction:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f})",
        f"Blast: {k}",
        "model live",
        "lowest confidence",
        "Runtime: ",
        "The audit trail had",
        f"page {len(pages)} of {len(pages)}",
    ):
        assert said in whole, said
    assert "patient" not in whole, "the name of the file"
    assert "Draft" not in whole


def review_pictures(page: Page, truths: Sequence[Detections]) -> None:
    """Correct and confirm every cell of every picture as its truth says, by mouse and keys.

    Args:
        page: Review, with the pictures in the order of the truths.
        truths: The cells of each.
    """
    for number, truth in enumerate(truths):
        chip = page.locator(f".picture-chip:nth-child({number + 1})")
        chip.locator(".open").click()
        chip.locator(".open[aria-pressed=true]").wait_for(timeout=WAIT_MS)
        heard(page)
        fields = page.evaluate("[...window.allcellReview.fields.keys()]")
        _review(page, fields[number], truth)
        heard(page)


def _review(page: Page, field: str, truth: Detections) -> None:
    wanted = {n: CLASSES[kind] for n, kind in enumerate(truth.class_id.tolist())}
    suggested = [cell for cell in cells(page) if cell["field"] == field]
    overlap = iou(
        np.array([cell["box"] for cell in suggested], np.float32).reshape(-1, 4), truth.xyxy
    )
    right: dict[int, str] = {}
    for row, cell in enumerate(suggested):
        n = int(overlap[row].argmax())
        if overlap[row, n] > SAME_CELL and n in wanted:
            right[cell["number"]] = wanted.pop(n)
    keys(page, "Escape")
    page.get_by_role("button", name="Whole field").click()
    # Missed ones first: after the last suggestion the next picture comes by itself.
    for n, label in wanted.items():
        _draw(page, truth.xyxy[n].tolist(), label)
    for _ in range(len(suggested)):
        keys(page, " ")
        chosen = page.evaluate(CHOSEN)
        if chosen is None or chosen["field"] != field or chosen["state"] != "suggested":
            break
        said = right.get(chosen["number"])
        keys(page, {None: "Delete", chosen["label"]: "Enter"}.get(said, str(said)[0]))
    left = [c for c in cells(page) if c["field"] == field and c["state"] == "suggested"]
    assert not left, left


def _whole_picture(page: Page) -> dict[str, float]:
    """Where the whole picture is on the screen, once it has been drawn so."""
    for _ in range(100):
        stage, picture = (
            page.locator(f".desk .stage{part}").first.bounding_box() for part in ("", " .picture")
        )
        assert stage is not None
        assert picture is not None
        if picture["width"] < stage["width"] + 1 and picture["y"] > stage["y"] - 1:
            return dict(picture)
        page.wait_for_timeout(50)
    raise AssertionError(f"the picture stays larger than its place: {picture}, {stage}")


def _draw(page: Page, box: Sequence[float], label: str) -> None:
    """Add a cell that was missed: a drag from a corner that lies under no other box, and a key."""
    keys(page, "Escape")
    picture = _whole_picture(page)
    before = page.evaluate(COUNT)
    width = page.evaluate("[...window.allcellReview.fields.values()][0].width")
    k = picture["width"] / width
    # A little within, where a corner of the field is round and the next cell's box begins.
    x1, y1, x2, y2 = (
        place + k * (end + inwards)
        for place, end, inwards in zip(
            (picture["x"], picture["y"]) * 2, box, (2, 2, -2, -2), strict=True
        )
    )
    for start, end in (
        ((x1, y1), (x2, y2)),
        ((x2, y1), (x1, y2)),
        ((x1, y2), (x2, y1)),
        ((x2, y2), (x1, y1)),
    ):
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=2)
        page.mouse.up()
        if page.evaluate(COUNT) > before:
            keys(page, label[0])
            return
    raise AssertionError(f"no corner of {box} is free, on the screen {x1, y1, x2, y2}")
