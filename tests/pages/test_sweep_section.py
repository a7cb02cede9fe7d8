"""Sweep the slide, on Slides: begun, followed, looked at; without a browser and a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from allcell.background.locks import locked
from allcell.background.state import ALIVE_FILE, STOP_FILE
from allcell.records.kept import Actor
from allcell.records.store import case_store
from allcell.runs.sweeping import found
from allcell.runs.sweeping.found import read_found
from allcell.runs.sweeping.work import SlideSweep, SweepState, begin, sweeps
from allcell.settings import settings
from allcell.ui.slides import sweeping
from allcell.ui.slides.density_map import density_picture
from tests.sweeping_cases import CORNERS, request_in, slide, work_here
from tests.unit.scanning.slides import SPEC

_PATH = "ALLCELL_TEST_SLIDE"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Cases and sweeps of a test lie in its own folder."""
    monkeypatch.setenv("ALLCELL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv(_PATH, str(tmp_path / "slide.bin"))
    settings.cache_clear()
    case_store.cache_clear()
    # The whole app is not there, so neither is the page that is linked to.
    monkeypatch.setattr(
        sweeping.st, "page_link", lambda _, *, label, icon: sweeping.st.write(label)
    )
    monkeypatch.setattr(found, "find_model", lambda name: SimpleNamespace(spec=SPEC))
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()
    case_store.cache_clear()


def page() -> None:
    """The section alone."""
    import os
    from pathlib import Path

    import streamlit as st

    from allcell.ui.slides.sweeping import sweep_section
    from tests import sweeping_cases
    from tests.unit.scanning import slides

    def go(x: float, y: float) -> None:
        st.session_state["gone"] = (x, y)

    path = os.environ.get("ALLCELL_TEST_SLIDE", "")
    sweep_section(sweeping_cases.slide(), Path(path) if path else None, slides.SPEC, 0.45, go)


def shown() -> AppTest:
    """The section, drawn."""
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    """What it says."""
    said = [
        element.value
        for kind in (app.header, app.markdown, app.caption, app.info, app.warning, app.error)
        for element in kind
    ]
    bars = [element.proto.text for element in app.get("progress")]
    return "\n".join([*map(str, said), *bars]).replace("\u00a0", " ")


def button(app: AppTest, part: str):
    """The one button whose key has that in it."""
    (found,) = (one for one in app.button if f".{part}." in f"{one.key}.")
    return found


def test_an_upload_goes_with_the_session_and_is_not_swept(monkeypatch) -> None:
    monkeypatch.delenv(_PATH)
    app = shown()
    assert "folder of slides" in words(app)
    assert not app.button


@pytest.mark.parametrize(
    ("choose", "target"),
    [
        pytest.param(None, 200, id="as it comes"),
        pytest.param("400", 400, id="another number"),
        pytest.param("All", None, id="the whole slide"),
    ],
)
def test_a_sweep_is_begun_as_it_was_asked_for(data, monkeypatch, choose, target) -> None:
    request_in(data)
    started: list[SlideSweep] = []
    monkeypatch.setattr(SlideSweep, "start", lambda self: started.append(self))
    app = shown()
    if choose:
        app.button_group(key="slides.sweep.target").set_value(choose).run()
    app.text_input(key="slides.sweep.label").set_value(" 17 ").run()
    button(app, "begin").click().run()
    (sweep,) = started
    assert sweep.request.target == target
    assert sweep.request.label == "17"
    assert sweep.request.confidence == 0.45
    assert sweep.request.where == "monolayer"


def test_one_at_work_can_be_paused(data) -> None:
    sweep = begin(request_in(data))
    SweepState(
        status="working", stage="Looks for cells", regions=3, of=9, white_cells=12, blasts=5
    ).write(sweep.folder)
    with locked(sweep.folder / ALIVE_FILE):
        app = shown()
        assert "12 white cells, 5 suggested as blasts, in 3 of 9 regions" in words(app)
        button(app, f"pause.{sweep.folder.name}").click().run()
        assert (sweep.folder / STOP_FILE).exists()
        assert "pausing" in words(app)
        assert button(app, f"pause.{sweep.folder.name}").disabled


@pytest.mark.parametrize(
    ("state", "said", "again"),
    [
        pytest.param(SweepState(status="stopped"), "Paused", "Go on", id="paused"),
        pytest.param(SweepState(status="working"), "interrupted", "Go on", id="killed"),
        pytest.param(
            SweepState(status="failed", message="The disk is full.", remedy="Make room."),
            "The disk is full.",
            "Try again",
            id="failed",
        ),
    ],
)
def test_one_that_stands_goes_on(data, monkeypatch, state, said, again) -> None:
    sweep = begin(request_in(data))
    state.write(sweep.folder)
    started: list[SlideSweep] = []
    monkeypatch.setattr(SlideSweep, "start", lambda self: started.append(self))
    app = shown()
    assert said in words(app)
    pressed = button(app, f"go_on.{sweep.folder.name}")
    assert pressed.label == again
    pressed.click().run()
    assert started == [sweep]


@pytest.mark.slow
def test_what_was_found_is_counted_mapped_and_gone_through(data, monkeypatch) -> None:
    sweep = begin(request_in(data))
    work_here(monkeypatch, sweep)
    case_id = sweep.state.case_id
    app = shown()
    told = words(app)
    assert f"{len(CORNERS)} white cells" in told
    assert "case one" in told
    plain, marked = slide(), read_found(sweep, slide())
    assert marked is not None
    colours = density_picture(plain, marked.seen, blasts=True).astype(int)
    redder = colours[..., 0] - colours[..., 2]
    assert redder.max() > 100, "where cells lie"
    assert np.percentile(redder, 10) < 20, "and nowhere else"
    visited = set()
    for _ in CORNERS:
        button(app, f"tour.{sweep.folder.name}.blast").click().run()
        x, y = app.session_state["gone"]
        visited.add((round(x - 12), round(y - 12)))
    assert visited == set(CORNERS), "each of them, once around"
    button(app, f"discard.{sweep.folder.name}").click().run()
    assert sweeps() == ()
    assert case_store().open(case_id, Actor("reviewer")).review.fields, "the case stays"


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        pytest.param(Actor("ann", logged_in=True), True, id="whose it is"),
        pytest.param(Actor("bob", logged_in=True), False, id="somebody else"),
    ],
)
def test_of_those_who_log_in_each_sees_their_own(data, monkeypatch, who, seen) -> None:
    begin(request_in(data, by="ann", logged_in=True))
    monkeypatch.setattr(sweeping, "actor", lambda: who)
    assert any("discard" in str(one.key) for one in shown().button) is seen


def test_who_may_only_read_begins_none(data, monkeypatch) -> None:
    request_in(data)
    monkeypatch.setattr(sweeping, "actor", lambda: Actor("r", logged_in=True, reader=True))
    assert not shown().button


def test_a_slide_that_is_gone_is_said(data) -> None:
    assert not os.path.exists(data / "slide.bin")
    assert "cannot be read" in words(shown())
