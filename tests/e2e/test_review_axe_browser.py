"""axe-core on Detect and Review, as an empty page and at work: nothing of any impact."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from allcell.background.locks import locked
from allcell.background.state import ALIVE_FILE
from allcell.imaging.images import encode_png
from allcell.records.store import CaseStore
from allcell.synth import FieldSpec, render
from allcell.teaching.state import State
from tests.review_browser import WAIT_MS, crops_made, heard, keys, upload
from tests.served import Served, served
from tests.teaching_cases import begun, keep, report

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Rules that Streamlit's own elements break, each with what tells these elements from ours.
STREAMLITS_OWN = {
    # Minor: the area to drop files on has a name and no role; the button in it is read out.
    "presentation-role-conflict": "stFileUploaderDropzone",
}


@pytest.fixture(scope="module")
def smears(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two pictures, so that what only several have is there, too."""
    folder = tmp_path_factory.mktemp("axe")
    made = []
    for seed in (7, 8):
        spec = FieldSpec(1200, 900, red_cell_px=40, seed=seed, blasts=6, neutrophils=5)
        made.append(folder / f"{seed}.png")
        made[-1].write_bytes(encode_png(render(spec).image))
    return made


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    data = folder / "records"
    environment = {"ALLCELL_DATA_DIR": str(data), "ALLCELL_RUNTIME": "onnx"}
    keep(CaseStore(data), 6)
    plan = "About 6 minutes on this computer: 4 trainings."
    working = State("working", "Trains on all fields", 0.4, 100.0, plan)
    alive = begun(data / "teaching", "0e", working).folder / ALIVE_FILE
    stood = (State("planned", plan=plan, notes=("8 fields.",)), State("stopped", progress=0.4))
    for number, state in enumerate(stood):
        begun(data / "teaching", f"0{number}", state)
    done = State("done", progress=1.0, outcome="better", verdict="Better.")
    begun(data / "teaching", "0f", done, told=report())
    with locked(alive), served(folder / "app.log", environment=environment) as running:
        yield running


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, from npm, at test time."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here to fetch axe-core with")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        [npm, "pack", "axe-core@4", "--silent"], cwd=folder, capture_output=True, timeout=120
    )
    [*packed] = folder.glob("axe-core-*.tgz")
    if done.returncode or not packed:
        pytest.skip("axe-core cannot be fetched from npm here")
    shutil.unpack_archive(packed[0], folder)
    return (folder / "package" / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, axe: str, where: str) -> list[str]:
    page.wait_for_timeout(400)  # what fades has another contrast
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{where}: {each['id']} ({each['impact']}): {node['target']} {node['html'][:200]}"
        for each in found["violations"]
        for node in each["nodes"]
        if each["id"] not in STREAMLITS_OWN or STREAMLITS_OWN[each["id"]] not in node["html"]
    ]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    page: Page, app: Served, smears: list[Path], axe: str, scheme: Any, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{app.url}/review")
    page.get_by_text("There is nothing to review yet").wait_for(timeout=WAIT_MS)
    page.locator(".js-plotly-plot").nth(1).wait_for(timeout=WAIT_MS)
    seen = violations(page, axe, "Review, empty")
    page.get_by_text("Teach another model").click()
    page.get_by_text("Enough to begin.").wait_for(timeout=WAIT_MS)
    seen += violations(page, axe, "Teach this laboratory")
    page.goto(app.url)
    page.locator(".st-key-allcell-start").wait_for(timeout=WAIT_MS)
    seen += violations(page, axe, "Detect, empty")
    upload(page, app.url, smears)
    page.locator(".desk .stage").focus()
    keys(page, " ", "Enter", "h")
    heard(page)
    seen += violations(page, axe, "Detect")

    page.get_by_role("link", name="Review", exact=True).locator("visible=true").first.click()
    page.locator(".desk[data-page=review] .box").first.wait_for(timeout=WAIT_MS)
    crops_made(page)
    page.locator(".desk .stage").focus()
    keys(page, " ", "Enter", "h")
    heard(page)
    seen += violations(page, axe, "Review")
    page.get_by_role("button", name="Gallery").click()
    page.locator(".gallery .tile").first.wait_for(timeout=WAIT_MS)
    heard(page)
    seen += violations(page, axe, "Gallery")
    for menu in ("Keep this case", "Cases", "Classes of your own"):
        page.get_by_role("button", name=menu, exact=True).click()
        page.locator("[data-testid=stPopoverBody]").wait_for(timeout=WAIT_MS)
        seen += violations(page, axe, menu)
        page.keyboard.press("Escape")
        page.locator("[data-testid=stPopoverBody]").wait_for(state="hidden", timeout=WAIT_MS)
    assert not seen, "\n".join(seen)
