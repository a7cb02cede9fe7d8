"""The Live page in Chromium: a camera that plays a rendered slide, and the virtual microscope."""

from __future__ import annotations

import base64
import csv
import io
import re
import statistics
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from allcell.boxes import iou
from allcell.detections import FloatArray
from allcell.imaging.images import RGBImage, decode
from allcell.models.registry import BLAST, HEALTHY
from allcell.synth import FieldSpec, SyntheticField, render
from allcell.ui.shell.assets import ASSETS
from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, fresh_context
from tests.e2e.live_video import WAIT_MS, component, frames_shown, open_live, start

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Frame, Page, Playwright

WIDTH_PX, HEIGHT_PX = 640, 360
SPEC = FieldSpec(WIDTH_PX, HEIGHT_PX, red_cell_px=22, seed=5, blasts=7, neutrophils=4)
#: The page promises to show a change within this time, as the median of several.
SOON_S = 1.0


@pytest.fixture(scope="module")
def field() -> SyntheticField:
    """The slide that the camera sees."""
    return render(SPEC)


@pytest.fixture(scope="module")
def browser(
    playwright: Playwright, field: SyntheticField, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """Chromium with a camera that looks at the slide; it stands in for the usual one."""
    clip = tmp_path_factory.mktemp("camera") / "slide.y4m"
    planes = cv2.cvtColor(field.image, cv2.COLOR_RGB2YUV_I420).tobytes()
    head = f"YUV4MPEG2 W{WIDTH_PX} H{HEIGHT_PX} F30:1 Ip A1:1 C420mpeg2\n".encode()
    clip.write_bytes(head + 5 * (b"FRAME\n" + planes))
    flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-video-capture={clip}"]
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
    yield chromium
    chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for each test: connections of a video end with it."""
    fresh = fresh_context(browser)
    yield fresh
    fresh.close()


def choose_camera(page: Page) -> None:
    """Take the browser's camera; the component of the microscope gives way to another."""
    before = component(page)
    page.get_by_text("This device's camera").click()
    wait_until(page, before.is_detached, "the other component")


def choose_small_picture(page: Page) -> None:
    """Coding two videos of 1280x720 takes more than two cores."""
    page.get_by_role("combobox", name="Picture").click()
    page.get_by_role("option", name="640 x 360, fast").click()
    page.wait_for_timeout(1500)  # another component replaces the camera's


def flows(page: Page, video: Frame, more: int = 20) -> None:
    """Wait until that many further frames were shown."""
    target = frames_shown(video) + more
    patience = time.monotonic() + WAIT_MS / 1e3
    while frames_shown(video) < target:
        assert time.monotonic() < patience, "the video stands still"
        page.wait_for_timeout(100)


def picture(video: Frame) -> RGBImage:
    """The pixels that the video shows now."""
    data: str = video.evaluate(
        """() => {
          const video = document.querySelector("video");
          const canvas = document.createElement("canvas");
          canvas.width = video.videoWidth; canvas.height = video.videoHeight;
          canvas.getContext("2d").drawImage(video, 0, 0);
          return canvas.toDataURL("image/png").split(",")[1];
        }"""
    )
    return decode(base64.b64decode(data), name="video")


def yellow(image: RGBImage) -> Any:
    """Where the frames of blasts are: a colour that no smear has."""
    red, green, blue = (image[..., k].astype(int) for k in range(3))
    return (red > 150) & (green > 130) & (blue < 110) & (red - blue > 80)


def pink(image: RGBImage) -> Any:
    """Where the frames of healthy cells are."""
    red, green, blue = (image[..., k].astype(int) for k in range(3))
    return (red > 180) & (green < 150) & (red - green > 80) & (blue > 90)


def framed(mask: Any, boxes: FloatArray) -> list[float]:
    """How much of each box's outline, a few pixels wide, is of that colour: 0 to 1."""
    shares = []
    for x1, y1, x2, y2 in np.rint(boxes).astype(int):
        ring = np.zeros(mask.shape, bool)
        ring[max(0, y1 - 5) : y2 + 6, max(0, x1 - 5) : x2 + 6] = True
        ring[y1 + 6 : y2 - 5, x1 + 6 : x2 - 5] = False
        outline = 2 * (x2 - x1 + y2 - y1)
        shares.append(float((mask & ring).sum()) / outline)
    return shares


def wait_until(page: Page, true: Any, what: str, within_s: float = WAIT_MS / 1e3) -> float:
    """Seconds until something is so."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < within_s, f"not within {within_s:.1f} s: {what}"
        page.wait_for_timeout(40)
    return time.monotonic() - begun


@pytest.fixture
def camera(page: Page, app_url: str) -> tuple[Page, Frame]:
    """The page with the camera's picture running."""
    open_live(page, app_url)
    choose_camera(page)
    return page, start(page)


def test_boxes_are_on_the_cells_and_follow_the_controls(
    camera: tuple[Page, Frame], field: SyntheticField
) -> None:
    page, video = camera
    blasts = field.truth.of(BLAST).xyxy
    healthy = field.truth.of(HEALTHY).xyxy

    def boxed() -> bool:
        image = picture(video)
        # The camera may be asked for more pixels than the clip has.
        scale = image.shape[1] / WIDTH_PX
        found = np.array(framed(yellow(image), blasts * scale)) > 0.3
        also = np.array(framed(pink(image), healthy * scale)) > 0.15
        return bool(found.mean() >= 0.7 and also.mean() >= 0.5)

    wait_until(page, boxed, "blasts in yellow and healthy cells in pink frames")
    plain = yellow(field.image)
    assert plain.mean() < 0.001, "the slide itself is not yellow"

    # The same connection from here on: the element keeps its mark.
    video.evaluate("() => { document.querySelector('video').dataset.mark = 'same'; }")
    slider = page.get_by_role("slider", name="Lowest confidence").first
    slider.focus()
    took = []
    for key, any_box in (("End", False), ("Home", True)) * 3:
        page.keyboard.press(key)
        took.append(
            wait_until(
                page,
                lambda b=any_box: bool(yellow(picture(video)).mean() > 0.001) == b,
                "no box is that sure" if key == "End" else "boxes come back",
            )
        )
    assert statistics.median(took) < SOON_S
    assert video.evaluate("() => document.querySelector('video').dataset.mark") == "same"
    page.get_by_text("Model", exact=True).first.wait_for()
    readout = page.get_by_text(re.compile(r"frames in, \d+ skipped a second"))
    assert "640 x 360 px" in readout.inner_text() or "1280 x 720 px" in readout.inner_text()


def test_another_model_shows_within_a_second_on_the_same_connection(
    camera: tuple[Page, Frame], field: SyntheticField
) -> None:
    page, video = camera
    video.evaluate("() => { document.querySelector('video').dataset.mark = 'same'; }")

    def boxed() -> bool:
        return bool(yellow(picture(video)).mean() > 0.002)

    def choose(title: str) -> None:
        page.get_by_role("combobox", name=re.compile("Model")).click()
        page.get_by_role("option", name=title, exact=True).click()

    wait_until(page, boxed, "boxes of the first model")
    # Loaded and warmed once; the old model shows until then.
    choose("YOLOv5s")
    page.get_by_text(re.compile(r"YOLOv5s\. ONNX Runtime")).wait_for(timeout=WAIT_MS)
    wait_until(page, boxed, "boxes of the second model")
    # At its own threshold it then finds nothing, so the pixels tell which model they come from.
    page.get_by_role("slider", name="Lowest confidence").first.focus()
    page.keyboard.press("End")
    wait_until(page, lambda: not boxed(), "no box is that sure")
    took = []
    for title, speaks in (("allcell live", True), ("YOLOv5s", False)) * 2:
        choose(title)
        took.append(wait_until(page, lambda s=speaks: boxed() == s, title))
    assert statistics.median(took) < SOON_S
    assert video.evaluate("() => document.querySelector('video').dataset.mark") == "same"


def test_two_browsers_watch_one_model_and_both_keep_moving(
    browser: Browser, page: Page, app_url: str
) -> None:
    open_live(page, app_url)
    choose_camera(page)
    choose_small_picture(page)
    one = start(page)
    other_context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        other_page = other_context.new_page()
        open_live(other_page, app_url)
        choose_small_picture(other_page)
        other = start(other_page)  # the virtual microscope: another stream of the same model
        for _ in range(2):
            flows(page, one)
            flows(other_page, other)
        page.get_by_text("2 viewers share the model").wait_for(timeout=WAIT_MS)
        assert yellow(picture(one)).mean() > 0.002
        before = picture(other)
        wait_until(
            other_page,
            lambda: np.abs(picture(other).astype(int) - before).mean() > 3,
            "the slide moves under the stage",
        )
    finally:
        other_context.close()
    # The remaining viewer goes on alone.
    flows(page, one, more=60)


def test_stop_and_start_and_another_page_and_back(camera: tuple[Page, Frame]) -> None:
    page, video = camera
    video.get_by_role("button", name="Stop").click()
    video.get_by_role("button", name="Start").wait_for(timeout=WAIT_MS)
    video = start(page)
    # At once: the press waits until the component has stopped, and is not lost.
    video.get_by_role("button", name="Stop").click()
    video.get_by_role("button", name="Start").click()
    wait_until(page, lambda: video.get_by_role("button", name="Stop").count() == 1, "it starts")
    flows(page, video)
    page.get_by_role("link", name="Models").first.click()
    page.get_by_role("heading", name="Models", exact=True).wait_for(timeout=WAIT_MS)
    page.get_by_role("link", name="Live").first.click()
    page.get_by_text("This device's camera").wait_for(timeout=WAIT_MS)
    page.wait_for_timeout(500)
    start(page)


def test_the_camera_freezes_keeps_and_hands_out(
    camera: tuple[Page, Frame], field: SyntheticField
) -> None:
    page, video = camera
    page.get_by_text("Freeze the picture").click()
    page.get_by_role("heading", name="The frozen picture").wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name="Snapshot").click()
    page.get_by_role("heading", name="Snapshots: 1").wait_for(timeout=WAIT_MS)
    with page.expect_download(timeout=WAIT_MS) as download:
        page.get_by_role("button", name=re.compile("^Download 1")).click()
    with zipfile.ZipFile(download.value.path()) as archive:
        (table,) = [n for n in archive.namelist() if n.startswith("csv/")]
        rows = list(csv.DictReader(io.StringIO(archive.read(table).decode())))
        (raw_name,) = [n for n in archive.namelist() if n.startswith("raw/")]
        raw = decode(archive.read(raw_name), name="raw")
    scale = raw.shape[1] / WIDTH_PX
    found = np.array([[float(r[k]) for k in ("x1_px", "y1_px", "x2_px", "y2_px")] for r in rows])
    blasts = found[[r["suggested_class"] == "blast" for r in rows]].astype(np.float32)
    overlap = iou(field.truth.of(BLAST).xyxy * scale, blasts)
    assert (overlap.max(axis=1) > 0.5).mean() >= 0.7, "the boxes of the kept picture are the cells"
    page.get_by_text("Freeze the picture").click()
    flows(page, video)


def slowest_drawn_s(page: Page) -> float:
    """The longest time between two of the next frames that the browser draws, in seconds."""
    slowest_ms: float = page.evaluate(
        """async () => {
             let slowest = 0, last = performance.now();
             for (let n = 0; n < 30; n += 1) {
               await new Promise((drawn) => requestAnimationFrame(drawn));
               slowest = Math.max(slowest, performance.now() - last);
               last = performance.now();
             }
             return slowest;
           }"""
    )
    return slowest_ms / 1e3


def test_the_virtual_microscope_obeys_its_controls(page: Page, app_url: str) -> None:
    open_live(page, app_url)
    video = start(page)
    page.get_by_text("Wander").click()  # the slide stands still, with cells in view or not

    def boxed() -> bool:
        return bool((yellow(picture(video)) | pink(picture(video))).mean() > 0.001)

    for _ in range(20):
        if boxed():
            break
        page.get_by_role("button", name="Next field").click()
        page.wait_for_timeout(1000)
    slider = page.get_by_role("slider", name="Lowest confidence").first
    slider.focus()
    for key, any_box in (("End", False), ("Home", True)):
        page.keyboard.press(key)
        wait_until(page, lambda b=any_box: boxed() == b, f"{key} of the slider")
    page.get_by_role("combobox", name=re.compile("Model")).click()
    page.get_by_role("option", name="YOLOv5s", exact=True).click()
    page.get_by_text(re.compile(r"YOLOv5s\. ONNX Runtime")).wait_for(timeout=WAIT_MS)
    wait_until(page, boxed, "boxes of the second model")
    # A large model leaves the browser, which runs here as well, time to draw.
    assert slowest_drawn_s(page) < SOON_S
    video.get_by_role("button", name="Stop").click()
    video.get_by_role("button", name="Start").wait_for(timeout=WAIT_MS)
    start(page)
    page.get_by_role("link", name="Models").first.click()
    page.get_by_role("heading", name="Models", exact=True).wait_for(timeout=WAIT_MS)
    page.get_by_role("link", name="Live").first.click()
    page.get_by_text("This device's camera").wait_for(timeout=WAIT_MS)
    page.wait_for_timeout(500)
    start(page)


def test_the_virtual_microscope_freezes_keeps_and_hands_out(page: Page, app_url: str) -> None:
    open_live(page, app_url)
    video = start(page)
    page.get_by_text("Freeze the picture").click()
    page.get_by_role("heading", name="The frozen picture").wait_for(timeout=WAIT_MS)
    page.wait_for_timeout(1500)
    one = picture(video)
    page.wait_for_timeout(700)
    assert np.abs(picture(video).astype(int) - one).mean() < 3, "a frozen picture stands still"
    page.get_by_role("button", name="Snapshot").click()
    page.get_by_role("heading", name="Snapshots: 1").wait_for(timeout=WAIT_MS)
    with page.expect_download(timeout=WAIT_MS) as download:
        page.get_by_role("button", name=re.compile("^Download 1")).click()
    path = Path(download.value.path())
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        (raw_name,) = [n for n in names if n.startswith("raw/")]
        raw = decode(archive.read(raw_name), name="raw")
        (table,) = [n for n in names if n.startswith("csv/")]
        rows = list(csv.DictReader(io.StringIO(archive.read(table).decode())))
    assert raw.shape == (720, 1280, 3)
    assert len(rows) >= 3
    boxes = np.array([[float(r[k]) for k in ("x1_px", "y1_px", "x2_px", "y2_px")] for r in rows])
    kinds = np.array([r["suggested_class"] for r in rows])
    # The video shows the same boxes in their colours, round something darker than the ground.
    image = picture(video)
    shown = np.array(framed(yellow(image), boxes)) > 0.3
    assert (shown == (kinds == "blast")).mean() >= 0.8
    for x1, y1, x2, y2 in np.rint(boxes).astype(int):
        inside = raw[max(0, y1) : y2, max(0, x1) : x2].mean()
        assert inside < np.median(raw) - 15

    page.get_by_text("Freeze the picture").click()
    wait_until(
        page,
        lambda: np.abs(picture(video).astype(int) - one).mean() > 3,
        "the picture moves again",
    )
    page.get_by_role("button", name="Next field").click()
    flows(page, video)


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        pytest.param("NotAllowedError", "Allow it with the symbol next to", id="denied"),
        pytest.param("NotFoundError", "Plug one in", id="no camera"),
        pytest.param("NotReadableError", "in use by another program", id="in use"),
    ],
)
def test_a_camera_that_does_not_come_says_what_to_do(
    page: Page, app_url: str, error: str, cure: str
) -> None:
    # As a visitor's browser would answer; this one has a camera and permission to use it.
    page.add_init_script(
        f"""navigator.mediaDevices.getUserMedia = async () => {{
              throw new DOMException("no", "{error}"); }};"""
    )
    open_live(page, app_url)
    choose_camera(page)
    assert page.get_by_text(cure).count() == 0
    component(page).get_by_role("button", name="Start").click()
    page.get_by_text(cure).wait_for(timeout=WAIT_MS)


def test_the_cure_stays_though_the_first_call_was_never_ended(page: Page) -> None:
    # As Streamlit sometimes does on a change of source: it calls again without ending the first.
    source = (ASSETS / "video_help.js").read_text(encoding="utf-8")
    texts = page.evaluate(
        """async (source) => {
             const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
             const { default: help } = await import(url);
             const parentElement = document.body;  // about:blank: a page without https
             const rest = () => new Promise((done) => setTimeout(done, 50));
             const words = {};
             help({ parentElement, data: { words, cures: {} } });
             await rest();
             help({ parentElement, data: { words, cures: { insecure: "the cure" } } });
             const texts = new Set();
             for (let k = 0; k < 20; k += 1) {
               await rest();
               texts.add(document.querySelector(".video-help").textContent);
             }
             return [...texts];
           }""",
        source,
    )
    assert texts == ["the cure"]
