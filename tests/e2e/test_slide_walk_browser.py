"""A slide from opening to the signed case in Chromium, with a pause and a new server in between."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from allcell.boxes import iou
from allcell.synth.scan import SmearSpec, write_slide
from tests.review_browser import CHOSEN, cells, counts_said, crops_made, download, heard, keys
from tests.served import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

WAIT_MS = 90_000
#: Few cells on much area: a sweep takes long enough to be stopped, a review does not.
SPEC = SmearSpec(14_000, 10_000, layout="monolayer", seed=4, blasts=1.5, healthy=1.5, smudges=0)


def open_slide(page: Page, app: Served) -> None:
    page.goto(f"{app.url}/slides")
    page.get_by_role("combobox").first.click(timeout=WAIT_MS)
    page.get_by_role("option", name="rendered.tif").click()
    page.locator(".slide[data-drawn=true]").wait_for(timeout=WAIT_MS)


def searched(page: Page) -> None:
    page.locator(".slide[data-drawn=true][data-done=true]").wait_for(timeout=WAIT_MS)


def by_mouse(_: Page, button: Locator) -> None:
    button.click()


def regions_done(page: Page) -> tuple[int, int]:
    """How many regions a sweep at work says it has searched, and of how many."""
    said = page.get_by_text(re.compile(r"in \d+ of \d+ regions")).first
    said.wait_for(timeout=WAIT_MS)
    done, of = re.findall(r"in (\d+) of (\d+) regions", said.inner_text())[0]
    return int(done), int(of)


def test_a_slide_becomes_a_signed_case(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "slides"
    folder.mkdir()
    truth = write_slide(folder / "rendered.tif", SPEC).truth
    environment = {"ALLCELL_SLIDES_DIR": str(folder), "ALLCELL_DATA_DIR": str(tmp_path / "records")}
    page.set_viewport_size({"width": 1280, "height": 1000})

    with served(tmp_path / "log", environment=environment) as app:
        open_slide(page, app)
        page.locator(".slide .stage").focus()
        keys(page, *["+"] * 6)
        searched(page)
        stage = page.locator(".slide .stage").bounding_box()
        assert stage is not None
        x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 300, y - 200, steps=5)
        page.mouse.up()
        page.locator(".slide[data-done=false]").wait_for(timeout=WAIT_MS)
        searched(page)

        page.get_by_role("radio", name="All").click()
        page.get_by_role("textbox", name="Keep as a case called").fill("Walk")
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Sweep", exact=True).click()
        while regions_done(page)[0] < 5:
            page.wait_for_timeout(100)
        page.get_by_role("button", name="Pause").click()
        page.get_by_text("Paused. What was found is kept.").wait_for(timeout=WAIT_MS)
        app.process.send_signal(signal.SIGKILL)
        app.process.wait()

    with served(tmp_path / "again", environment=environment) as app:
        open_slide(page, app)
        page.get_by_text("Paused. What was found is kept.").wait_for(timeout=WAIT_MS)
        page.get_by_role("button", name="Go on").click()
        done, of = regions_done(page)
        assert 5 <= done < of, "it goes on where it was"
        # Its map stands there when it has ended.
        page.get_by_text("Where they lie: the stronger").wait_for(timeout=WAIT_MS)
        page.get_by_role("link", name="Review it: case Walk").click(timeout=WAIT_MS)

        page.get_by_role("button", name="Open", exact=True).click(timeout=WAIT_MS)
        page.locator(".desk[data-page=review] .box").first.wait_for(timeout=WAIT_MS)
        crops_made(page)
        # Three are corrected, the most doubtful ones first: two get another class, one is no cell.
        removed = None
        for act in ("other", "other", "Delete"):
            keys(page, " ")
            chosen = page.evaluate(CHOSEN)
            other = {"blast": "h", "healthy": "b"}[chosen["label"]]
            keys(page, other if act == "other" else act)
            heard(page)
            removed = chosen["box"]
        for _ in range(len(truth) * 2):
            keys(page, " ")
            chosen = page.evaluate(CHOSEN)
            if chosen is None or chosen["state"] != "suggested":
                break
            keys(page, "Enter")
            heard(page)
        page.get_by_text("Every cell is reviewed.").wait_for(timeout=WAIT_MS)
        page.get_by_role("textbox", name="Printed name").fill("Dr A. Reviewer")
        page.keyboard.press("Tab")
        heard(page)
        page.get_by_role("button", name="Sign", exact=True).click()
        page.get_by_text("Version 1: Reviewed by").wait_for(timeout=WAIT_MS)
        said = re.findall(r"(\d+) of (\d+)", counts_said(page))[0]
        assert cells(page)
        text = download(page, "GeoJSON for QuPath", by_mouse)

    features = json.loads(text)["features"]
    found = np.array([one.bounds for one in shapely.from_geojson(text).geoms], np.float32)
    names = [one["properties"]["classification"]["name"] for one in features]
    assert (str(names.count("blast")), str(len(names))) == said
    overlap = iou(truth.xyxy, found)
    assert removed is not None
    # Pixels of the slide: each cell at its place, once.
    assert (overlap.max(axis=1) > 0.4).mean() > 0.85
    assert (overlap.max(axis=0) > 0.4).mean() > 0.85
    assert ((overlap > 0.4).sum(axis=1) <= 1).all()
    assert found[:, 2].max() > 0.8 * SPEC.width_px
