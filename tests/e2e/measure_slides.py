"""How fast a slide answers: a viewport of 1600x900 that is dragged over 60,000 x 40,000 pixels.

Measured in Chromium, in the page itself: from the last movement of a drag until all of the view is
drawn (picture), and until all of it was searched and its boxes are drawn. Each drag uncovers a new
section. Beside it the memory of the server while two viewers have the slide open, and the time from
choosing the slide to its first picture.

Run from the repository's root: python tests/e2e/measure_slides.py
A small try: python tests/e2e/measure_slides.py --size 8000 6000 --pans 5
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from allcell.models.registry import get_spec
from allcell.synth.scan import SmearSpec, write_slide
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS
from tests.served import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTH_PX, HEIGHT_PX = 1600, 900
#: What is asked for, in milliseconds: the median; the 95th percentile may be twice that.
PICTURE_MS, BOXES_MS, FIRST_PICTURE_MS, MEMORY_MB = 150, 400, 1500, 700
_WAIT_MS = 60_000

#: The times of the newest marks of `slides/slide.js`.
MARKS = """() => Object.fromEntries(["moved", "drawn", "searched"].map(
  what => [what, performance.getEntriesByName("allcell-slide-" + what).at(-1)?.startTime ?? -1]))"""
#: Both have come since the view moved.
ARRIVED = f"""() => {{
  const {{ moved, drawn, searched }} = ({MARKS})();
  return drawn >= moved && searched >= moved;
}}"""
#: Counts answers to older views than the one before.
WATCH = """root => {
  window.olderAnswers = 0;
  let newest = -1;
  new MutationObserver(() => {
    const number = Number(root.dataset.view);
    if (number < newest) window.olderAnswers += 1;
    newest = Math.max(newest, number);
  }).observe(root, { attributes: true, attributeFilter: ["data-view"] });
}"""


def open_slide(browser: Browser, app: Served, name: str) -> tuple[Page, float]:
    """The page with the slide, its stage as large as asked for; ms to the first picture."""
    page = browser.new_page(viewport={"width": WIDTH_PX + 480, "height": HEIGHT_PX + 420})
    page.goto(f"{app.url}/slides")
    chooser = page.get_by_role("combobox").first
    chooser.wait_for(timeout=_WAIT_MS)
    chooser.click()
    begun = time.perf_counter()
    page.get_by_role("option", name=name).click()
    page.locator(".slide[data-drawn=true]").wait_for(timeout=_WAIT_MS)
    first_ms = 1e3 * (time.perf_counter() - begun)
    page.locator(".slide").evaluate(WATCH)
    # What stands beside the slide goes below it, to make room.
    page.locator(".slide").evaluate("root => { root.style.gridTemplateColumns = '1fr'; }")
    page.locator(".slide .stage").evaluate(
        f"stage => {{ stage.style.width = '{WIDTH_PX}px'; stage.style.height = '{HEIGHT_PX}px'; }}"
    )
    return page, first_ms


def zoom_to(page: Page, scale: float) -> None:
    """Zoom with the wheel until a pixel of the slide is about `scale` wide on the screen."""
    stage = page.locator(".slide .stage").bounding_box()
    assert stage is not None
    page.mouse.move(stage["x"] + 0.35 * WIDTH_PX, stage["y"] + 0.5 * HEIGHT_PX)
    for _ in range(200):
        now = float(page.locator(".slide").get_attribute("data-scale") or 0)
        step = 400 * np.log(scale / now)
        if abs(step) < 1:
            return
        page.mouse.wheel(0, -float(np.clip(step, -240, 240)))
        page.wait_for_timeout(40)


def pan(page: Page, n: int) -> tuple[float, float]:
    """Drag to a new section: milliseconds to the picture, and to all boxes."""
    stage = page.locator(".slide .stage").bounding_box()
    assert stage is not None
    # To and fro in rows, each view beside or below the one before; the smear is wide enough.
    across = 0.94 * WIDTH_PX
    row, column = divmod(n, 6)
    dx, dy = (across if row % 2 else -across, 0.0) if column else (0.0, -0.94 * HEIGHT_PX)
    x = stage["x"] + 0.5 * (WIDTH_PX - dx)
    y = stage["y"] + 0.5 * (HEIGHT_PX - dy)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()
    page.wait_for_function(ARRIVED, timeout=_WAIT_MS)
    marks = page.evaluate(MARKS)
    page.wait_for_timeout(150)
    return marks["drawn"] - marks["moved"], marks["searched"] - marks["moved"]


def measure(size_px: tuple[int, int], pans: int) -> dict[str, Any]:
    """All of it."""
    with tempfile.TemporaryDirectory() as folder:
        slide = Path(folder) / "slides" / "rendered.tif"
        slide.parent.mkdir()
        spec = SmearSpec(*size_px, seed=1)
        write_slide(slide, spec)
        scale = get_spec("live").red_cell_px / spec.red_cell_px
        environment = {"ALLCELL_SLIDES_DIR": str(slide.parent)}
        with (
            served(Path(folder) / "log", environment=environment) as app,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            with app.watched():
                other, _ = open_slide(browser, app, slide.name)
                zoom_to(other, scale)
                for n in range(min(pans, 12)):
                    pan(other, n)
                page, first_ms = open_slide(browser, app, slide.name)
                zoom_to(page, scale)
                page.wait_for_function(ARRIVED, timeout=_WAIT_MS)
                times = [pan(page, n) for n in range(pans)]
            older = page.evaluate("() => window.olderAnswers")
            boxes = page.locator(".slide .box").count()
            browser.close()
    found: dict[str, Any] = {
        "slide_px": list(size_px),
        "view_px": [WIDTH_PX, HEIGHT_PX],
        "pans": pans,
        "first_picture_ms": round(first_ms),
        "server_peak_mb": round(app.peak_mb),
        "answers_to_older_views": older,
        "boxes_in_last_view": boxes,
    }
    for what, values in zip(("picture", "boxes"), zip(*times, strict=True), strict=True):
        found[f"{what}_ms"] = {
            "median": round(statistics.median(values)),
            "p95": round(float(np.percentile(values, 95))),
        }
    return found


def wrong_with(found: dict[str, Any]) -> list[str]:
    """What is not as fast, or as small, as asked for."""
    limits = {
        "picture, median": (found["picture_ms"]["median"], PICTURE_MS),
        "picture, p95": (found["picture_ms"]["p95"], 2 * PICTURE_MS),
        "boxes, median": (found["boxes_ms"]["median"], BOXES_MS),
        "boxes, p95": (found["boxes_ms"]["p95"], 2 * BOXES_MS),
        "first picture": (found["first_picture_ms"], FIRST_PICTURE_MS),
        "server's memory": (found["server_peak_mb"], MEMORY_MB),
        "answers to older views": (found["answers_to_older_views"], 0),
    }
    return [f"{what}: {got}, at most {most}" for what, (got, most) in limits.items() if got > most]


def main() -> int:
    """Measure and print; the exit code says whether all limits were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, default=(60_000, 40_000), metavar=("W", "H"))
    parser.add_argument("--pans", type=int, default=60)
    chosen = parser.parse_args()
    found = measure(tuple(chosen.size), chosen.pans)
    print(json.dumps(found, indent=1))
    wrong = wrong_with(found)
    for line in wrong:
        print(f"FAILED: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
