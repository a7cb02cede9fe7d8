"""A kept case of 500 cells in five pictures, from the server: how soon Chromium shows it.

`pytest -s` prints the numbers. The case is kept, so that each key is also saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from allcell.models.registry import CLASSES
from allcell.records.kept import Actor
from allcell.records.store import CaseStore
from allcell.review.suggestions import picture_hash
from allcell.synth import FieldSpec, render
from tests.review_browser import WAIT_MS, crops_made
from tests.review_browser import cells as everything
from tests.review_cases import case, cell, field
from tests.served import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Page

CELLS, FIELDS = 500, 5
OPENS_WITHIN_MS, SHOWS_WITHIN_MS = 2000, 300

#: Until the window has all crops, drawn: a canvas that is not drawn yet is transparent.
OPENED = """async (cells) => {
  const all = (root) => [...root.querySelectorAll("*")].flatMap(
    (e) => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
  const button = all(document).find((e) => e.matches("[data-view=gallery]"));
  const gallery = button.getRootNode().querySelector(".gallery");
  const drawn = (tile) => tile.querySelector("canvas").getContext("2d")
    .getImageData(9, 9, 1, 1).data[3] > 0;
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const start = performance.now();
  button.click();
  for (;;) {
    await frame();
    const tiles = [...gallery.querySelectorAll(".tile")];
    if (tiles.length === cells && tiles.every(drawn)) return performance.now() - start;
    if (performance.now() - start > 20000) return Infinity;
  }
}"""
#: From the key itself to the first frame after the one with the crop in its new place.
WATCH = """() => {
  window.allcellTook = new Promise((done) => {
    window.addEventListener("keydown", () => {
      const start = performance.now();
      const store = window.allcellReview;
      const key = store.chosen;
      const tile = [...document.querySelectorAll("*")].map(
        (e) => e.shadowRoot?.querySelector(`.tile[data-key="${key}"]`)).find(Boolean)
        ?? document.querySelector(`.tile[data-key="${key}"]`);
      const look = () => {
        const there = tile.isConnected && tile.closest(".bin").dataset.label === "smudge";
        if (!there) return requestAnimationFrame(look);
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
      };
      requestAnimationFrame(look);
    }, {once: true, capture: true});
  });
}"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Served]:
    """A server whose records hold the case."""
    folder = tmp_path / "records"
    fields, pictures = [], {}
    for n in range(FIELDS):
        spec = FieldSpec(2400, 1800, red_cell_px=40, seed=n, blasts=40, neutrophils=35)
        made = render(replace(spec, lymphocytes=CELLS // FIELDS - 75))
        boxes = zip(made.truth.xyxy.tolist(), made.truth.class_id.tolist(), strict=True)
        cells = [
            cell(number, CLASSES[kind], 0.3 + 0.006 * number, xyxy=tuple(xyxy))
            for number, (xyxy, kind) in enumerate(boxes, 1)
        ]
        sha256 = picture_hash(made.image)
        pictures[sha256] = made.image
        fields.append(
            field(
                sha256=sha256,
                width_px=2400,
                height_px=1800,
                title=f"Field {n + 1}",
                cells=tuple(cells),
            )
        )
    store = CaseStore(folder)
    store.keep("Five hundred", case(*fields), pictures, Actor("reviewer"))
    store.database.close()
    environment = {"ALLCELL_DATA_DIR": str(folder), "ALLCELL_RUNTIME": "onnx"}
    with served(tmp_path / "app.log", environment=environment) as running:
        yield running


def test_five_hundred_cells_open_and_change_at_once(page: Page, app: Served) -> None:
    page.goto(f"{app.url}/review")
    page.get_by_role("button", name="Open", exact=True).click()
    page.locator(".desk[data-page=review] .box").first.wait_for(timeout=WAIT_MS)
    # At once: the server has made no crop yet.
    opened_ms = page.evaluate(OPENED, len(everything(page)))
    crops_made(page)
    cells = len(everything(page))
    assert cells > 0.95 * CELLS, "a few are cut by the edge"
    assert page.locator(".gallery .tile").count() == cells
    scores = page.locator(".bin[data-label=blast] .tile .score").all_inner_texts()
    assert scores == sorted(scores), "doubt first"
    page.locator(".bin[data-label=blast] .tile").first.click()
    changed_ms = []
    for n in range(10):
        page.evaluate(WATCH)
        page.keyboard.press("s")
        changed_ms.append(page.evaluate("window.allcellTook"))
        assert page.locator(".bin[data-label=smudge] .tile").count() == n + 1
        page.locator(".bin[data-label=blast] .tile").first.click()
    print(
        f"{cells} cells: opened in {opened_ms:.0f} ms, reclassified in "
        f"{', '.join(f'{ms:.0f}' for ms in changed_ms)} ms"
    )
    assert opened_ms < OPENS_WITHIN_MS, f"{opened_ms:.0f} ms"
    # One may come while another program has the processor.
    slow_ms = sorted(changed_ms)[-2]
    assert slow_ms < SHOWS_WITHIN_MS, f"{slow_ms:.0f} ms"
