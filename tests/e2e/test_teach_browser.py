"""A laboratory is taught in Chromium: from kept cases to its own model, though the tab is closed.

Eight rendered fields of a stain that no shipped model was trained on. The training is as short as
can be: what it learns does not matter here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from allcell.own.shelf import Shelf
from allcell.records.store import CaseStore
from allcell.synth.spec import Stain
from tests.review_browser import by_keyboard, tab_to
from tests.served import Served, served
from tests.teaching_cases import keep

if TYPE_CHECKING:
    from playwright.sync_api import Page

WAIT_MS = 240_000
STAIN = Stain(strength=1.7, hue=1, red_strength=1.9, red_hue=1, pallor=0, haze=0.9)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where the server keeps all."""
    folder = tmp_path / "data"
    store = CaseStore(folder)
    # Two cases are held out in turn: the fewest trainings.
    for case in range(2):
        keep(store, 4, f"Patient {case + 1}", first=4 * case, stain=STAIN)
    return folder


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
    page.goto(f"{app.url}/review")
    page.get_by_text("Choose fields and begin").click(timeout=WAIT_MS)
    page.get_by_text("Enough to begin.").wait_for(timeout=WAIT_MS)
    page.get_by_text("8 fields with 24 blasts").wait_for()
    tab_to(page, page.get_by_role("textbox", name="Name of the model"))
    page.keyboard.type("Klinikum A")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_text("Keep it even if it is not better").click()
    page.wait_for_timeout(500)
    page.keyboard.press("Escape")
    by_keyboard(page, page.get_by_role("button", name="See how long it takes"))
    page.get_by_text(re.compile(r"About .* on this computer\.")).wait_for(timeout=WAIT_MS)
    by_keyboard(page, page.get_by_role("button", name="Start", exact=True))
    page.get_by_text(re.compile(r"\d of \d, about .* left")).wait_for(timeout=WAIT_MS)

    context = page.context
    page.close()
    page = context.new_page()
    page.goto(f"{app.url}/review")
    page.get_by_role("button", name="Stop", exact=True).or_(
        page.get_by_role("button", name="Report (JSON)")
    ).wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name="Report (JSON)").wait_for(timeout=WAIT_MS)
    row = page.get_by_role("row", name=re.compile("^Blasts, overall"))
    before, after = (
        float(text) for text in re.findall(r"\d\.\d\d", row.inner_text().split("(AP)")[1])[:2]
    )
    assert 0 <= before <= 1
    assert 0 <= after <= 1
    page.get_by_text(re.compile("On 8 fields that it had not seen")).wait_for()
    [model] = Shelf(data / "models").models()
    assert model.card.name == "Klinikum A"

    by_keyboard(page, page.get_by_role("button", name="Use it on Detect"))
    page.get_by_role("button", name="Many blasts (synthetic)").click(timeout=WAIT_MS)
    page.get_by_text("Blasts suggested:").wait_for(timeout=WAIT_MS)
    page.locator(f".st-key-detect-confidence-{model.card.id}").wait_for(timeout=WAIT_MS)
    assert not page.get_by_test_id("stException").count()
