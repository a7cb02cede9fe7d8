"""A review in Chromium, by keyboard and by touch: corrections, counts, signature, files, restart.

The field is rendered and every model finds cells in it at places that are known, so that the counts
are worked out by hand here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from allcell.imaging.images import encode_png
from allcell.synth import FieldSpec, SyntheticField, render
from tests.review_browser import (
    WAIT_MS,
    by_keyboard,
    by_touch,
    cells,
    check_files,
    counts_said,
    crops_made,
    expected,
    heard,
    keys,
    present,
    tab_to,
    to_review,
    upload,
)
from tests.served import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SPEC = FieldSpec(1600, 1200, red_cell_px=40, seed=7, blasts=22, neutrophils=14, lymphocytes=4)


@pytest.fixture(scope="module")
def field() -> SyntheticField:
    """Forty white cells at places that are known."""
    return render(SPEC)


@pytest.fixture(scope="module")
def smear(field: SyntheticField, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("review") / "patient name.png"
    path.write_bytes(encode_png(field.image))
    return path


@pytest.fixture
def records(tmp_path: Path) -> dict[str, str]:
    """The environment of a server that keeps its cases in a folder of this test."""
    return {"ALLCELL_DATA_DIR": str(tmp_path / "records"), "ALLCELL_RUNTIME": "onnx"}


@pytest.fixture
def app(tmp_path: Path, records: dict[str, str]) -> Iterator[Served]:
    """A server of its own."""
    with served(tmp_path / "app.log", environment=records) as running:
        yield running


def choose(page: Page, number: int) -> None:
    """Go to a cell by the keyboard alone: to the list, to its head, and down."""
    tab_to(page, page.locator(".desk .list"))
    keys(page, "Home", *["ArrowDown"] * (number - 1))
    assert page.locator(".box.chosen").get_attribute("data-number") == str(number)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def field_called(page: Page, label: str) -> Locator:
    return page.get_by_role("textbox", name=label, exact=True)


def write(page: Page, label: str, text: str) -> None:
    """Into a field, by the keyboard."""
    tab_to(page, field_called(page, label))
    page.keyboard.type(text)
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)
    heard(page)


def test_the_whole_review_by_keyboard(
    page: Page, app: Served, smear: Path, tmp_path: Path, records: dict[str, str]
) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(app.url)
    page.locator(".st-key-allcell-start").wait_for(timeout=WAIT_MS)
    with page.expect_file_chooser() as chooser:
        by_keyboard(page, page.locator("[data-testid=stFileUploaderDropzone] button"))
    chooser.value.set_files(smear)
    page.locator(".desk .box").first.wait_for(timeout=WAIT_MS)
    heard(page)
    stage, card = (page.locator(f".desk .{part}").bounding_box() for part in ("stage", "card"))
    assert stage is not None
    assert card is not None
    for place in (stage, card):
        assert place["y"] > 60, "below the menu"
        assert place["y"] + place["height"] < 775, "above the notice, without any scrolling"
    assert page.locator(".desk .box .line.dashed").count() == len(cells(page)) > 30

    by_keyboard(page, page.get_by_role("link", name="Review", exact=True).first)
    page.locator(".desk[data-page=review] .box").first.wait_for(timeout=WAIT_MS)
    crops_made(page)
    before = cells(page)
    n = len(before)
    blasts = sum(cell["label"] == "blast" for cell in before)
    healthy = sum(cell["label"] == "healthy" for cell in before)
    assert n == blasts + healthy, "no smudge is suggested in this field"
    first = next(cell["number"] for cell in before if cell["label"] == "blast")
    second = next(cell["number"] for cell in before if cell["label"] == "healthy")
    third = next(
        cell["number"] for cell in before if cell["label"] == "blast" and cell["number"] != first
    )

    choose(page, first)
    name = page.locator(".box.chosen").get_attribute("aria-label")
    assert re.match(
        rf"Cell {first}: Blast, suggested, confidence 0\.\d\d, not confirmed", str(name)
    )
    keys(page, "h")
    assert "1 of 1" not in counts_said(page)
    assert counts_said(page) == expected(0, 1)
    assert expected(0, 1).split(": ")[1].split(" (")[0] in page.locator(
        ".said-aloud"
    ).inner_text().replace("\u00a0", " ")
    choose(page, second)
    keys(page, "b")
    assert counts_said(page) == expected(1, 2)
    choose(page, third)
    keys(page, "Delete")
    assert page.locator(f".box[data-number='{third}']").count() == 0
    assert counts_said(page) == expected(1, 2), "a removed cell counts as nothing"
    # Arrow keys still work after a pick, and keep working.
    chosen = page.locator(".box.chosen").get_attribute("data-number")
    tab_to(page, page.locator(".desk .stage"))
    keys(page, "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowUp")
    assert page.locator(".box.chosen").get_attribute("data-number") != chosen
    # A missed one, placed by arrow keys: it begins in the middle of the picture.
    keys(page, "Insert", "ArrowRight", "ArrowUp", "]", "Enter", "b")
    added = max(cells(page), key=lambda cell: cell["number"])
    assert (added["number"], added["label"], added["state"]) == (n + 1, "blast", "confirmed")
    assert added["suggested"] is None
    assert counts_said(page) == expected(2, 3)
    # Undo without end, and redo.
    keys(page, *["Control+z"] * 5)
    assert counts_said(page) == "Confirmed blasts: none reviewed"
    assert len([c for c in cells(page) if c["state"] == "suggested"]) == n
    keys(page, *["Control+Shift+z"] * 5)
    assert counts_said(page) == expected(2, 3)
    heard(page)

    # Too early: it says what is missing.
    by_keyboard(page, button(page, "Keep this case"))
    write(page, "Label", "<b>Case</b> *7*")
    by_keyboard(page, button(page, "Keep"))
    page.get_by_text("saved", exact=False).first.wait_for(timeout=WAIT_MS)
    assert page.get_by_text("<b>Case</b> *7*").count() > 0, "a label is text"
    write(page, "Printed name", "Dr A. Reviewer")
    by_keyboard(page, button(page, "Sign"))
    page.get_by_text("cannot be signed yet").wait_for(timeout=WAIT_MS)

    # Finish by keys alone: every cell that is left is confirmed, doubt first.
    tab_to(page, page.locator(".desk .stage"))
    keys(page, " ", *["Enter"] * (n - 3))
    after_k, after_n = blasts - 2 + 2, n - 1 + 1
    assert counts_said(page) == expected(after_k, after_n)
    assert page.locator(".desk .box .line.dashed").count() == 0, "confirmed is solid"
    heard(page)
    page.get_by_text("Every cell is reviewed.").wait_for(timeout=WAIT_MS)
    by_keyboard(page, button(page, "Sign"))
    page.get_by_text("Version 1: Reviewed by").wait_for(timeout=WAIT_MS)

    check_files(page, by_keyboard, after_k, after_n, "Dr A. Reviewer", tmp_path / "report.pdf")
    done = present(page)

    # The server ends; another one opens the case, and all is there.
    app.end()
    with served(tmp_path / "again.log", environment=records) as again:
        page.goto(f"{again.url}/review")
        by_keyboard(page, button(page, "Open"))
        page.locator(".desk .box").first.wait_for(timeout=WAIT_MS)
        assert counts_said(page) == expected(after_k, after_n)
        assert counted(present(page)) == counted(done)
        page.get_by_text("Version 1: Reviewed by").wait_for(timeout=WAIT_MS)
        tab_to(page, page.locator(".desk .stage"))
        keys(page, "Control+z")
        heard(page)
        left = [cell for cell in cells(page) if cell["state"] == "suggested"]
        assert len(left) == 1, "what was done before the restart can be undone, too"
        page.get_by_text("an earlier version").wait_for(timeout=WAIT_MS)


def counted(found: dict[int, dict[str, Any]]) -> dict[int, tuple[Any, ...]]:
    """Of each cell what people see; `crop` is only where its picture lies."""
    return {
        number: (cell["label"], cell["suggested"], cell["confidence"], cell["state"], cell["box"])
        for number, cell in found.items()
    }


def test_the_same_by_touch_on_a_phone(
    browser: Any, app: Served, smear: Path, tmp_path: Path, records: dict[str, str]
) -> None:
    phone = browser.new_context(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        accept_downloads=True,
        reduced_motion="reduce",
    )
    page = phone.new_page()
    try:
        upload(page, app.url, smear)
        page.locator(".st-key-allcell-phone-menu").get_by_role("link", name="Review").tap()
        page.locator(".desk[data-page=review] .box").first.wait_for(timeout=WAIT_MS)
        heard(page)
        wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert wide <= 390, "nothing sticks out"
        before = cells(page)
        n, blasts = len(before), sum(cell["label"] == "blast" for cell in before)
        first, second = tappable(page, before)
        bar = page.locator(".thumbbar")

        tap(page, first["number"])
        assert bar.bounding_box()["y"] > 600, "at the thumb"
        other = "healthy" if first["label"] == "blast" else "blast"
        bar.locator(f"[data-label={other}]").tap()
        k = blasts + (1 if other == "blast" else -1)
        assert counts_said(page) == expected(int(other == "blast"), 1)
        tap(page, second["number"])
        bar.get_by_role("button", name="Remove").tap()
        k -= second["label"] == "blast"
        # A missed one: the button, then the place.
        bar.get_by_role("button", name="Add a box").tap()
        stage = page.locator(".desk .stage").bounding_box()
        page.touchscreen.tap(stage["x"] + 30, stage["y"] + stage["height"] / 2)
        bar.locator("[data-label=blast]").tap()
        added = max(cells(page), key=lambda cell: cell["number"])
        assert (added["number"], added["label"]) == (n + 1, "blast")
        assert added["suggested"] is None
        k += 1
        said = counts_said(page)
        for _ in range(4):
            bar.get_by_role("button", name="Undo").tap()
        assert counts_said(page) == "Confirmed blasts: none reviewed"
        assert sum(cell["state"] == "suggested" for cell in cells(page)) == n
        for _ in range(4):
            bar.get_by_role("button", name="Redo").tap()
        assert counts_said(page) == said
        heard(page)

        # Too early: it says what is missing.
        button(page, "Keep this case").tap()
        type_by_touch(page, "Label", "Phone 7")
        button(page, "Keep").tap()
        page.get_by_text("saved", exact=False).first.wait_for(timeout=WAIT_MS)
        type_by_touch(page, "Printed name", "Dr B. Thumb")
        button(page, "Sign").tap()
        page.get_by_text("cannot be signed yet").wait_for(timeout=WAIT_MS)

        page.locator(".desk .stage").evaluate("e => e.scrollIntoView({block: 'center'})")
        for _ in range(n - 2):
            bar.get_by_role("button", name="Next uncertain").tap()
            bar.get_by_role("button", name="Confirm").tap()
            if not any(cell["state"] == "suggested" for cell in cells(page)):
                break
        assert counts_said(page) == expected(k, n)
        heard(page)
        button(page, "Sign").tap()
        page.get_by_text("Version 1: Reviewed by").wait_for(timeout=WAIT_MS)
        check_files(page, by_touch, k, n, "Dr B. Thumb", tmp_path / "report.pdf")
        done = present(page)

        app.end()
        with served(tmp_path / "again.log", environment=records) as again:
            page.goto(f"{again.url}/review")
            button(page, "Open").tap()
            page.locator(".desk .box").first.wait_for(timeout=WAIT_MS)
            heard(page)
            assert counts_said(page) == expected(k, n)
            assert counted(present(page)) == counted(done)
            page.get_by_text("Version 1: Reviewed by").wait_for(timeout=WAIT_MS)
    finally:
        phone.close()


def type_by_touch(page: Page, label: str, text: str) -> None:
    field_called(page, label).tap()
    page.keyboard.type(text)
    page.keyboard.press("Enter")  # of the keyboard on the screen
    page.wait_for_timeout(300)
    heard(page)


def tappable(page: Page, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two cells whose middle lies under no other box."""
    free = page.locator(".desk .box").evaluate_all(
        """groups => groups.filter(g => {
          const at = g.getBoundingClientRect();
          const [x, y] = [at.x + at.width / 2, at.y + at.height / 2];
          const hit = others => others.filter(o => {
            const r = o.getBoundingClientRect();
            return r.left <= x && x <= r.right && r.top <= y && y <= r.bottom;
          }).length;
          return hit(groups) === 1;
        }).map(g => Number(g.dataset.number))"""
    )
    return [cell for cell in found if cell["number"] in free][:2]


def tap(page: Page, number: int) -> None:
    heard(page)  # the server's answer draws the boxes anew
    box = page.locator(f".desk .box[data-number='{number}']")
    page.locator(".desk .stage").evaluate("e => e.scrollIntoView({block: 'center'})")
    place = box.bounding_box()
    assert place is not None
    page.touchscreen.tap(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    assert page.locator(".box.chosen").get_attribute("data-number") == str(number)


SUGGESTED = """(n) => {
  const store = window.allcellReview;
  const [field] = store.fields.values();
  const cells = [];
  for (let i = 0; i < n; i++) {
    const [x, y] = [20 + 50 * (i % 30), 20 + 60 * Math.floor(i / 30)];
    const kind = i % 3 ? "healthy" : "blast";
    const score = 0.4 + 0.55 * i / n;
    cells.push([i + 1, kind, score, kind, "suggested", x, y, x + 40, y + 40, null]);
  }
  // As if another review came: nothing of it is told to the server.
  store.send = null;
  store.adopt({epoch: "made-up", seen: 0, undo: 0, redo: 0, labels: store.labels, all: true,
               fields: [{...field, cells, crops: null}]});
}"""


def test_a_hundred_cells_take_under_a_minute_and_a_half(
    page: Page, app: Served, smear: Path
) -> None:
    """Three keys a second, ten of the cells wrong, no waiting."""
    upload(page, app.url, smear)
    to_review(page)
    page.evaluate(SUGGESTED, 100)
    page.locator(".desk .stage").focus()
    start = time.monotonic()
    keys(page, " ")
    pressed = 1
    for n in range(100):
        key = "s" if n % 10 == 5 else "Enter"
        page.keyboard.press(key)
        pressed += 1
        time.sleep(max(0.0, start + pressed / 3 - time.monotonic()))
    took_s = time.monotonic() - start
    assert took_s < 90, f"{took_s:.0f} s"
    now = cells(page)
    assert sum(cell["state"] == "confirmed" for cell in now) == 100
    assert sum(cell["label"] == "smudge" for cell in now) == 10


def test_gallery_selects_drags_and_leads_to_the_field(page: Page, app: Served, smear: Path) -> None:
    upload(page, app.url, smear)
    to_review(page)
    page.get_by_role("button", name="Gallery").click()
    blasts = page.locator(".bin[data-label=blast] .tile")
    many = blasts.count()
    blasts.nth(0).click()
    page.keyboard.down("Shift")
    blasts.nth(3).click()
    page.keyboard.up("Shift")
    assert page.locator(".tile.marked").count() == 4
    from_, to = (
        blasts.nth(1).bounding_box(),
        page.locator(".bin[data-label=healthy]").bounding_box(),
    )
    assert from_ is not None
    assert to is not None
    page.mouse.move(from_["x"] + 20, from_["y"] + 20)
    page.mouse.down()
    page.mouse.move(to["x"] + 60, to["y"] + 12, steps=6)
    page.mouse.up()
    assert blasts.count() == many - 4
    page.keyboard.press("Control+z")
    assert blasts.count() == many, "one edit, one undo"
    # A frame around the first two.
    place = blasts.nth(0).bounding_box()
    assert place is not None
    page.mouse.move(place["x"] - 6, place["y"] - 6)
    page.mouse.down()
    page.mouse.move(place["x"] + 120, place["y"] + 60, steps=6)
    page.mouse.up()
    assert page.locator(".tile.marked").count() == 2
    page.keyboard.press("u")
    assert page.locator(".bin[data-label=unidentified] .tile").count() == 2
    # Into the field and back.
    chosen = blasts.nth(0).get_attribute("data-key")
    blasts.nth(0).dblclick()
    page.locator(".desk .box.chosen").wait_for(timeout=WAIT_MS)
    assert page.evaluate("window.allcellReview.chosen") == chosen
    page.keyboard.press("Escape")
    assert page.locator(".gallery").is_visible()
    page.get_by_label("Confirm all from confidence").fill("0.5")
    page.locator(".gallerytools button").click()
    assert not [c for c in cells(page) if c["state"] == "suggested" and c["confidence"] >= 0.5]
    heard(page)
