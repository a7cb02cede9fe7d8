"""A model that the user adds, in Chromium: uploaded, checked, and seen to run."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.live_video import frames_shown, start
from tests.untrusted_graphs import random_yolo, random_yolov5

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.conftest import AppServer

WAIT_MS = 60_000
SIDE = 160
#: Returns the key of a threshold slider on the Detect page that is not among those seen so far.
THRESHOLD_OF_ANOTHER = """seen => {
  for (const slider of document.querySelectorAll('[class*="st-key-detect-confidence-user-"]')) {
    const key = slider.className.match(/st-key-detect-confidence-(user-\\w+)/)[1];
    if (!seen.includes(key)) return key;
  }
  return null;
}"""
NAMES = {0: "normal", 1: "lymphoblast"}


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Fresh random YOLOs, one of each output shape, by the name their files give them."""
    pytest.importorskip("ultralytics")
    folder = tmp_path_factory.mktemp("networks")
    (folder / "anchors.onnx").write_bytes(random_yolov5(classes=2, side=SIDE))
    return {
        "yolo11n": random_yolo("yolo11n.yaml", folder, classes=NAMES, side=SIDE),
        "yolov10n": random_yolo("yolov10n.yaml", folder, classes=NAMES, side=SIDE, ends=True),
        "anchors": folder / "anchors.onnx",
    }


@pytest.fixture
def tab(page: Page, app_url: str) -> Page:
    """The Compare page, with the tab for the user's models open."""
    page.goto(f"{app_url}/compare")
    page.get_by_role("tab", name="Your model").click(timeout=WAIT_MS)
    page.get_by_test_id("stFileUploaderDropzone").wait_for(timeout=WAIT_MS)
    return page


def give(tab: Page, file: Path) -> None:
    """Choose a file in the uploader."""
    tab.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(file)


def choose(tab: Page, box: Locator, option: str) -> None:
    """Pick an option; the list closes when the page scrolls, so it is scrolled to first."""
    box.scroll_into_view_if_needed()
    tab.wait_for_timeout(500)
    box.click()
    tab.get_by_role("option", name=option, exact=True).click()
    tab.keyboard.press("Escape")


def test_a_text_file_named_onnx_is_refused_with_words(tab: Page, tmp_path: Path) -> None:
    file = tmp_path / "notes.onnx"
    file.write_text("These are notes, not a network.\n" * 20, encoding="utf-8")
    give(tab, file)
    alert = tab.get_by_test_id("stAlert")
    alert.wait_for(timeout=WAIT_MS)
    assert "This file is not an ONNX network: it is text." in alert.inner_text()
    assert "yolo export" in alert.inner_text()
    assert not tab.get_by_role("button", name="Check and add").is_visible()


def test_each_output_shape_is_added_and_runs(tab: Page, networks: dict[str, Path]) -> None:
    for name, file in networks.items():
        give(tab, file)
        add = tab.get_by_role("button", name="Check and add")
        add.wait_for(timeout=WAIT_MS)
        if name == "anchors":  # its file names no classes
            choose(tab, tab.get_by_role("combobox", name="Blast is"), "class 1")
            tab.get_by_text("Left out, never shown or counted: class 0.").wait_for()
        add.click()
        tab.get_by_text(f"{name} can now be chosen on every page.").wait_for(timeout=WAIT_MS)

    tab.get_by_role("tab", name="Speed here").click()
    pills = tab.get_by_role("toolbar", name="Models").get_by_role("button")
    pills.first.wait_for(timeout=WAIT_MS)
    for n in range(pills.count()):
        if pills.nth(n).inner_text() not in networks:
            pills.nth(n).click()
    tab.get_by_text("Quick (30 frames)").click()
    tab.get_by_role("button", name="Measure here and now").click()
    measured = tab.get_by_text("Not in the chart, as no AP is measured there:")
    for name in networks:
        measured.get_by_text(f"{name} at {SIDE}x{SIDE} px").wait_for(timeout=WAIT_MS)

    tab.get_by_role("link", name="Detect", exact=True).locator("visible=true").first.click()
    tab.get_by_role("button", name="Many blasts (synthetic)").click(timeout=WAIT_MS)
    tab.get_by_text("Blasts suggested:").wait_for(timeout=WAIT_MS)
    seen: list[str] = []
    for name in networks:
        model = tab.get_by_role("combobox", name="Model")
        choose(tab, model, name)
        # Each model has a threshold of its own, which is drawn after its answer.
        key = tab.wait_for_function(THRESHOLD_OF_ANOTHER, arg=seen, timeout=WAIT_MS)
        seen.append(key.json_value())
        tab.get_by_text(f"whole picture fitted into {SIDE} x {SIDE} px").wait_for(timeout=WAIT_MS)
        blasts = tab.get_by_test_id("stMetricValue").first.inner_text()
        assert blasts.isdigit(), f"{name} gave no count"
        assert model.input_value() == name
        assert not tab.get_by_test_id("stException").count()
    assert len(set(seen)) == len(networks)

    tab.get_by_role("link", name="Live", exact=True).locator("visible=true").first.click()
    tab.get_by_role("heading", name="Live microscope").wait_for(timeout=WAIT_MS)
    video = start(tab)
    for name in networks:
        choose(tab, tab.get_by_role("combobox", name="Model"), name)
        # The readout names the model once its boxes are shown.
        tab.get_by_text(re.compile(rf"{name}\. ONNX Runtime")).wait_for(timeout=WAIT_MS)
        shown = frames_shown(video)
        tab.wait_for_timeout(1000)
        assert frames_shown(video) > shown, f"the video stands still with {name}"
    # The next test measures how busy the server is.
    video.get_by_role("button", name="Stop").click()
    video.get_by_role("button", name="Start").wait_for(timeout=WAIT_MS)
    assert not tab.get_by_test_id("stException").count()


def cpu_s(pid: int) -> float:
    """Time that a process has spent on the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_benchmark_ends_soon_after_its_tab_is_closed(page: Page, app_server: AppServer) -> None:
    page.goto(f"{app_server.url}/compare")
    page.get_by_role("tab", name="Speed here").click(timeout=WAIT_MS)
    page.get_by_text("Thorough (300 frames)").click(timeout=WAIT_MS)
    page.get_by_role("button", name="Measure here and now").click()
    page.get_by_text(": 1 of ").wait_for(timeout=WAIT_MS)
    page.close()
    # All models take minutes; without anybody there they end within seconds.
    closed = time.monotonic()
    while time.monotonic() - closed < 20:
        before = cpu_s(app_server.pid)
        time.sleep(1)
        if cpu_s(app_server.pid) - before < 0.2:
            break
    assert 3 < time.monotonic() - closed < 20
