"""An own-laboratory model in Chromium: read from a file, used on every page, deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from allcell.own.shelf import Shelf
from allcell.own.transfer import export_model
from tests.e2e.live_video import frames_shown, start
from tests.own_models import card, taught
from tests.served import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Page

WAIT_MS = 60_000


@pytest.fixture
def kept(tmp_path: Path) -> Shelf:
    """The shelf of the server, with one model that was taught there."""
    shelf = Shelf(tmp_path / "data" / "models")
    shelf.add(taught(), card("Klinikum A"))
    return shelf


@pytest.fixture
def app(tmp_path: Path, kept: Shelf) -> Iterator[Served]:
    """A server of its own."""
    environment = {"ALLCELL_DATA_DIR": str(kept.folder.parent), "ALLCELL_RUNTIME": "onnx"}
    with served(tmp_path / "app.log", environment=environment) as running:
        yield running


def choose(page: Page, name: str) -> None:
    """Pick a model in the page's list."""
    box = page.get_by_role("combobox", name="Model")
    box.scroll_into_view_if_needed(timeout=WAIT_MS)
    page.wait_for_timeout(500)
    box.click()
    page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")


def test_a_model_of_the_laboratory_is_used_on_every_page(
    page: Page, app: Served, kept: Shelf, tmp_path: Path
) -> None:
    elsewhere = Shelf(tmp_path / "elsewhere").add(taught(0.05), card("Klinikum B"))
    export_model(elsewhere, tmp_path / "b.zip")

    page.goto(f"{app.url}/models")
    page.get_by_text("For this laboratory").first.wait_for(timeout=WAIT_MS)
    page.get_by_text("Add a model from a file").click()
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(
        tmp_path / "b.zip"
    )
    page.get_by_role("button", name="Add it").click(timeout=WAIT_MS)
    page.get_by_text("Klinikum B can now be chosen on every page.").wait_for(timeout=WAIT_MS)
    page.get_by_role("heading", name="Klinikum B").wait_for(timeout=WAIT_MS)

    page.get_by_role("link", name="Detect", exact=True).locator("visible=true").first.click()
    page.get_by_role("button", name="Many blasts (synthetic)").click(timeout=WAIT_MS)
    page.get_by_text("Blasts suggested:").wait_for(timeout=WAIT_MS)
    for one in kept.models():
        choose(page, one.card.name)
        page.locator(f".st-key-detect-confidence-{one.card.id}").wait_for(timeout=WAIT_MS)
        page.get_by_text("Blasts suggested:").wait_for(timeout=WAIT_MS)
        assert not page.get_by_test_id("stException").count()

    page.get_by_role("link", name="Live", exact=True).locator("visible=true").first.click()
    page.get_by_role("heading", name="Live microscope").wait_for(timeout=WAIT_MS)
    video = start(page)
    for one in kept.models():
        choose(page, one.card.name)
        page.get_by_text(re.compile(rf"{one.card.name}\. ONNX Runtime")).wait_for(timeout=WAIT_MS)
        shown = frames_shown(video)
        page.wait_for_timeout(1000)
        assert frames_shown(video) > shown, f"the video stands still with {one.card.name}"
    video.get_by_role("button", name="Stop").click()

    page.get_by_role("link", name="Models", exact=True).locator("visible=true").first.click()
    page.get_by_role("heading", name="Klinikum B").wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name="Delete", exact=True).last.click()
    page.get_by_role("button", name="Delete this model").click()
    page.get_by_text("Klinikum B is deleted").wait_for(timeout=WAIT_MS)
    assert [one.card.name for one in kept.models()] == ["Klinikum A"]
    assert not page.get_by_test_id("stException").count()
