"""A model that the user adds, through app.py: checked, listed, used, removed, private."""

from __future__ import annotations

import json
import time
import zipfile
from io import BytesIO
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from allcell.models.registry import CLASSIFIERS, MODELS
from allcell.report.exports import to_coco, to_summary_csv
from allcell.result import boxes_csv
from allcell.runs.speed import SpeedJob, SpeedRun
from allcell.ui.field.bench import Finished
from allcell.ui.live import camera
from allcell.ui.live.camera import Link
from allcell.ui.shell import user_models as session_models
from allcell.ui.shell.user_models import is_user_model
from allcell.untrusted import trial
from tests.pages.conftest import ROOT
from tests.untrusted_graphs import (
    NAMES,
    SIDE,
    anchor_based,
    anchor_free,
    breaks_on_light,
    end_to_end,
    graph,
)

WAIT_S = 20.0


def open_tab(app: AppTest) -> AppTest:
    """The tab on the Compare page."""
    app.session_state["compare.tab"] = "Your model"
    app.run().switch_page("pages/compare.py").run()
    assert not app.exception
    return app


def upload(app: AppTest, content: bytes, name: str = "mine.onnx") -> AppTest:
    """The tab with a file given to it."""
    open_tab(app).get("file_uploader")[0].set_value([(name, content, "")])
    app.run()
    assert not app.exception
    return app


def add(app: AppTest, content: bytes, title: str = "My net") -> str:
    """A model added as it is preset; returns its name in exports."""
    upload(app, content)
    app.text_input[0].set_value(title)
    app.button(key="user_model.add").click().run()
    assert not app.exception
    assert not app.error, [e.value for e in app.error]
    return list(app.session_state["allcell.user_models"])[-1]


def words(app: AppTest) -> str:
    """Everything the page says."""
    groups = (app.title, app.subheader, app.markdown, app.caption, app.info, app.error, app.warning)
    texts = [str(element.value) for group in groups for element in group]
    return "\n".join(texts + [element.proto.body for element in app.get("html")])


@pytest.fixture
def other() -> AppTest:
    """Another browser session."""
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)


def test_no_name_of_the_registry_is_that_of_a_users_model() -> None:
    assert not any(is_user_model(spec.name) for spec in (*MODELS, *CLASSIFIERS))


def test_what_the_file_says_is_preset_and_can_be_added(app: AppTest) -> None:
    upload(app, graph(anchor_free(), metadata={"names": NAMES}), "best_cells.onnx")
    assert app.text_input[0].value == "best_cells"
    assert [box.value for box in app.multiselect] == [[1], [0], []]
    assert "Left out, never shown or counted: 2\\: RBC" in words(app)
    app.button(key="user_model.add").click().run()
    said = words(app)
    for part in (
        "Blast: ALL; Healthy WBC: normal; 1 left out",
        "64 x 64 px, the only size it takes",
        "the tests, opset 17",
        "SHA-256",
        "not measured by us",
    ):
        assert part in said
    assert not app.text_input, "the form is gone with its file"


def test_of_two_layouts_the_one_is_preset_that_the_values_fit(app: AppTest) -> None:
    # RT-DETR of two classes answers with rows of six numbers, as those of finished boxes.
    rng = np.random.default_rng(1)
    scores = rng.uniform(0.01, 0.9, (40, 2))
    answer = np.hstack([rng.uniform(12, 52, (40, 2)), rng.uniform(8, 20, (40, 2)), scores])
    upload(app, graph(answer / SIDE, metadata={"names": "{0: 'ALL', 1: 'normal'}"}))
    (layout,) = [box for box in app.selectbox if box.label == "What it answers with"]
    assert layout.value == "anchor_free"
    app.button(key="user_model.add").click().run()
    assert not app.error, [e.value for e in app.error]
    assert "Blast: ALL; Healthy WBC: normal" in words(app)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        pytest.param(b"cells, cells, cells", ["it is text", "yolo export"], id="text"),
        pytest.param(b"PK\x03\x04" + bytes(99), ["ZIP archive", "yolo export"], id=".pt renamed"),
        pytest.param(graph(anchor_free())[:300], ["cut off", "again"], id="truncated"),
        pytest.param(graph([0.1, 0.9]), ["2 numbers", "classifier"], id="classifier"),
        pytest.param(
            graph(anchor_free(), weights_in="w.bin"), ["in other files", "one file"], id="external"
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(app: AppTest, content: bytes, parts: list[str]) -> None:
    upload(app, content)
    [error] = app.error
    for part in parts:
        assert part in error.value
    assert not app.text_input
    assert (
        "allcell.user_models" not in app.session_state
        or not app.session_state["allcell.user_models"]
    )


def test_what_is_wrong_with_an_answer_is_said(app: AppTest) -> None:
    upload(app, graph(end_to_end()))  # three classes, and the user says two
    app.number_input[0].set_value(2).run()
    app.multiselect[0].set_value([0]).run()
    app.button(key="user_model.add").click().run()
    assert "class 2, but 2 are named" in app.error[0].value
    app.number_input[0].set_value(3).run()
    assert "at least one" in app.info[0].value
    assert app.button(key="user_model.add").disabled


def test_a_class_cannot_be_two_things(app: AppTest) -> None:
    upload(app, graph(anchor_free(), metadata={"names": NAMES}))
    app.multiselect[0].set_value([0, 1]).run()
    assert "Chosen twice: 0\\: normal" in words(app)
    assert app.button(key="user_model.add").disabled


def test_a_name_that_is_taken_is_not_suggested(app: AppTest) -> None:
    upload(app, graph(anchor_free(), metadata={"names": NAMES}), "yolov5s.onnx")
    assert app.text_input[0].value == "yolov5s (2)"
    app.button(key="user_model.add").click().run()
    assert not app.error
    upload(app, graph(anchor_free(), side=96, metadata={"names": NAMES}), "yolov5s.onnx")
    assert app.text_input[0].value == "yolov5s (3)"


def test_names_of_ours_and_more_than_three_are_refused(app: AppTest) -> None:
    upload(app, graph(anchor_free(), metadata={"names": NAMES}))
    app.text_input[0].set_value("YOLOv5s")
    app.button(key="user_model.add").click().run()
    assert "a model named YOLOv5s already" in app.error[0].value
    for side in (64, 96, 128):
        add(app, graph(anchor_free(), side=side, metadata={"names": NAMES}), f"Net {side}")
    open_tab(app)
    assert "at most 3 models" in words(app)
    assert not app.get("file_uploader")
    name = next(iter(app.session_state["allcell.user_models"]))
    app.button(key=f"user_model.remove.{name}").click().run()
    assert app.get("file_uploader")
    assert "Net 64" not in words(app)


@pytest.mark.parametrize("answer", [anchor_free, anchor_based, end_to_end])
@pytest.mark.child
def test_it_is_used_on_the_detect_page(app: AppTest, answer: object) -> None:
    name = add(app, graph(answer(), metadata={"names": NAMES}))  # type: ignore[operator]
    app.switch_page("pages/detect.py").run()
    app.selectbox(key="detect.model").set_value(name).run()
    app.button(key="detect.sample.many-blasts").click().run()
    assert not app.exception
    assert not app.error
    metrics = {metric.label: metric.value for metric in app.metric}
    assert (metrics["Blasts"], metrics["Healthy WBC"], metrics["Smudges"]) == ("1", "1", "n/a")
    assert "fitted into 64 x 64 px" in words(app)
    assert "The model knows no smudges" in words(app)
    # All that can be downloaded.
    desk = app.session_state["allcell.bench"]
    outcome = desk.outcome(next(iter(desk.pictures.values())), name)
    assert isinstance(outcome, Finished)
    result = outcome.analysis.result()
    assert f",{name},1,blast," in boxes_csv([result])
    assert [c["name"] for c in json.loads(to_coco([result]))["categories"]] == ["blast", "healthy"]
    assert f",{name}," in to_summary_csv([result])
    # Leaving and coming back keeps the choice.
    app.switch_page("pages/models.py").run()
    app.switch_page("pages/detect.py").run()
    assert app.selectbox(key="detect.model").value == name


def test_a_model_without_blasts_gives_no_fraction(app: AppTest) -> None:
    name = add(app, graph(anchor_free(), metadata={"names": "['normal', 'RBC', 'platelet']"}))
    app.switch_page("pages/detect.py").run()
    app.selectbox(key="detect.model").set_value(name).run()
    app.button(key="detect.sample.many-blasts").click().run()
    assert not app.exception
    assert app.subheader[0].value == "Blasts suggested: not looked for"
    assert {m.label: m.value for m in app.metric}["Blasts"] == "n/a"
    assert "no blast fraction" in words(app)


def test_the_models_page_shows_it_shortly(app: AppTest) -> None:
    name = add(app, graph(anchor_free(), metadata={"names": NAMES}))
    app.switch_page("pages/models.py").run()
    assert not app.exception
    table = next(d.value for d in app.dataframe if "Model" in d.value)
    assert list(table["Model"])[-1] == "My net"
    assert list(table["State"])[-1] == "yours"
    said = words(app)
    assert "Yours, in this session" in said
    assert name in said


def test_a_removed_model_leaves_the_lists(app: AppTest) -> None:
    name = add(app, graph(anchor_free(), metadata={"names": NAMES}))
    app.switch_page("pages/detect.py").run()
    app.selectbox(key="detect.model").set_value(name).run()
    app.button(key="detect.sample.many-blasts").click().run()
    open_tab(app)
    app.button(key=f"user_model.remove.{name}").click().run()
    app.switch_page("pages/detect.py").run()
    assert not app.exception
    assert app.selectbox(key="detect.model").value != name


def test_all_sessions_share_one_budget(
    app: AppTest, other: AppTest, limits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = graph(anchor_free(), metadata={"names": NAMES})
    # Without those that other tests have left.
    monkeypatch.setattr(session_models, "_TAKEN", WeakSet())
    monkeypatch.setattr(session_models, "_CANDIDATES", WeakSet())
    limits(max_user_models_bytes=len(content))
    name = add(app, content)
    upload(other, content)
    other.button(key="user_model.add").click().run()
    assert "take all the memory reserved for them" in other.error[0].value
    app.button(key=f"user_model.remove.{name}").click().run()
    other.button(key="user_model.add").click().run()
    assert not other.error
    assert other.session_state["allcell.user_models"]


def test_no_session_sees_the_model_of_another(app: AppTest, other: AppTest) -> None:
    name = add(app, graph(anchor_free(), metadata={"names": NAMES}))
    other.run()
    assert "My net" not in other.selectbox(key="detect.model").options
    for page in ("pages/live.py", "pages/models.py", "pages/compare.py"):
        other.switch_page(page).run()
        assert "My net" not in words(other)
        assert all("My net" not in box.options for box in other.selectbox)
    # Not even by its name.
    other.session_state["detect.model"] = name
    other.switch_page("pages/detect.py").run()
    assert not other.exception
    assert other.selectbox(key="detect.model").value != name


def test_a_size_too_small_to_be_chosen_is_not_preset(app: AppTest) -> None:
    content = graph(anchor_free(), side="any", metadata={"names": NAMES, "imgsz": "[16, 16]"})
    upload(app, content)
    assert [box.value for box in app.number_input] == [640, 640]


def test_a_picture_that_breaks_the_network_is_said(app: AppTest) -> None:
    broken = np.full((7, 23), np.nan)
    name = add(app, breaks_on_light(anchor_free(), broken))
    app.switch_page("pages/detect.py").run()
    app.selectbox(key="detect.model").set_value(name).run()
    app.button(key="detect.sample.many-blasts").click().run()
    assert not app.exception
    assert "infinite or NaN" in app.error[0].value


def test_what_fails_in_speed_here_is_said_in_plain_text(app: AppTest) -> None:
    run = SpeedRun([SpeedJob("user-1", None, "My [net]")], lambda name: pytest.fail("not run"))
    run.failures[0], run.running = "This *file* failed (<x>).", False
    app.session_state["compare.speed_run"] = run
    app.session_state["compare.tab"] = "Speed here"
    app.run().switch_page("pages/compare.py").run()
    assert app.error[0].value == r"**My \[net\]** This \*file\* failed (\<x\>)."


def test_it_is_measured_in_speed_here(app: AppTest, limits: Any) -> None:
    limits(threads=1)
    name = add(app, graph(anchor_free(), metadata={"names": NAMES}))
    app.session_state["compare.tab"] = "Speed here"
    app.run()
    app.button_group(key="compare.speed.models").set_value([name]).run()
    app.button_group(key="compare.speed.sizes").set_value([0, 320]).run()
    assert "My net takes 64x64 px only" in words(app)
    app.segmented_control(key="compare.speed.length").set_value("Quick (30 frames)").run()
    app.button(key="compare.speed.start").click().run()
    run = app.session_state["compare.speed_run"]
    assert len(run.jobs) == 1, "a size it does not take is not measured"
    run.wait(WAIT_S)
    app.run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["Model"]) == ["My net"]
    assert list(table["Input (px)"]) == ["64x64"]
    assert "as no AP is measured there: My net at 64x64 px" in words(app)
    assert "; 1 thread in use; " in words(app)


@pytest.mark.parametrize(
    ("side", "wanted", "opened", "trials"),
    [
        pytest.param(64, None, 1, 1, id="one size: one session for all pages"),
        pytest.param("any", None, 2, 1, id="any size: once for inspection, once for its size"),
        pytest.param("any", 96, 3, 2, id="another size: one more session, and one more trial"),
    ],
)
@pytest.mark.child
def test_a_file_is_opened_as_seldom_as_can_be(
    app: AppTest,
    monkeypatch: pytest.MonkeyPatch,
    opens: list[int],
    side: int | str,
    wanted: int | None,
    opened: int,
    trials: int,
) -> None:
    tried: list[bytes] = []
    in_child = trial._run
    monkeypatch.setattr(
        trial, "_run", lambda arguments, file: tried.append(file) or in_child(arguments, file)
    )
    monkeypatch.setattr(camera, "from_server", lambda *a, **k: Link(True, False))
    # A file that no other test has tried.
    unseen = {"names": NAMES, "imgsz": "[128, 128]", "opened": f"{opened} times"}
    upload(app, graph(anchor_free(), side=side, metadata=unseen))
    app.text_input[0].set_value("My net").run()
    for box in app.number_input if wanted else ():
        box.set_value(wanted)
    app.button(key="user_model.add").click().run()
    assert not app.error, [e.value for e in app.error]
    (name,) = app.session_state["allcell.user_models"]
    app.switch_page("pages/detect.py").run()
    app.selectbox(key="detect.model").set_value(name).run()
    app.button(key="detect.sample.many-blasts").click().run()
    assert {m.label: m.value for m in app.metric}["Blasts"] == "1"
    app.switch_page("pages/live.py").run()
    app.selectbox(key="live.model").set_value(name).run()
    desk = app.session_state["allcell.live"]
    try:
        assert not app.exception
        assert not app.error
        patience = time.monotonic() + WAIT_S
        while desk.viewer.snapshot() is None and time.monotonic() < patience:
            desk.newest()
            time.sleep(0.03)
        assert desk.viewer.snapshot().spec.name == name
    finally:
        desk.stop()
    assert (len(opens), len(tried)) == (opened, trials)


@pytest.mark.child
def test_who_only_looks_makes_room_for_who_adds(
    app: AppTest, other: AppTest, limits: Any, monkeypatch: pytest.MonkeyPatch, opens: list[int]
) -> None:
    content = graph(anchor_free(), metadata={"names": NAMES})
    monkeypatch.setattr(session_models, "_TAKEN", WeakSet())
    monkeypatch.setattr(session_models, "_CANDIDATES", WeakSet())
    limits(max_user_models_bytes=len(content))
    upload(app, content)
    add(other, content, "Another net")
    assert len(opens) == 2
    app.button(key="user_model.add").click().run()
    assert "take all the memory reserved for them" in app.error[0].value
    (name,) = other.session_state["allcell.user_models"]
    other.button(key=f"user_model.remove.{name}").click().run()
    app.button(key="user_model.add").click().run()
    assert not app.error
    assert len(opens) == 3, "it was closed, and is opened again"


def test_it_runs_live_under_the_virtual_microscope(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "from_server", lambda *a, **k: Link(True, False))
    name = add(app, graph(anchor_free(), metadata={"names": NAMES}))
    app.switch_page("pages/live.py").run()
    app.selectbox(key="live.model").set_value(name).run()
    assert not app.exception
    assert not app.error
    assert "fitted into 64 x 64 px" in words(app)
    desk = app.session_state["allcell.live"]
    try:
        assert desk.viewer.settings.spec.name == name
        added = app.session_state["allcell.user_models"][name]
        worker = desk.viewer.settings.worker
        assert worker is added.worker(), "it is opened once"
        assert worker.detector is not added.detector, "no page waits for the stream"
        patience = time.monotonic() + WAIT_S
        while desk.viewer.snapshot() is None and time.monotonic() < patience:
            desk.newest()
            time.sleep(0.03)
        app.button(key="live.snapshot").click().run()
        assert not app.exception
        snapshot = desk.strip.snapshots()[0]
        assert snapshot.spec.name == name
        assert len(snapshot.detections) == 2
        assert desk.viewer.status().input_px == 64
        assert "magnification" not in desk.viewer.tally().paused
        from allcell.report.snapshots import snapshots_zip

        with zipfile.ZipFile(BytesIO(snapshots_zip([snapshot]))) as archive:
            assert name in archive.read("session.csv").decode("utf-8-sig")
        # Removed while it is chosen: the page goes on with another.
        open_tab(app)
        app.button(key=f"user_model.remove.{name}").click().run()
        # Nobody watches the stream now: it falls asleep, and the thread of the model with it.
        patience = time.monotonic() + WAIT_S
        while worker._thread is not None and time.monotonic() < patience:
            time.sleep(0.05)
        assert worker._thread is None
        app.switch_page("pages/live.py").run()
        assert not app.exception
        assert not app.error
        assert desk.viewer.settings.spec.name != name
    finally:
        desk.stop()
