"""Detect: images that go and come, models that change, and what the browser is told of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from allcell.detections import Detections
from allcell.detector import Detector, choose
from allcell.models.registry import get_spec
from allcell.runs.evaluation import EvaluationRun, UserSet
from allcell.stream.snapshots import Strip
from allcell.ui.detect import correct, slot, workspace
from allcell.ui.field.bench import Bench
from allcell.ui.field.pictures import Picture, PictureMemory
from allcell.ui.live.desk import LiveDesk
from allcell.ui.shell import frame
from allcell.ui.shell.catalog import Listing
from tests.pages.conftest import CountingEngine

REMOVE, THRESHOLD = "detect.remove", "detect.confidence.live"


def bench_of(app: AppTest) -> Bench:
    return app.session_state["allcell.bench"]


def names(app: AppTest) -> list[str]:
    return [picture.name for picture in bench_of(app).pictures.values()]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the frame's script in the browser was told, in order."""
    data: list[dict[str, Any]] = []
    monkeypatch.setattr(frame, "_tell_browser", lambda key, what: data.append(what))
    return data


@pytest.mark.parametrize("visit", [True, False], ids=["after another page", "at once"])
def test_one_image_can_be_removed(upload: Any, engine: Any, smear: bytes, visit: bool) -> None:
    app = upload(("a.png", smear), ("b.png", smear + b" "), ("c.png", smear + b"  "))
    bench_of(app).show(list(bench_of(app).pictures)[1])
    if visit:
        app.switch_page("pages/models.py").run()
        app.switch_page("pages/detect.py").run()
    else:
        app.run()
    app.button(key=REMOVE).click().run()
    assert not app.exception
    assert names(app) == ["a.png", "c.png"]
    assert bench_of(app).pictures[bench_of(app).shown or ""].name == "c.png", "the next one"
    app.run()
    assert names(app) == ["a.png", "c.png"], "the uploader does not bring it back"
    app.button(key=REMOVE).click().run()
    app.button(key=REMOVE).click().run()
    assert not names(app)
    assert app.title[0].value.startswith("Find leukemic cells"), "the first page again"


def test_an_image_that_cannot_be_read_can_be_removed(
    upload: Any, engine: Any, smear: bytes
) -> None:
    app = upload(("broken.jpg", b"no picture"), ("a.png", smear))
    app.button(key=REMOVE).click().run()
    assert names(app) == ["a.png"]
    assert not app.error


def bench_with(pictures: int) -> Bench:
    desk = Bench(PictureMemory())
    for n in range(pictures):
        desk.add(Picture.of(f"{n}.png", bytes([n])))
    return desk


def live_with(snapshots: int) -> LiveDesk:
    desk = LiveDesk.__new__(LiveDesk)  # without a stream
    desk.strip, desk.recording = Strip(), None
    for n in range(snapshots):
        desk.strip.add(n)  # type: ignore[arg-type]
    return desk


def run_with(running: bool) -> EvaluationRun:
    run = EvaluationRun(UserSet("a", "test", None, {}), [])
    run.running = running
    return run


@pytest.mark.parametrize(
    ("kept", "held"),
    [
        pytest.param(None, False, id="nothing"),
        pytest.param(bench_with(0), False, id="no picture"),
        pytest.param(bench_with(1), True, id="a picture on Detect"),
        pytest.param(live_with(0), False, id="no snapshot"),
        pytest.param(live_with(1), True, id="a snapshot of Live"),
        pytest.param(run_with(True), True, id="an evaluation that runs"),
        pytest.param(run_with(False), False, id="one that has nothing"),
    ],
)
def test_a_reload_asks_only_while_there_is_something_to_lose(
    told: list[dict[str, Any]], kept: object, held: bool
) -> None:
    def page() -> None:
        from allcell.ui.shell.frame import ask_before_leaving

        ask_before_leaving()

    app = AppTest.from_function(page)
    app.session_state["anything"] = kept
    assert not app.run().exception
    assert told == [{"held": held}]


def test_the_answer_is_read_out(
    upload: Any, engine: Any, smear: bytes, told: list[dict[str, Any]]
) -> None:
    app = upload(("a.png", smear))
    said = [what["said"] for what in told if "said" in what]
    assert said == ["Image 1: blasts are suggested. Blasts 2, Healthy WBC 1, Smudges 1."]
    app.slider(key=THRESHOLD).set_value(0.95).run()
    assert (
        told[-1]["said"] == "Image 1: no blasts are suggested. Blasts 0, Healthy WBC 0, Smudges 0."
    )


def test_the_answers_of_another_model_go_before_it_works(
    upload: Any, smear: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    class Slot(slot.AnswerSlot):
        def __init__(self, *, works: bool) -> None:
            seen.append(works)
            super().__init__(works=works)

    monkeypatch.setattr(workspace, "AnswerSlot", Slot)
    detectors = {name: Detector(get_spec(name), CountingEngine()) for name in ("live", "yolov6")}
    monkeypatch.setattr(workspace, "get_detector", detectors.__getitem__)
    app = upload(("a.png", smear))
    app.slider(key=THRESHOLD).set_value(0.65).run()
    app.selectbox[0].set_value("yolov6").run()
    app.selectbox[0].set_value("live").run()
    assert seen == [True, False, True, False], "what is known already only redraws, with its zoom"


def test_the_browser_can_count_at_any_threshold(
    upload: Any, engine: Any, smear: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slider tells the server its value only when it is let go."""
    drawn: list[dict[str, Any]] = []
    monkeypatch.setattr(correct, "show_desk", lambda session, data, **more: drawn.append(data))
    app = upload(("a.png", smear))
    app.button_group(key="detect.classes.live").set_value(["healthy"]).run()
    field = drawn[-1]
    assert (field["lowest"], field["slider"]) == (get_spec("live").confidence, THRESHOLD)
    counted = {title: np.round(scores, 2).tolist() for title, scores in field["counted"].items()}
    assert counted == {"Blasts": [0.9, 0.6], "Healthy WBC": [0.7, 0.15], "Smudges": [0.5]}
    [shown] = field["fields"]
    cells = [(number, kind, round(score, 2)) for number, kind, score, *_ in shown["cells"]]
    assert cells == [(1, "blast", 0.9), (2, "healthy", 0.7), (3, "blast", 0.6), (4, "smudge", 0.5)]
    below = [(kind, round(score, 2)) for kind, score, *_ in field["below"]]
    assert below == [("healthy", 0.15)], "waits for the slider"
    assert field["hidden"] == ["blast", "smudge"], "hidden ones are not drawn"


def test_a_higher_threshold_only_leaves_boxes_out() -> None:
    """So the browser may do it: the boxes at a threshold are those at a lower one, cut off."""
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 300, (400, 2))
    xyxy = np.hstack([corner, corner + rng.uniform(10, 60, (400, 2))]).astype(np.float32)
    confidence = rng.uniform(0.05, 1, 400).astype(np.float32).round(2)
    spec = get_spec("live")
    found = Detections(xyxy, confidence, rng.integers(0, len(spec.classes), 400))
    low = choose(spec, found, confidence=0.05)
    for threshold in (0.07, 0.35, 0.4, 0.7, 0.95):
        expected = choose(spec, found, confidence=threshold)
        # What assets/review/desk.js does; float32, as Math.fround gives it.
        cut = low[low.confidence >= np.float32(threshold)]
        assert np.array_equal(cut.xyxy, expected.xyxy)
        assert np.array_equal(cut.class_id, expected.class_id)


def test_tables_hold_what_they_show(upload: Any, engine: Any, smear: bytes) -> None:
    """Screen readers and copied cells have the number itself, not its format."""
    app = upload(("a.png", smear), ("b.png", smear + b" "))
    summary, cells = app.dataframe[0].value, app.dataframe[-1].value
    assert summary["Blast %"].tolist() == [66.7, 66.7]
    assert summary["Highest blast confidence"].tolist() == [0.9, 0.9]
    assert cells["Confidence"].tolist() == [0.9, 0.7, 0.6, 0.5]
    assert all(size == round(size, 1) for size in cells["Size (red cells)"])


def test_a_clinician_is_not_told_to_train_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = Listing(
        get_spec("yolov6"), None, "It has no weights here.", "Train it with `python -m allcell`."
    )
    monkeypatch.setattr("allcell.ui.shell.catalog.catalog", lambda: (lacking,))

    def page() -> None:
        from allcell.ui.shell import catalog, controls

        controls.choose_model(catalog.catalog())

    text = " ".join(m.value for m in AppTest.from_function(page).run().markdown)
    assert "Train" not in text
    assert "Whoever runs allcell here" in text
    assert "YOLOv6n" in text


def test_one_click_takes_an_image_to_side_by_side(
    upload: Any, engine: Any, smear: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[str] = []
    monkeypatch.setattr("allcell.ui.field.handover.st.switch_page", gone.append)
    app = upload(("a.png", smear), ("b.png", smear + b" "))
    bench_of(app).show(list(bench_of(app).pictures)[1])
    app.run().button(key="detect.compare").click().run()
    assert gone == ["pages/compare.py"]
    assert app.session_state["compare.tab"] == "Side by side"
    assert app.session_state["side.origin"] == "From Detect"
    assert app.session_state["side.bench"] == list(bench_of(app).pictures)[1]
