"""Does Live give back what it takes? Start and Stop in Chromium, and tabs closed while it runs.

Run from the repository's root: `make soak`, or python tests/soak/starts.py
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import TimeoutError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conftest import CHROMIUM, CHROMIUM_FLAGS
from tests.live_loop import Held
from tests.served import Served, served
from tests.soak.kept import MOST_GROWTH, keep, usual_machine

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Page

#: Threads and file handles that may be left over.
MOST_THREADS = 5
#: Cycles before the first measurement: models, codecs and pools are made once.
_WARM = 10
_SETTLED_S = 15.0
_WAIT_S = 60.0
#: After this long without a picture Start is pressed again, if it is there.
_PATIENCE_S = 10.0
#: A process that has just ended its threads may still list them, and memory is returned at leisure.
_LOOKS = 5


def _video(page: Page) -> Frame:
    end = time.monotonic() + _WAIT_S
    while time.monotonic() < end:
        frames = [f for f in page.frames if "webrtc_streamer" in f.url and not f.is_detached()]
        if frames and frames[-1].locator("button").count():
            return frames[-1]
        page.wait_for_timeout(50)
    raise RuntimeError("the video component did not appear")


def _shown(video: Frame) -> int:
    return int(
        video.evaluate(
            "() => document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0"
        )
    )


def _open(browser: Browser, url: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/live")
    page.get_by_role("heading", name="Live microscope").wait_for(timeout=1e3 * _WAIT_S)
    page.wait_for_timeout(1000)
    small = page.get_by_role("option", name="640 x 360, fast")
    # While the page is still being built, the list closes at once.
    for _ in range(10):
        page.get_by_role("combobox").first.click()
        with suppress(TimeoutError):
            small.click(timeout=3000)
            break
    page.wait_for_timeout(1500)
    return page


def _start(page: Page) -> None:
    """Press Start and wait for some frames."""
    video = _video(page)
    video.get_by_role("button", name="Start").click(timeout=1e3 * _WAIT_S)
    begun = time.monotonic()
    pressed = begun
    while _shown(video) < 3:
        now = time.monotonic()
        if now > begun + 2 * _WAIT_S:
            raise RuntimeError("the video does not start")
        # On a busy machine the connection before may not have ended yet, and the press is lost.
        again = video.get_by_role("button", name="Start")
        if now > pressed + _PATIENCE_S and again.is_visible() and again.is_enabled():
            print("pressed Start again", flush=True)
            again.click(timeout=1e3 * _WAIT_S)
            pressed = now
        page.wait_for_timeout(50)


def _stop(page: Page) -> None:
    video = _video(page)
    video.get_by_role("button", name="Stop").click(timeout=1e3 * _WAIT_S)
    video.get_by_role("button", name="Start").wait_for(timeout=1e3 * _WAIT_S)
    # Pressing it again at once, the library still answers to the connection before.
    page.wait_for_timeout(700)


def _settled(app: Served) -> Held:
    time.sleep(_SETTLED_S)
    looks = []
    for _ in range(_LOOKS):
        looks.append(app.held())
        time.sleep(1.0)
    return Held(
        min(look.threads for look in looks),
        min(look.files for look in looks),
        min(look.memory_mb for look in looks),
    )


def soak(app: Served, cycles: int, tabs: int) -> tuple[dict[str, Any], list[str]]:
    """Start and stop, close tabs: what was measured, and what is wrong with it."""
    from playwright.sync_api import sync_playwright

    def run(browser: Browser, times: int) -> None:
        page = _open(browser, app.url)
        for n in range(times):
            _start(page)
            _stop(page)
            if n % 20 == 19:
                print(f"cycle {n + 1}: {app.held()}", flush=True)
        page.close()

    def vanish(browser: Browser, times: int) -> None:
        for n in range(times):
            page = _open(browser, app.url)
            _start(page)
            page.close()
            if n % 10 == 9:
                print(f"tab {n + 1}: {app.held()}", flush=True)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        run(browser, _WARM)
        vanish(browser, 2)
        before = _settled(app)
        run(browser, cycles)
        vanish(browser, tabs)
        browser.close()
    after = _settled(app)
    found = {
        "cycles": cycles,
        "tabs": tabs,
        "threads_before": before.threads,
        "threads_after": after.threads,
        "files_before": before.files,
        "files_after": after.files,
        "memory_before_mb": before.memory_mb,
        "memory_after_mb": after.memory_mb,
    }
    wrong = []
    if after.threads > before.threads + MOST_THREADS:
        wrong.append(f"threads: {before.threads}, then {after.threads}")
    if after.files > before.files + MOST_THREADS:
        wrong.append(f"file handles: {before.files}, then {after.files}")
    if after.memory_mb > (1 + MOST_GROWTH) * before.memory_mb:
        wrong.append(f"memory: {before.memory_mb:.0f} MB, then {after.memory_mb:.0f} MB")
    return found, wrong


def main() -> int:
    """Measure, print, keep; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--tabs", type=int, default=50)
    parser.add_argument("--keep", action="store_true", help="write the numbers into README")
    chosen = parser.parse_args()
    if CHROMIUM is None:
        print("no Chromium here: apt-get install chromium fonts-dejavu-core")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        environment = {"ALLCELL_SESSION_KEPT_S": "2"}
        with served(Path(folder) / "log", environment=environment) as app:
            found, wrong = soak(app, chosen.cycles, chosen.tabs)
    print(found)
    for line in wrong:
        print(f"FAILED: {line}")
    if chosen.keep:
        keep("starts", found | usual_machine())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
