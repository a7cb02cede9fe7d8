"""Teach this laboratory on Review, through app.py, without a browser and without a training."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from allcell.background.locks import locked
from allcell.background.state import ALIVE_FILE, STOP_FILE
from allcell.own.shelf import shelf
from allcell.records.kept import Actor
from allcell.records.store import case_store
from allcell.review.case_review import CaseReview
from allcell.review.cells import FieldReview
from allcell.review.labels import LabelSet
from allcell.synth import Camera
from allcell.teaching import work
from allcell.teaching.state import State
from allcell.teaching.work import Teaching, teachings, teachings_dir
from allcell.ui.live import camera
from allcell.ui.teaching import result, section, setup
from tests.own_models import card, taught
from tests.pages.test_review_page import words
from tests.teaching_cases import REVIEWER, begun, keep, report, reviewed_field

pytestmark = pytest.mark.usefixtures("data_dir")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a plan alone was asked for, each time that a process would have been started."""
    asked: list[bool] = []

    def start(self: Teaching, *, only_plan: bool = False) -> None:
        asked.append(only_plan)

    monkeypatch.setattr(Teaching, "start", start)
    return asked


def show(app: AppTest, *, opened: bool = False) -> str:
    """Run Review, and all it says."""
    if opened:
        app.session_state["teach.open"] = True
    app.switch_page("pages/review.py").run()
    assert not app.exception
    return said(app)


def said(app: AppTest) -> str:
    """All running text of the page, with what else can be read there."""
    more = [element.value for element in app.success]
    bars = [element.proto.text for element in app.get("progress")]
    return "\n".join([words(app), *more, *bars]).replace("\u00a0", " ")


def keys(app: AppTest) -> list[str]:
    """Keys of the section's buttons."""
    return [str(b.key) for b in app.button if str(b.key).startswith("teach.")]


def test_without_a_case_it_says_how_to_get_there(app: AppTest) -> None:
    told = show(app)
    assert "Teach this laboratory" in told
    assert "No case is kept here yet" in told
    assert "at least 6 fields" in told
    assert not keys(app)
    assert not teachings_dir().exists(), "to look makes no folder"


@pytest.mark.parametrize(
    ("fields", "how", "expected"),
    [
        pytest.param(
            3,
            {"unreviewed": 1},
            ["2 of 6 fields", "Review 4 more fields", r"Field 3 is not used\: a cell is not"],
            id="too few",
        ),
        pytest.param(6, {"blasts": 0}, ["None of the 6 fields has a blast"], id="no blast"),
        pytest.param(2, {"unreviewed": 2}, ["There are no reviewed fields"], id="none reviewed"),
    ],
)
def test_what_is_not_enough_is_said_with_what_is_missing(
    app: AppTest, fields: int, how: dict[str, Any], expected: list[str]
) -> None:
    keep(case_store(), fields, **how)
    told = show(app, opened=True)
    assert "Not enough yet" in told
    for one in expected:
        assert one in told
    assert "teach.begin" not in keys(app)


def test_enough_of_several_cases_is_planned_before_it_starts(
    app: AppTest, started: list[bool]
) -> None:
    keep(case_store(), 4, "Mrs <b>Secret</b>")
    keep(case_store(), 5, "Patient 2", first=10, unreviewed=1)
    keep(case_store(), 2, "Nobody looked", first=20, unreviewed=2)
    told = show(app, opened=True)
    assert "Enough to begin" in told
    assert "12 more fields, of any kind" in told
    app.button(key="teach.begin").click().run()
    assert "name" in app.error[0].value
    assert not started
    app.text_input(key="teach.name").set_value("Klinikum A")
    app.selectbox(key="teach.longest").set_value(30)
    app.toggle(key="teach.insist").set_value(True)
    app.button(key="teach.begin").click().run()
    assert not app.exception
    assert started == [True]
    [teaching] = teachings()
    request = teaching.request
    assert (request.name, request.longest_s, request.insist) == ("Klinikum A", 1800, True)
    lesson = (teaching.folder / "lesson.json").read_text(encoding="utf-8")
    assert len({one["case"] for one in json.loads(lesson)["fields"]}) == 2
    assert "Secret" not in lesson + json.dumps(teaching.state.notes), "a label may be a name"
    assert "8 fields with 24 blasts" in said(app)
    assert not app.session_state["teach.open"]


def alike() -> list[tuple[FieldReview, Any]]:
    """The same place, photographed eight times."""
    return [
        reviewed_field(1, f"Field {n}", camera=Camera(noise=0.5 + 0.1 * n)) for n in range(1, 9)
    ]


def contradicting() -> list[tuple[FieldReview, Any]]:
    """In the third field one cell has two boxes, of two classes."""
    made = [reviewed_field(n, f"Field {n}") for n in range(1, 9)]
    one, image = made[2]
    cell = next(cell for cell in one.cells if cell.label == "blast")
    second = replace(cell, number=99, label="healthy")
    made[2] = replace(one, cells=(*one.cells, second)), image
    return made


@pytest.mark.parametrize(
    ("made", "said", "remedy"),
    [
        pytest.param(alike, "show only 1 place", "Add fields until 6 differ", id="all alike"),
        pytest.param(
            contradicting, "is labelled blast and healthy", "remove the other box", id="two classes"
        ),
    ],
)
def test_what_only_the_pictures_tell_is_said_before_anything_is_trained(
    app: AppTest,
    started: list[bool],
    made: Callable[[], list[tuple[FieldReview, Any]]],
    said: str,
    remedy: str,
) -> None:
    fields = made()
    pictures = {one.sha256: image for one, image in fields}
    review = CaseReview(LabelSet(), tuple(one for one, _ in fields))
    case_store().keep("Patient 1", review, pictures, REVIEWER)
    show(app, opened=True)
    app.text_input(key="teach.name").set_value("Klinikum A")
    app.button(key="teach.begin").click().run()
    assert not app.exception
    assert said in app.error[0].value
    assert remedy in app.error[0].value
    assert not started
    assert not teachings()
    assert not [path for path in teachings_dir().rglob("*") if path.is_file()], "no copy stays"


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_disk_without_room_is_said_and_nothing_stays(
    app: AppTest, started: list[bool], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    keep(case_store(), 6)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    show(app, opened=True)
    if when == "before":
        monkeypatch.setattr(work.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    else:
        monkeypatch.setattr(work, "keep_reserve", full)
    app.text_input(key="teach.name").set_value("Klinikum A")
    app.button(key="teach.begin").click().run()
    assert not app.exception
    expected = {"before": "has 1 MB left; a teaching takes up to", "meanwhile": "No space left"}
    assert expected[when] in app.error[0].value
    assert "oom on" in app.error[0].value, "what to do about it"
    assert not started
    assert not [path for path in teachings_dir().rglob("*") if path.is_file()], "no copy stays"


def test_a_case_that_is_deleted_takes_copies_in_an_unfinished_teaching_along(
    app: AppTest, started: list[bool]
) -> None:
    kept = keep(case_store(), 6)
    show(app, opened=True)
    app.text_input(key="teach.name").set_value("Klinikum A")
    app.button(key="teach.begin").click().run()
    assert len(teachings()) == 1
    assert "The unfinished teaching that has copies of them will be discarded too" in said(app)
    app.button(key=f"review.delete.{kept.id}").click().run()
    assert not app.exception
    assert not teachings()
    assert not list(teachings_dir().rglob("field-*"))


KEY = "0a1b"
PLAN = "About 6 minutes on this computer: 4 trainings of 100 tiles; one of 200 tiles."
STATES: tuple[tuple[str, State, list[str], list[str]], ...] = (
    ("ready", State(notes=("8 fields.",)), ["8 fields."], ["go_on", "discard"]),
    (
        "planned",
        State("planned", plan=PLAN, notes=("8 fields.", "Would help: 12 more fields.")),
        ["About 6 minutes on this computer.", "1. 12 more fields.", "4 trainings of 100 tiles"],
        ["start", "discard"],
    ),
    (
        "working",
        State("working", "Trains on all fields", 0.4, 130.0, plan=PLAN),
        ["Trains on all fields, about 2 minutes left", "You may close this page"],
        ["stop"],
    ),
    (
        "waits its turn",
        State("waiting", "Waits for another teaching on this computer"),
        ["Waits for another teaching"],
        ["stop"],
    ),
    (
        "stopped",
        State("stopped", progress=0.4, plan=PLAN),
        ["Stopped after 40%", "What was done is kept", "Copies of its fields"],
        ["go_on", "discard"],
    ),
    (
        "failed",
        State("failed", message="The disk is *full*.", remedy="Make room."),
        [r"The disk is \*full\*.", "Make room."],
        ["go_on", "discard"],
    ),
)


@pytest.mark.parametrize(
    ("state", "expected", "buttons"), [pytest.param(*case, id=name) for name, *case in STATES]
)
def test_each_state_says_how_it_stands_and_what_can_be_done(
    app: AppTest, state: State, expected: list[str], buttons: list[str]
) -> None:
    keep(case_store(), 1)
    teaching = begun(teachings_dir(), KEY, state)
    with locked(teaching.folder / ALIVE_FILE):
        told = show(app)
    for one in (*expected, "Klinikum A"):
        assert one in told
    assert keys(app) == [f"teach.{name}.{KEY}" for name in buttons]


def test_one_whose_process_is_gone_can_go_on(app: AppTest, started: list[bool]) -> None:
    begun(teachings_dir(), KEY, State("working", "Trains", 0.4, 100.0, plan=PLAN))
    assert "It was interrupted" in show(app)
    app.button(key=f"teach.go_on.{KEY}").click().run()
    assert not app.exception
    assert started == [False]


def test_it_is_started_stopped_and_discarded(app: AppTest, started: list[bool]) -> None:
    teaching = begun(teachings_dir(), KEY, State("planned", plan=PLAN))
    show(app)
    app.button(key=f"teach.start.{KEY}").click().run()
    assert started == [False]
    State("working", "Trains", 0.4, 100.0, plan=PLAN).write(teaching.folder)
    with locked(teaching.folder / ALIVE_FILE):
        app.run()
        app.button(key=f"teach.stop.{KEY}").click().run()
        assert (teaching.folder / STOP_FILE).exists()
        assert app.button(key=f"teach.stop.{KEY}").disabled
        assert "Trains, stopping" in said(app)
    State("stopped", progress=0.4, plan=PLAN).write(teaching.folder)
    app.run()
    app.button(key=f"teach.discard.{KEY}").click().run()
    assert not app.exception
    assert not teachings()
    assert "Klinikum A" not in said(app)


def test_what_cannot_be_done_is_said(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(teachings_dir(), KEY, State("planned", plan=PLAN))

    def start(self: Teaching, *, only_plan: bool = False) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Teaching, "start", start)
    show(app)
    app.button(key=f"teach.start.{KEY}").click().run()
    assert not app.exception
    assert "No space left on device" in app.error[0].value


OUTCOMES = (
    ("better", "better", True, ["Better on your fields", "8 mistakes", "makes 30"]),
    ("not better", "not better", False, ["Not better on your fields", "Nothing was kept"]),
    ("insisted", "not better", True, ["Not better", "kept all the same"]),
    ("not told", "cannot be told", True, ["cannot be told yet", "compare the two on Detect"]),
)


@pytest.mark.parametrize(
    ("outcome", "kept", "expected"), [pytest.param(*case, id=name) for name, *case in OUTCOMES]
)
def test_the_result_is_a_verdict_a_table_and_a_model(
    app: AppTest, outcome: str, kept: bool, expected: list[str]
) -> None:
    model = shelf().add(taught(), card("Klinikum A")).card.id if kept else ""
    done = State("done", progress=1.0, outcome=outcome, verdict="p = *0.01*", model=model)
    begun(teachings_dir(), KEY, done, told=report(outcome, model))
    told = show(app)
    for one in (
        *expected,
        r"p = \*0.01\*",
        "| Blasts, overall (AP) | **0.59** :small[(0.54 to 0.64)] | **0.89** :small[(0.84",
        "| False blasts in a field | **0.41**",
        "by case, in 4 parts",
        "blasts 0.90 before, 0.85 after",
    ):
        assert one in told
    assert len(app.get("plotly_chart")) == 2
    downloads = [str(one.proto.label) for one in app.get("download_button")]
    assert downloads == ["Report (JSON)", *["Model (one file)"] * kept]
    assert (f"teach.detect.{KEY}" in keys(app)) == kept
    assert "diagnos" not in told.lower(), "it suggests, and says so"


@pytest.mark.parametrize("page", ["detect", "live"])
def test_the_model_is_used_where_it_is_asked_for(
    app: AppTest, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shelf().add(taught(), card("Klinikum A")).card.id
    done = State("done", progress=1.0, outcome="better", model=model)
    begun(teachings_dir(), KEY, done, told=report("better", model))
    monkeypatch.setattr(camera, "from_server", lambda *args, **kwargs: camera.Link(False, False))
    show(app)
    app.button(key=f"teach.{page}.{KEY}").click().run()
    assert not app.exception
    (chosen,) = [box for box in app.selectbox if box.label == "Model"]
    assert chosen.value == model


@pytest.mark.parametrize(("which", "left"), [("delete", 1), ("delete_all", 0)])
def test_the_report_is_deleted_with_or_without_the_model(
    app: AppTest, which: str, left: int
) -> None:
    model = shelf().add(taught(), card("Klinikum A")).card.id
    done = State("done", progress=1.0, outcome="better", model=model)
    begun(teachings_dir(), KEY, done, told=report("better", model))
    show(app)
    app.button(key=f"teach.{which}.{KEY}").click().run()
    assert not app.exception
    assert not teachings()
    assert len(shelf().models()) == left


def test_only_the_newest_result_is_open(app: AppTest) -> None:
    for key in (KEY, "0a1c"):
        begun(teachings_dir(), key, State("done", outcome="not better"), told=report("not better"))
    show(app)
    assert len(app.get("plotly_chart")) == 2, "of one"
    folded = [one for one in app.expander if one.label.startswith("Klinikum A")]
    assert [one.label for one in folded] == ["Klinikum A: not better"]


@pytest.mark.parametrize("quick", [False, True], ids=["full", "quick"])
def test_where_torch_is_the_way_can_be_chosen(
    app: AppTest, started: list[bool], monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    monkeypatch.setattr(setup, "has_torch", lambda: True)
    keep(case_store(), 6)
    show(app, opened=True)
    assert app.radio(key="teach.quick").value is False
    app.text_input(key="teach.name").set_value("Klinikum A")
    app.radio(key="teach.quick").set_value(quick)
    app.button(key="teach.begin").click().run()
    assert not app.exception
    [teaching] = teachings()
    assert teaching.request.quick == quick


def test_without_torch_the_quick_way_is_taken(
    app: AppTest, started: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(case_store(), 6)
    monkeypatch.setattr(section, "has_torch", lambda: False)
    monkeypatch.setattr(setup, "has_torch", lambda: False)
    told = show(app, opened=True)
    assert "Here the quick way is used" in told
    assert "`make app`" in told
    assert "teach.begin" in keys(app)
    assert not app.radio
    app.text_input(key="teach.name").set_value("Klinikum A")
    app.button(key="teach.begin").click().run()
    assert not app.exception
    [teaching] = teachings()
    assert teaching.request.quick


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Actor], None]:
    """Be somebody."""

    def be(who: Actor) -> None:
        for module in (section, result):
            monkeypatch.setattr(module, "actor", lambda: who)

    return be


def test_readers_may_not_teach(app: AppTest, logged_in: Callable[[Actor], None]) -> None:
    keep(case_store(), 6)
    logged_in(Actor("student@x", logged_in=True, reader=True))
    told = show(app, opened=True)
    assert "not teach a model" in told
    assert not keys(app)


def test_a_teaching_belongs_to_whoever_began_it(
    app: AppTest, logged_in: Callable[[Actor], None], started: list[bool]
) -> None:
    mine, other = Actor("a@x", logged_in=True), Actor("b@x", logged_in=True)
    keep(case_store(), 6, who=mine)
    keep(case_store(), 6, "Of another", who=other, first=10)
    begun(teachings_dir(), KEY, State(), owner="b@x", name="Of b")
    for number, owner in enumerate(("b@x", "c@x")):
        shelf().add(taught(0.01 * number), card("Of a", owner=owner))
    (damaged := teachings_dir() / "0d").mkdir()
    (damaged / "request.json").write_text("{", encoding="utf-8")
    logged_in(mine)
    told = show(app, opened=True)
    assert "Of b" not in told
    assert "damaged" not in told
    assert len(app.multiselect(key="teach.cases").options) == 1
    app.text_input(key="teach.name").set_value("Of a")
    app.button(key="teach.begin").click().run()
    assert not app.exception
    [new] = [one for one in teachings() if one.folder.name not in (KEY, "0d")]
    assert new.request.owner == "a@x"


def test_a_damaged_one_can_be_deleted(app: AppTest) -> None:
    (folder := teachings_dir() / "0d").mkdir(parents=True)
    (folder / "request.json").write_text("{", encoding="utf-8")
    told = show(app)
    assert "damaged" in told
    app.button(key="teach.damaged.0d").click().run()
    assert not teachings()
