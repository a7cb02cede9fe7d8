"""How fast the Compare page is in Chromium: opening, and following the threshold.

Run by hand, with nothing else running: `python tests/e2e/measure_compare.py`. Browser and server
share the processor. The page is opened once to warm the server up, then timed several times. Then
the slider takes single steps with all models; each is timed from the key press to the first frame
in which the marks of the third chart are at the new threshold. (On the first two charts a step may
move no mark: they show scores, not the threshold.)
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.conftest import CHROMIUM, CHROMIUM_FLAGS  # noqa: E402
from tests.e2e.measure_live import serve_anywhere  # noqa: E402

OPENINGS, STEPS = 5, 20
WATCH = """
() => {
  const marks = () => [...document.querySelectorAll(".js-plotly-plot")[2]
    .querySelectorAll(".scatterlayer .point")].map((one) => one.getAttribute("transform")).join();
  window.allcellTook = null;
  document.addEventListener("keydown", () => {
    const before = marks(), begin = performance.now();
    const look = () => {
      if (marks() !== before || performance.now() - begin > 3000)
        window.allcellTook = performance.now() - begin;
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, {once: true, capture: true});
}
"""


def open_once(page: Page, url: str) -> float:
    """Seconds until the table can be downloaded."""
    started = time.monotonic()
    page.goto(f"{url}/compare")
    page.get_by_text("Download as CSV").wait_for(timeout=60_000)
    return time.monotonic() - started


def step(page: Page, key: str) -> float:
    """Milliseconds from a key to the marks."""
    page.evaluate(WATCH)
    page.keyboard.press(key)
    page.wait_for_function("() => window.allcellTook !== null", timeout=10_000)
    took = float(page.evaluate("() => window.allcellTook"))
    page.wait_for_timeout(600)
    return took


def main() -> None:
    """Both, as JSON."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serve_anywhere(0, Path(folder) / "log") as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        first_s = open_once(page, url)
        opened_s = [open_once(page, url) for _ in range(OPENINGS)]
        page.get_by_role("tab", name="Curves and threshold").click()
        page.get_by_role("slider").wait_for(timeout=60_000)
        page.locator(".js-plotly-plot").nth(3).wait_for(timeout=60_000)
        page.wait_for_timeout(3000)
        page.get_by_role("slider").focus()
        steps_ms = [step(page, "ArrowRight") for _ in range(STEPS)]
        browser.close()
    result = {
        "first_opening_s": round(first_s, 2),
        "opening_s": round(statistics.median(opened_s), 2),
        "threshold_step_ms": {
            "median": round(statistics.median(steps_ms)),
            "p95": round(float(np.percentile(steps_ms, 95))),
        },
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
