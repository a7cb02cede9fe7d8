"""The Detect page in Chromium, with the shipped model: what a user does with it."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from allcell.boxes import iou
from allcell.detections import FloatArray
from allcell.imaging.images import decode, encode_png
from allcell.settings import RESEARCH_USE
from allcell.synth import FieldSpec, SyntheticField, render

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SPEC = FieldSpec(1280, 960, red_cell_px=40, seed=5, blasts=12, neutrophils=4, lymphocytes=2)
FILE_INPUT = "[data-testid=stFileUploader] input[type=file]"
WAIT_MS = 30_000
#: Boxes are drawn where the picture is, to a fraction of a screen pixel.
PLACE_TOLERANCE_PX = 1.5
MEMORY_LIMIT_MB = 600


@pytest.fixture(scope="module")
def field() -> SyntheticField:
    """A rendered smear and the truth about it."""
    return render(SPEC)


@pytest.fixture(scope="module")
def smear(field: SyntheticField, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("smears") / "patient name.png"
    path.write_bytes(encode_png(field.image))
    return path


@pytest.fixture
def start(page: Page, app_url: str) -> Page:
    """The first page, ready for files."""
    page.goto(app_url)
    page.locator(FILE_INPUT).wait_for(state="attached", timeout=WAIT_MS)
    return page


def upload(page: Page, *files: Path) -> None:
    """Choose files and wait for the boxes of the first one."""
    page.locator(FILE_INPUT).set_input_files(list(files))
    page.locator(".box").first.wait_for(timeout=WAIT_MS)


def drawn(page: Page) -> list[dict[str, Any]]:
    """The boxes in the document: class, place in image pixels, place on the screen."""
    found = page.locator(".box").evaluate_all(
        """groups => groups.map(g => {
          const rect = g.querySelector(".line");
          const seen = rect.getBoundingClientRect();
          const edge = name => Number(rect.getAttribute(name));
          return {kind: g.dataset.kind, number: Number(g.dataset.number),
                  x: edge("x"), y: edge("y"), w: edge("width"), h: edge("height"),
                  seen: [seen.left, seen.top, seen.right, seen.bottom]};
        })"""
    )
    return sorted(found, key=lambda box: int(box["number"]))


def xyxy(boxes: list[dict[str, Any]]) -> FloatArray:
    """Their corners (N, 4) in image pixels."""
    return np.array([[b["x"], b["y"], b["x"] + b["w"], b["y"] + b["h"]] for b in boxes], np.float32)


def slider(page: Page) -> Locator:
    """The threshold."""
    return page.get_by_role("slider", name="Lowest confidence")


def count(page: Page, label: str) -> int:
    """The number on a card."""
    card = page.get_by_test_id("stMetric").filter(has_text=label).first
    return int(card.get_by_test_id("stMetricValue").inner_text())


def settled(page: Page) -> None:
    """Wait until the server has answered; a slider waits a moment before it asks."""
    from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

    page.wait_for_timeout(400)
    idle = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    try:
        idle.wait_for(timeout=WAIT_MS / 3)
    except PlaywrightTimeoutError:
        # After quick presses Streamlit's client sometimes misses the end of a run: start another.
        page.keyboard.press("r")
        idle.wait_for(timeout=WAIT_MS)


def test_memory_with_the_model_loaded(start: Page, smear: Path, app_server: Any) -> None:
    # The first test, because Streamlit keeps the sessions of closed windows for two minutes.
    upload(start, smear)
    status = Path(f"/proc/{app_server.pid}/status")
    if not status.is_file():
        pytest.skip("needs Linux's /proc")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    resident_mb = int(line.split()[1]) / 1024
    assert resident_mb < MEMORY_LIMIT_MB, f"{resident_mb:.0f} MB"


def test_upload_shows_boxes_on_the_cells(start: Page, smear: Path, field: SyntheticField) -> None:
    upload(start, smear)
    slider(start).press("Home")
    settled(start)
    boxes = drawn(start)
    truth = field.truth.xyxy[field.truth.class_id < 2]
    hit = (iou(truth, xyxy(boxes)).max(axis=1) > 0.5).mean()
    assert hit > 0.7, "a trained model boxes most white cells of a synthetic smear"

    picture = start.locator(".picture").bounding_box()
    assert picture is not None
    scale = picture["width"] / SPEC.width_px
    assert scale == pytest.approx(picture["height"] / SPEC.height_px, rel=1e-3)
    expected = xyxy(boxes) * scale + np.tile([picture["x"], picture["y"]], 2)
    assert np.abs(expected - [box["seen"] for box in boxes]).max() < PLACE_TOLERANCE_PX
    assert RESEARCH_USE in start.locator(".allcell-notice").inner_text()


def test_boxes_are_visible_in_their_colours(start: Page, smear: Path) -> None:
    start.set_viewport_size({"width": 1280, "height": 1400})
    upload(start, smear)
    start.get_by_text("Label the boxes").click()
    settled(start)
    start.mouse.move(5, 5)
    stage = start.locator(".stage").bounding_box()
    assert stage is not None
    shot = decode(start.screenshot())
    colours = {"blast": (255, 214, 10), "healthy": (255, 120, 190), "smudge": (150, 176, 200)}
    seen = 0
    for box in drawn(start):
        left, top, right, _ = (round(side) for side in box["seen"])
        if top < stage["y"] + 3:
            continue  # its top edge is that of the picture
        rim = shot[top - 2 : top + 3, left:right].reshape(-1, 3).astype(int)
        distance = np.abs(rim - colours[box["kind"]]).sum(axis=1)
        assert distance.min() < 60, f"no {box['kind']} line at the top of box {box['number']}"
        seen += 1
    assert seen > 3


def test_slider_changes_counts_and_keeps_the_zoom(start: Page, smear: Path) -> None:
    upload(start, smear)
    before = count(start, "Blasts") + count(start, "Healthy WBC")
    assert before == sum(box["kind"] != "smudge" for box in drawn(start))
    start.locator(".stage").hover()
    start.mouse.wheel(0, -500)
    zoomed = start.locator(".picture").evaluate("img => img.style.transform")
    slider(start).press("Home")
    settled(start)
    many = len(drawn(start))
    for _ in range(3):
        slider(start).press("PageUp")
    settled(start)
    few = len(drawn(start))
    assert few < many
    assert few == sum(count(start, label) for label in ("Blasts", "Healthy WBC", "Smudges"))
    assert start.locator(".picture").evaluate("img => img.style.transform") == zoomed
    # Also where all of the page is drawn anew.
    start.get_by_role("link", name="Models", exact=True).first.click()
    start.locator(".picture").wait_for(state="detached", timeout=WAIT_MS)
    start.get_by_role("link", name="Detect", exact=True).first.click()
    start.locator(".box").first.wait_for(timeout=WAIT_MS)
    assert start.locator(".picture").evaluate("img => img.style.transform") == zoomed
    start.get_by_role("button", name="Whole field").click()
    assert start.locator(".picture").evaluate("img => img.style.transform") != zoomed


def test_the_browser_counts_asks_and_shows_focus(start: Page, smear: Path) -> None:
    """What only the browser does: follow a slider that is dragged, show a cell where it is tapped,
    ask before a reload."""
    start.locator("[data-testid=stTopNavLink]").first.focus()
    start.keyboard.press("Tab")
    outline = start.evaluate("getComputedStyle(document.activeElement).outline")
    assert "2px" in outline, "the keyboard's place in the menu is seen"
    upload(start, smear)
    settled(start)
    assert "blasts are suggested" in start.locator("#allcell-said").inner_text()
    answer = start.locator(".st-key-allcell-answer")
    many = len(drawn(start))
    # The thumb is the element around the invisible input.
    thumb = slider(start).evaluate(
        """input => {
          input.scrollIntoView({block: "center"});
          const seen = input.parentElement.parentElement.getBoundingClientRect();
          return [seen.x + seen.width / 2, seen.y + seen.height / 2];
        }"""
    )
    start.mouse.move(*thumb)
    start.mouse.down()
    start.mouse.move(thumb[0] + 130, thumb[1], steps=5)
    start.wait_for_function("document.querySelector('[data-outdated]')")
    told = str(answer.get_attribute("data-outdated"))
    counts = [int(word) for word in re.findall(r"(?<= )\d+(?=,|$)", told)]
    moved = len(drawn(start))
    assert moved == sum(counts) < many, told
    start.mouse.up()
    settled(start)
    assert answer.get_attribute("data-outdated") is None
    labels = ("Blasts", "Healthy WBC", "Smudges")
    assert [count(start, label) for label in labels] == counts
    assert len(drawn(start)) == moved, "the server says the same"

    start.set_viewport_size({"width": 390, "height": 844})
    best = start.locator(".box[data-number='1']")
    best.scroll_into_view_if_needed()
    best.click()
    card = start.locator(".card")
    card.wait_for(timeout=WAIT_MS)
    stage, place = start.locator(".stage").bounding_box(), card.bounding_box()
    assert stage is not None
    assert place is not None
    assert 0 <= place["y"] - stage["y"] - stage["height"] < 20, "right below the picture"
    assert "Cell 1: " in card.inner_text()

    asked: list[str] = []
    start.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    start.evaluate("setTimeout(() => location.reload())")
    start.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    assert len(drawn(start)) == moved, "and nothing is lost"


def test_csv_holds_what_is_shown(start: Page, smear: Path) -> None:
    upload(start, smear)
    with start.expect_download() as waiting:
        start.get_by_role("button", name="Boxes (CSV)").click()
    assert waiting.value.suggested_filename == "image-001-boxes.csv", "no file name unless asked"
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    assert "patient" not in text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert RESEARCH_USE in rows[0]
    boxes = drawn(start)
    assert [row["suggested_class"] for row in rows] == [box["kind"] for box in boxes]
    sides = [[float(row[f"{side}_px"]) for side in ("x1", "y1", "x2", "y2")] for row in rows]
    assert np.abs(np.array(sides) - xyxy(boxes)).max() < 0.1


def test_tables_offer_no_download_of_their_own(start: Page, smear: Path) -> None:
    """Streamlit's would leave the notice out and the file names in."""
    upload(start, smear)
    table = start.locator("[data-testid=stDataFrame]").first
    table.hover()
    toolbars = start.locator("[data-testid=stElementToolbar]")
    start.wait_for_timeout(300)
    inside = start.locator(
        "[data-testid=stFullScreenFrame]:has([data-testid=stDataFrame]) "
        "[data-testid=stElementToolbar]"
    )
    assert toolbars.count() >= inside.count() > 0, "the toolbar is there, under this name"
    assert not any(inside.nth(n).is_visible() for n in range(inside.count()))


def test_annotated_picture_is_made_on_demand(
    start: Page, smear: Path, field: SyntheticField
) -> None:
    upload(start, smear)
    with start.expect_download() as waiting:
        start.get_by_role("button", name="Annotated image (PNG)").click()
    annotated = decode(Path(waiting.value.path()))
    height, width = field.image.shape[:2]
    assert annotated.shape[1] == width
    assert annotated.shape[0] > height, "the notice stands below the picture"
    assert (annotated[:height] != field.image).any(axis=2).mean() > 0.005, "boxes are drawn"


def test_click_on_a_cell_shows_it_large_and_back(start: Page, smear: Path) -> None:
    upload(start, smear)
    box = drawn(start)[0]
    left, top, right, bottom = box["seen"]
    start.mouse.click((left + right) / 2, (top + bottom) / 2)
    start.locator(".card").get_by_text("Cell 1:").wait_for(timeout=WAIT_MS)
    assert start.locator(".box.chosen").get_attribute("data-number") == "1"
    settled(start)
    table = start.get_by_test_id("stDataFrame").last
    table.scroll_into_view_if_needed()
    start.wait_for_timeout(500)  # it takes no click before it has drawn itself
    place = table.bounding_box()
    assert place is not None
    row = (place["x"] + 300, place["y"] + 40 + 52 * 2.5)  # anywhere in it
    # Streamlit's table takes the first click after one elsewhere for the focus alone.
    start.mouse.click(*row)
    start.wait_for_timeout(500)
    start.mouse.click(*row)
    start.locator(".card").get_by_text("Cell 3:").wait_for(timeout=WAIT_MS)
    third = next(box for box in drawn(start) if box["number"] == 3)
    stage = start.locator(".stage").bounding_box()
    assert stage is not None
    middle = [(third["seen"][0] + third["seen"][2]) / 2, (third["seen"][1] + third["seen"][3]) / 2]
    assert stage["x"] < middle[0] < stage["x"] + stage["width"], "the field moved to the cell"
    assert stage["y"] < middle[1] < stage["y"] + stage["height"]
    assert third["seen"][2] - third["seen"][0] > 1.5 * (right - left), "and came closer"


def test_cells_are_corrected_where_they_are_seen(start: Page, smear: Path) -> None:
    """By mouse and keys, without a run of the page: drawn, resized, judged, undone."""
    upload(start, smear)
    settled(start)
    many = len(drawn(start))
    line = start.locator(".desk .countline")
    box = drawn(start)[0]
    left, top, right, bottom = box["seen"]
    start.mouse.click((left + right) / 2, (top + bottom) / 2)
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"):
        before = start.locator(".box.chosen").get_attribute("data-number")
        start.keyboard.press(key)
        if start.locator(".box.chosen").get_attribute("data-number") != before:
            break
    else:
        pytest.fail("arrow keys are dead after a pick")
    start.keyboard.press("Home")
    start.keyboard.press("Enter")
    assert f"1 of {many} reviewed" in line.inner_text()
    assert start.locator(".box[data-number='1'] .line.solid").count() == 1
    # A corner is dragged.
    start.keyboard.press("Home")
    knob = start.locator(".handle[data-corner='x2 y2'] .knob")
    corner = knob.bounding_box()
    for _ in range(50):  # while the field glides to the cell, its handles are drawn anew
        start.wait_for_timeout(100)
        last, corner = corner, knob.bounding_box()
        if corner is not None and corner == last:
            break
    assert corner is not None
    start.mouse.move(corner["x"] + 5, corner["y"] + 5)
    start.mouse.down()
    start.mouse.move(corner["x"] - 5, corner["y"] - 5, steps=5)
    start.mouse.up()
    assert drawn(start)[0]["w"] < box["w"] - 5
    start.keyboard.press("Control+z")
    assert drawn(start)[0]["w"] == pytest.approx(box["w"], abs=0.2)
    # A box is drawn where no cell is.
    free = start.evaluate(
        """() => {
          const find = (root) => {
            for (const e of root.querySelectorAll("*")) {
              if (e.matches(".desk .stage")) return e;
              const inner = e.shadowRoot && find(e.shadowRoot);
              if (inner) return inner;
            }
          };
          const stage = find(document);
          const at = stage.getBoundingClientRect();
          const taken = [...stage.querySelectorAll(".box, .label")].map(
            (g) => g.getBoundingClientRect());
          for (let y = at.top + 10; y < at.bottom - 50; y += 10)
            for (let x = at.left + 10; x < at.right - 50; x += 10)
              if (!taken.some((r) => r.left < x + 45 && x - 5 < r.right
                  && r.top < y + 45 && y - 5 < r.bottom)) return [x, y];
        }"""
    )
    start.mouse.move(*free)
    start.mouse.down()
    start.mouse.move(free[0] + 40, free[1] + 40, steps=5)
    start.mouse.up()
    start.keyboard.press("b")
    added = drawn(start)[-1]
    assert (added["number"], added["kind"], len(drawn(start))) == (many + 1, "blast", many + 1)
    settled(start)
    assert f"2 of {many + 1} reviewed" in line.inner_text(), "the server says the same"


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        pytest.param("broken.jpg", b"this is no picture", "is a text file", id="text"),
        pytest.param("cut.png", encode_png(np.zeros((64, 64, 3), np.uint8))[:60], "", id="cut"),
    ],
)
def test_broken_file_is_explained(
    start: Page, smear: Path, tmp_path: Path, name: str, data: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(data)
    start.locator(FILE_INPUT).set_input_files(tmp_path / name)
    alert = start.get_by_test_id("stAlert")
    alert.wait_for(timeout=WAIT_MS)
    text = alert.inner_text()
    assert name in text
    assert says in text
    assert "\n" in text.strip(), "message and remedy"
    upload(start, smear)
    assert start.get_by_test_id("stAlert").filter(has_text=name).count() == 1
    assert count(start, "Blasts") >= 0


def test_many_files_make_one_archive(start: Page, smear: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(encode_png(render(FieldSpec(640, 480, red_cell_px=30, seed=9)).image))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    upload(start, smear, tmp_path / "broken.jpg", other)
    settled(start)
    with start.expect_download(timeout=WAIT_MS) as waiting:
        start.get_by_role("button", name="Download all 2 images (ZIP)").click()
    archive = zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes()))
    assert archive.testzip() is None
    names = archive.namelist()
    assert RESEARCH_USE in archive.read("NOTICE.txt").decode()
    assert {"annotated/image-001.png", "annotated/image-003.png"} <= set(names)
    rows = list(csv.DictReader(io.StringIO(archive.read("summary.csv").decode("utf-8-sig"))))
    assert [row["image"] for row in rows] == ["image-001", "image-003", "image-002"]
    assert rows[2]["error"]
    assert len(json.loads(archive.read("coco.json"))["images"]) == 2


@pytest.mark.parametrize(
    ("event", "script"),
    [
        pytest.param(
            "paste",
            "document.body.dispatchEvent(new ClipboardEvent('paste', "
            "{clipboardData: carrier, bubbles: true, cancelable: true}))",
            id="pasted",
        ),
        pytest.param(
            "drop",
            "document.querySelector('h1').dispatchEvent(new DragEvent('drop', "
            "{dataTransfer: carrier, bubbles: true, cancelable: true, composed: true}))",
            id="dropped outside the uploader",
        ),
    ],
)
def test_picture_comes_in_from_anywhere(start: Page, smear: Path, event: str, script: str) -> None:
    start.locator(".st-key-allcell-gallery-detect img").nth(5).wait_for(timeout=WAIT_MS)
    settled(start)
    start.evaluate(
        """([data, script]) => {
          const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
          const carrier = new DataTransfer();
          carrier.items.add(new File([bytes], "image.png", {type: "image/png"}));
          eval(script);
        }""",
        [base64.b64encode(smear.read_bytes()).decode(), script],
    )
    start.locator(".box").first.wait_for(timeout=WAIT_MS)
    assert start.locator(".picture").count() == 1


def test_sample_opens_with_one_click_and_is_labelled(start: Page) -> None:
    thumbnail = start.locator(".st-key-allcell-sample-detect-many-blasts img")
    start.locator(".st-key-allcell-gallery-detect img").nth(5).wait_for(timeout=WAIT_MS)
    settled(start)
    thumbnail.click(force=True)  # a transparent button covers it
    start.locator(".box").first.wait_for(timeout=WAIT_MS)
    assert start.locator(".badge").inner_text() == "Synthetic image"
    slider(start).press("Home")
    settled(start)
    assert len(drawn(start)) > 20
    with start.expect_download() as waiting:
        start.get_by_role("button", name="YOLO (ZIP)").click()
    archive = zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes()))
    assert RESEARCH_USE in archive.read("NOTICE.txt").decode()


def test_camera_is_asked_for_only_when_wanted(page: Page, app_url: str) -> None:
    page.add_init_script(
        """window.asked = 0;
        const media = navigator.mediaDevices;
        const original = media.getUserMedia.bind(media);
        media.getUserMedia = (wish) => { window.asked += 1; return original(wish); };"""
    )
    page.goto(app_url)
    page.locator(".st-key-allcell-gallery-detect img").nth(5).wait_for(timeout=WAIT_MS)
    settled(page)
    assert page.evaluate("window.asked") == 0
    page.get_by_text("Take a photograph with the camera").click()
    shutter = page.get_by_role("button", name="Take Photo")
    shutter.wait_for(timeout=WAIT_MS)
    page.wait_for_function("document.querySelector('video')?.readyState >= 3", timeout=WAIT_MS)
    shutter.click()
    # What Chromium's own camera shows is no smear.
    page.get_by_text("No numbers for this picture").wait_for(timeout=WAIT_MS)
    assert page.evaluate("window.asked") > 0
    settled(page)
    assert page.locator("video").count() == 0, "and is off again after one photograph"
    assert page.get_by_text("photograph-1.jpg").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_shows_everything_in_its_width(start: Page, smear: Path, scheme: Any) -> None:
    start.emulate_media(color_scheme=scheme)
    start.set_viewport_size({"width": 390, "height": 844})
    upload(start, smear)
    settled(start)
    width = start.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert width <= 390, "nothing sticks out"
    stage = start.locator(".stage").bounding_box()
    assert stage is not None
    assert stage["width"] > 340
    assert stage["width"] / stage["height"] == pytest.approx(4 / 3, rel=0.02)
    answer = start.get_by_text("Blasts suggested").bounding_box()
    controls = slider(start).bounding_box()
    assert answer is not None
    assert controls is not None
    assert answer["y"] < stage["y"] < controls["y"], "the answer first, the controls last"
    start.locator(".st-key-allcell-phone-menu").get_by_role("link", name="Models").click()
    start.get_by_role("heading", name="Models", exact=True).wait_for(timeout=WAIT_MS)
    assert start.locator(".allcell-notice").is_visible()
