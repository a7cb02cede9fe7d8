"""Pictures of docs/teaching.md: the first hour of a laboratory, in Chromium, with rendered fields.

    python tools/teaching_pictures.py FOLDER

Opens the eight fields of an unknown stain that Detect offers, reviews them as their truth says,
teaches a model with them (minutes on two idle cores; ALLCELL_TEACHING_TILES shortens it) and writes
what a user sees into docs/teaching as WebP. No picture of a foreign data set is on any of them.
FOLDER is the data folder of the app: what was done in it, a case that is kept or a teaching that
has begun, is not done again. With `--begin` it ends once the teaching works; that goes on without.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from allcell.synth.field import render  # noqa: E402
from allcell.synth.samples import SEPIA, TAUGHT  # noqa: E402
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS  # noqa: E402
from tests.review_browser import by_keyboard, heard, review_pictures, to_review  # noqa: E402
from tests.served import served  # noqa: E402

TARGET = ROOT / "docs" / "teaching"
WIDTH_PX, HEIGHT_PX = 1280, 860
QUALITY = 78
WAIT_MS = 120_000
CARD = "[class*=st-key-teach-card-]"
FORM = "[data-testid=stExpander]:has-text('Choose fields and begin')"
LONGEST_MS = 3_600_000


def keep(page: Page, name: str, top: str = "", *, height_px: int = HEIGHT_PX) -> None:
    """Photograph the page.

    Args:
        page: The page.
        name: What the file is called.
        top: Selector of what is at the upper edge; the page as it is if empty.
        height_px: How much of it.
    """
    page.set_viewport_size({"width": WIDTH_PX, "height": height_px})
    if top:
        page.locator(top).first.evaluate(
            "e => { e.scrollIntoView({block: 'start'}); "
            "document.querySelector('[data-testid=stMain]').scrollBy(0, -70); }"
        )
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    _write(name, page.screenshot())
    page.set_viewport_size({"width": WIDTH_PX, "height": HEIGHT_PX})


def keep_part(page: Page, name: str, part: str) -> None:
    """Photograph a part of the page, without what is around it: where cases are kept, for example.

    Args:
        page: The page.
        name: What the file is called.
        part: Its selector.
    """
    page.set_viewport_size({"width": WIDTH_PX, "height": 2 * HEIGHT_PX})
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    _write(name, page.locator(part).first.screenshot())
    page.set_viewport_size({"width": WIDTH_PX, "height": HEIGHT_PX})


def _write(name: str, png: bytes) -> None:
    TARGET.mkdir(exist_ok=True)
    path = TARGET / f"{name}.webp"
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.save(path, "WEBP", quality=QUALITY, method=6)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB", flush=True)


def detected(page: Page) -> None:
    """Wait until Detect shows the boxes of a field."""
    page.locator(".desk .box").first.wait_for(timeout=WAIT_MS)
    heard(page)


def review(page: Page, url: str) -> None:
    """From the samples on Detect to a case that is kept."""
    page.goto(url)
    page.get_by_role("button", name=SEPIA.title).wait_for(timeout=WAIT_MS)
    keep_part(page, "1-sample", ".st-key-allcell-start")
    page.get_by_role("button", name=SEPIA.title).click()
    detected(page)
    keep(page, "2-detect", ".desk .stage", height_px=760)
    to_review(page)
    review_pictures(page, [render(SEPIA.field(n)).truth for n in range(1, TAUGHT + 1)])
    page.locator(".picture-chip .open").first.click()
    heard(page)
    keep(page, "3-review", ".deskhead", height_px=800)
    by_keyboard(page, page.get_by_role("button", name="Keep this case"))
    page.get_by_role("textbox", name="Label", exact=True).fill("First smear")
    page.keyboard.press("Tab")
    by_keyboard(page, page.get_by_role("button", name="Keep", exact=True))
    page.get_by_text("saved", exact=False).first.wait_for(timeout=WAIT_MS)


def begin(page: Page, url: str) -> None:
    """From the kept case to a teaching that works."""
    page.goto(f"{url}/review")
    page.get_by_text("Choose fields and begin").click(timeout=WAIT_MS)
    page.get_by_text("Enough to begin.").wait_for(timeout=WAIT_MS)
    name = page.get_by_role("textbox", name="Name of the model")
    name.fill("Sepia")
    name.press("Tab")
    keep_part(page, "4-teach", FORM)
    by_keyboard(page, page.get_by_role("button", name="See how long it takes"))
    page.get_by_text(re.compile(r"About .* on this computer\.")).wait_for(timeout=WAIT_MS)
    keep_part(page, "5-plan", CARD)
    by_keyboard(page, page.get_by_role("button", name="Start", exact=True))
    page.get_by_text(re.compile(r"\d of \d, about .* left")).wait_for(timeout=LONGEST_MS)
    page.wait_for_timeout(10_000)
    keep_part(page, "6-progress", CARD)


def after(page: Page, url: str) -> None:
    """The result, and the model on Detect."""
    page.goto(f"{url}/review")
    page.get_by_role("button", name="Report (JSON)").wait_for(timeout=LONGEST_MS)
    keep_part(page, "7-result", CARD)
    by_keyboard(page, page.get_by_role("button", name="Use it on Detect"))
    page.get_by_role("button", name=SEPIA.title).click(timeout=WAIT_MS)
    detected(page)
    keep(page, "8-detect-again", ".desk .stage", height_px=760)


def main() -> None:
    """Run the app in a folder of its own, and follow the page."""
    data = Path(sys.argv[1]).resolve()
    kept = (data / "cases.sqlite3").exists()
    begun = bool(list(data.glob("teaching/*/request.json")))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        environment = {"ALLCELL_DATA_DIR": str(data), "ALLCELL_RUNTIME": "onnx"}
        with served(Path(folder) / "app.log", environment=environment) as app:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            page = chromium.new_page(
                viewport={"width": WIDTH_PX, "height": HEIGHT_PX}, reduced_motion="reduce"
            )
            if not kept:
                review(page, app.url)
            if not begun:
                begin(page, app.url)
            if "--begin" not in sys.argv:
                after(page, app.url)
            chromium.close()


if __name__ == "__main__":
    main()
