"""The page Slides in Chromium, with the shipped model: a slide is opened, moved over, answered."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from allcell.boxes import iou
from allcell.detections import FloatArray
from allcell.synth.scan import SmearSpec, WrittenSlide, write_slide
from tests.served import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

WAIT_MS = 60_000
SPEC = SmearSpec(6000, 4500, layout="monolayer", seed=5)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> WrittenSlide:
    """A rendered slide and the truth about it."""
    folder = tmp_path_factory.mktemp("slides")
    return write_slide(folder / "rendered.tif", SPEC)


@pytest.fixture(scope="module")
def app(slide: WrittenSlide, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An app that may open it."""
    log = tmp_path_factory.mktemp("log") / "log"
    with served(log, environment={"ALLCELL_SLIDES_DIR": str(slide.path.parent)}) as running:
        yield running


@pytest.fixture
def opened(page: Page, app: Served) -> Page:
    """The page with the slide."""
    page.goto(f"{app.url}/slides")
    page.get_by_role("combobox").first.click(timeout=WAIT_MS)
    page.get_by_role("option", name="rendered.tif").click()
    page.locator(".slide[data-drawn=true]").wait_for(timeout=WAIT_MS)
    return page


def zoom(page: Page, times: int) -> None:
    """Zoom to the middle of the view with the keyboard."""
    page.locator(".slide .stage").focus()
    for _ in range(times):
        page.keyboard.press("+")


def searched(page: Page) -> None:
    """Wait until all of the view is drawn and searched."""
    page.locator(".slide[data-drawn=true][data-done=true]").wait_for(timeout=WAIT_MS)


def settled(page: Page) -> str | None:
    """Wait until the view has come to rest, too, and give its number."""
    number = None
    while True:
        searched(page)
        now = page.locator(".slide").get_attribute("data-view")
        if now == number:
            return now
        number = now
        page.wait_for_timeout(500)


def seen(page: Page) -> dict[str, float]:
    """What the newest question for cells asked for."""
    asked = page.evaluate(
        """() => performance.getEntriesByType("resource").map(e => e.name)
              .filter(n => n.includes("/cells?")).at(-1)"""
    )
    return {name: float(values[0]) for name, values in parse_qs(urlsplit(asked).query).items()}


def drawn(page: Page) -> FloatArray:
    """Boxes in the document, in pixels of the slide (N, 4)."""
    found: list[list[float]] = page.locator(".slide .box .line").evaluate_all(
        """lines => lines.map(line => ["x", "y", "width", "height"]
              .map(name => Number(line.getAttribute(name))))"""
    )
    boxes = np.array(found, np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def in_view(boxes: FloatArray, view: dict[str, float]) -> Any:
    """Which boxes have their centre well within a view."""
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    edge = 40
    across = (x > view["x"] + edge) & (x < view["x"] + view["width"] - edge)
    return across & (y > view["y"] + edge) & (y < view["y"] + view["height"] - edge)


def pan(page: Page, dx: float, dy: float) -> None:
    """Drag the slide."""
    stage = page.locator(".slide .stage").bounding_box()
    assert stage is not None
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(x - dx / 2, y - dy / 2)
    page.mouse.down()
    page.mouse.move(x + dx / 2, y + dy / 2, steps=5)
    page.mouse.up()


def test_sections_answer_as_the_view_moves(opened: Page, slide: WrittenSlide) -> None:
    """The cells of the rendering are boxed where they are; what was seen is counted on."""
    page = opened
    page.locator(".slide .state", has_text="Zoom in to look for cells").wait_for(timeout=WAIT_MS)
    assert page.locator(".slide .box").count() == 0
    zoom(page, 5)
    searched(page)
    for _ in range(2):
        view, boxes = seen(page), drawn(page)
        truth = slide.truth.xyxy[in_view(slide.truth.xyxy, view)]
        assert len(truth) > 5
        found = iou(truth, boxes).max(axis=1) > 0.4
        assert found.mean() > 0.8
        pan(page, -500, -150)
        searched(page)
    assert seen(page)["x"] > view["x"]
    counts = page.locator(".slide-counts section").all_inner_texts()
    assert [text.split("\n")[0] for text in counts] == ["In this view", "Seen so far"]
    here, so_far = (int(re.findall(r"\n(\d+)\n", text)[0]) for text in counts)
    assert so_far >= here
    assert "exact 95" in counts[1]
    assert "of the slide searched" in counts[1]


def test_no_older_view_is_drawn_over_the_newest(opened: Page) -> None:
    """However late its answer comes; what nobody waits for is given up."""
    page = opened
    zoom(page, 5)
    searched(page)
    held: list[Route] = []
    page.route("**/cells?*", lambda route: held.append(route))
    pan(page, -400, 0)
    page.wait_for_timeout(400)
    assert held, "the view was not asked for"
    page.unroute("**/cells?*")
    pan(page, -400, 0)
    number = settled(page)
    boxes = drawn(page)
    for route in held:
        late = {"number": 0, "serial": 9e9, "done": True, "cells": [[0, 0, 50, 50, 1, 0]]}
        try:
            route.fulfill(body=json.dumps(late))
        except Exception:  # given up by the page
            continue
    page.wait_for_timeout(300)
    assert page.locator(".slide").get_attribute("data-view") == number
    assert np.array_equal(drawn(page), boxes)


def test_the_slider_moves_boxes_and_counts(opened: Page) -> None:
    """Boxes follow at once, and nothing is searched again."""
    page = opened
    zoom(page, 5)
    searched(page)
    before = page.locator(".slide .box").count()
    slider = page.get_by_role("slider", name="Lowest confidence")
    slider.focus()
    for _ in range(45):
        page.keyboard.press("ArrowRight")
    # Streamlit tells the server once the keys have rested; then counts are no longer greyed.
    page.locator(".slide-counts:not([data-outdated])").wait_for(timeout=WAIT_MS)
    end = time.monotonic() + WAIT_MS / 1e3
    while page.locator(".slide .box").count() >= before and time.monotonic() < end:
        page.wait_for_timeout(100)
    assert page.locator(".slide .box").count() < before


def test_cells_can_be_stepped_through_by_key(opened: Page) -> None:
    """Without a mouse: each is marked, shown large and read out."""
    page = opened
    zoom(page, 5)
    searched(page)
    page.keyboard.press("n")
    card = page.locator(".slide .card")
    card.wait_for()
    assert re.search(r"Confidence 0\.\d\d\. [\d.]+ x [\d.]+ µm", card.inner_text())
    assert "1 of" in page.locator(".slide .aloud").inner_text()
    page.keyboard.press("n")
    assert "2 of" in page.locator(".slide .aloud").inner_text()
    assert page.locator(".slide .box.chosen").count() == 1


def test_a_tile_of_another_session_is_refused(opened: Page, app: Served, browser: Any) -> None:
    """With its address, but without the cookie of the browser that opened it."""
    tile = opened.evaluate(
        """() => performance.getEntriesByType("resource").map(e => e.name)
              .find(n => n.includes("/tile/"))"""
    )
    assert opened.request.get(tile).status == 200
    with browser.new_context() as other:
        assert other.request.get(tile).status == 404


def test_the_slide_fits_a_phone(opened: Page) -> None:
    """Nothing is cut off at 390 pixels, and the slide comes before its controls."""
    page = opened
    page.set_viewport_size({"width": 390, "height": 844})
    stage: Locator = page.locator(".slide .stage")
    page.wait_for_timeout(500)
    wide = page.evaluate("() => document.scrollingElement.scrollWidth")
    assert wide <= 390
    box, model = stage.bounding_box(), page.get_by_role("combobox").first.bounding_box()
    assert box is not None
    assert model is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert box["y"] < model["y"]
