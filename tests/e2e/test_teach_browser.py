"""A laboratory is taught in Chromium: from eight fields on Detect to its own model, used on Live.

The fields are those of the unknown stain that Detect offers; every cell is reviewed as its truth
says. The training is as short as can be, and the quick one: what it learns does not matter here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from allcell.detections import Detections
from allcell.own.shelf import Shelf
from allcell.records.kept import Actor
from allcell.records.listing import list_cases
from allcell.records.store import CaseStore
from allcell.synth.field import render
from allcell.synth.samples import SEPIA, TAUGHT
from tests.e2e.live_video import start
from tests.review_browser import by_keyboard, cells, heard, review_pictures, tab_to, to_review
from tests.served import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Page

WAIT_MS = 240_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where the server keeps all."""
    return tmp_path / "data"


@pytest.fixture
def app(tmp_path: Path, data: Path) -> Iterator[Served]:
    """A server of its own."""
    environment = {
        "ALLCELL_DATA_DIR": str(data),
        "ALLCELL_RUNTIME": "onnx",
        "ALLCELL_TEACHING_TILES": "16",
    }
    with served(tmp_path / "app.log", environment=environment) as running:
        yield running


def test_a_laboratory_is_taught_and_its_model_used(page: Page, app: Served, data: Path) -> None:
    truths = [render(SEPIA.field(n)).truth for n in range(1, TAUGHT + 1)]
    blasts, healthy = (sum(int((one.class_id == c).sum()) for one in truths) for c in (0, 1))
    review(page, app, truths)
    [line] = list_cases(CaseStore(data), Actor("reviewer"))
    assert (line.fields, line.cells, line.unreviewed) == (TAUGHT, blasts + healthy, 0)

    begin(page, f"{TAUGHT} fields with {blasts} blasts and {healthy} healthy white cells.")
    context = page.context
    page.close()
    page = context.new_page()
    page.goto(f"{app.url}/review", timeout=WAIT_MS)
    page.get_by_role("button", name="Stop", exact=True).or_(
        page.get_by_role("button", name="Report (JSON)")
    ).wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name="Report (JSON)").wait_for(timeout=WAIT_MS)
    row = page.get_by_role("row", name=re.compile("^Blasts, overall"))
    before, after = (
        float(text) for text in re.findall(r"\d\.\d\d", row.inner_text().split("(AP)")[1])[:2]
    )
    assert 0 <= before < 0.75, "the model as it is does not know this stain"
    assert 0 <= after <= 1
    page.get_by_text(re.compile("On 8 fields that it had not seen")).wait_for()
    [model] = Shelf(data / "models").models()
    assert model.card.name == "Klinikum A"

    by_keyboard(page, page.get_by_role("button", name="Use it on Detect"))
    page.get_by_role("button", name="Many blasts (synthetic)").click(timeout=WAIT_MS)
    page.get_by_text("Blasts suggested:").wait_for(timeout=WAIT_MS)
    page.locator(f".st-key-detect-confidence-{model.card.id}").wait_for(timeout=WAIT_MS)

    page.get_by_role("link", name="Review", exact=True).locator("visible=true").first.click()
    by_keyboard(page, page.get_by_role("button", name="Use it on Live"))
    page.get_by_role("heading", name="Live microscope").wait_for(timeout=WAIT_MS)
    video = start(page)
    page.get_by_text(re.compile(r"Klinikum A\. ONNX Runtime")).wait_for(timeout=WAIT_MS)
    video.get_by_role("button", name="Stop").click()
    assert not page.get_by_test_id("stException").count()


def review(page: Page, app: Served, truths: list[Detections]) -> None:
    """Open the eight fields, correct and confirm every cell, and keep them as a case."""
    page.goto(app.url, timeout=WAIT_MS)
    page.get_by_role("button", name=SEPIA.title).click(timeout=WAIT_MS)
    page.get_by_text("Stain, light or camera are unlike").first.wait_for(timeout=WAIT_MS)
    page.locator(".desk .box").first.wait_for(timeout=WAIT_MS)
    heard(page)
    to_review(page)
    review_pictures(page, truths)
    assert all(cell["state"] != "suggested" for cell in cells(page))
    by_keyboard(page, page.get_by_role("button", name="Keep this case"))
    tab_to(page, page.get_by_role("textbox", name="Label", exact=True))
    page.keyboard.type("First smear")
    page.keyboard.press("Tab")
    by_keyboard(page, page.get_by_role("button", name="Keep", exact=True))
    page.get_by_text("saved", exact=False).first.wait_for(timeout=WAIT_MS)


def begin(page: Page, counted: str) -> None:
    """From the kept case to a teaching whose progress is seen."""
    page.get_by_text("Choose fields and begin").click(timeout=WAIT_MS)
    page.get_by_text("Enough to begin.").wait_for(timeout=WAIT_MS)
    page.get_by_text(counted).wait_for()
    tab_to(page, page.get_by_role("textbox", name="Name of the model"))
    page.keyboard.type("Klinikum A")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_text("Quick: its last step only").click()
    page.get_by_text("Keep it even if it is not better").click()
    page.wait_for_timeout(500)
    page.keyboard.press("Escape")
    by_keyboard(page, page.get_by_role("button", name="See how long it takes"))
    page.get_by_text(re.compile(r"About .* on this computer\.")).wait_for(timeout=WAIT_MS)
    by_keyboard(page, page.get_by_role("button", name="Start", exact=True))
    page.get_by_text(re.compile(r"\d of \d, about .* left")).wait_for(timeout=WAIT_MS)
