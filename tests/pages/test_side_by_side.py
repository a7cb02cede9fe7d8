"""The tab Side by side through app.py, without a browser.

The networks behind it give the same results, set by the test (see `Saying`), for any image.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from streamlit.testing.v1 import AppTest

from allcell.classifier import FieldClassifier
from allcell.detector import Detector
from allcell.errors import ModelError
from allcell.imaging.images import encode_png
from allcell.models.registry import CLASSES, get_classifier, get_spec
from allcell.ui.compare.side import page as side_by_side
from allcell.ui.compare.side import runs as side_runs
from allcell.ui.field.bench import Bench
from allcell.ui.field.pictures import Picture, PictureMemory

ROOT = Path(__file__).resolve().parents[2]
TAB = "Side by side"


@dataclass
class Saying:
    """A network that sees these classes and confidences, side by side, and counts its runs."""

    seen: Sequence[tuple[str, float]]
    runs: int = 0
    description: str = "saying engine"

    def run(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Boxes of 20 x 20 input pixels in a row; the class "-" leaves its place empty."""
        self.runs += 1
        output = np.zeros((4 + len(CLASSES), len(self.seen)), np.float32)
        for n, (name, confidence) in enumerate(self.seen):
            output[:4, n] = (30 + 40 * n, 40, 20, 20)
            if name != "-":
                output[4 + CLASSES.index(name), n] = confidence
        return output


@dataclass
class Judging:
    """A whole-field network with one answer."""

    logits: tuple[float, float]
    description: str = "judging engine"

    def run(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits of healthy and cancerous."""
        return np.array(self.logits, np.float32)


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Saying]:
    """The networks of the two models that are chosen at first; the CNN says healthy."""
    engines = {
        "live": Saying([("blast", 0.9), ("healthy", 0.8), ("smudge", 0.7), ("blast", 0.48)]),
        "yolov5s": Saying([("blast", 0.9), ("blast", 0.6), ("-", 0.0), ("blast", 0.3)]),
    }

    def detector(name: str) -> Detector:
        if name not in engines:
            raise ModelError("It is broken.", "Choose another.")
        return Detector(get_spec(name), engines[name])

    classifier = FieldClassifier(get_classifier("cnn"), Judging((2.0, -2.0)))
    monkeypatch.setattr(side_runs, "get_detector", detector)
    monkeypatch.setattr(side_runs, "get_field_classifier", lambda name: classifier)
    return engines


def show(app: AppTest, sample: str | None = "healthy") -> AppTest:
    """The tab, with a sample chosen."""
    app.session_state["compare.tab"] = TAB
    if sample:
        app.session_state["side.sample"] = sample
    app.run().switch_page("pages/compare.py").run()
    assert not app.exception
    return app


def rerun(app: AppTest) -> AppTest:
    assert not app.run().exception
    return app


def words(app: AppTest) -> str:
    """All running text of the page."""
    groups = (app.subheader, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for group in groups for element in group)


def said(app: AppTest) -> list[tuple[str, str]]:
    """What the two models say of each cell."""
    table: Any = app.dataframe[-1].value
    return list(zip(table["allcell live"], table["YOLOv5s"], strict=True))


@pytest.mark.child
def test_nothing_is_loaded_before_an_image_is_chosen() -> None:
    code = f"""
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file('app.py', default_timeout=60)
app.session_state['compare.tab'] = {TAB!r}
import allcell.ui.detect.preload
allcell.ui.detect.preload.start = bool
app.run().switch_page('pages/compare.py').run()
assert not app.exception
assert any('Choose an image' in m.value for m in app.markdown)
bad = {{'torch', 'ultralytics', 'onnxruntime'}} & set(sys.modules)
assert not bad, bad
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_sample_opens_with_one_click(app: AppTest, networks: dict[str, Saying]) -> None:
    show(app, sample=None)
    app.button(key="side.sample.few-blasts").click()
    rerun(app)
    assert app.selectbox(key="side.sample").value == "few-blasts"
    assert "few-blasts (synthetic).png, 1280 x 960 px. Red cells measured" in words(app)
    assert [engine.runs for engine in networks.values()] == [1, 1]


def test_cells_are_sorted_by_disagreement(app: AppTest, networks: dict[str, Saying]) -> None:
    show(app)
    app.toggle(key="side.truth").set_value(False)
    rerun(app)
    assert said(app) == [
        ("Healthy WBC 0.80", "Blast 0.60"),
        ("Smudge 0.70", "not found"),
        ("Blast 0.48", "not found"),
        ("Blast 0.90", "Blast 0.90"),
    ]
    assert (
        "Of 4 cells found, both models agree on 1. The others: 1 with different suggested "
        "classes, 2 that not every model finds."
    ) in words(app)


def test_no_model_runs_again_for_a_threshold(app: AppTest, networks: dict[str, Saying]) -> None:
    show(app)
    app.toggle(key="side.truth").set_value(False)
    app.slider(key="side.confidence.yolov5s").set_value(0.25)
    assert ("Blast 0.48", "Blast 0.30") in said(rerun(app))
    app.segmented_control(key="side.thresholds").set_value("One for all")
    rerun(app)
    app.slider(key="side.confidence").set_value(0.65)
    assert said(rerun(app)) == [
        ("Healthy WBC 0.80", "not found"),
        ("Smudge 0.70", "not found"),
        ("Blast 0.90", "Blast 0.90"),
    ]
    assert [engine.runs for engine in networks.values()] == [1, 1]


def test_another_red_cell_size_runs_them_again(app: AppTest, networks: dict[str, Saying]) -> None:
    show(app)
    switch = next(t for t in app.toggle if t.key.startswith("side.own_red_cell."))
    switch.set_value(True)
    rerun(app)
    number = next(n for n in app.number_input if n.key.startswith("side.red_cell."))
    number.set_value(60.0)
    rerun(app)
    assert "Red cells set by you: 60" in words(app)
    runs = [engine.runs for engine in networks.values()]
    assert runs[0] == runs[1] > 1


def test_the_truth_of_a_sample_is_shown(app: AppTest, networks: dict[str, Saying]) -> None:
    table: Any = show(app).dataframe[-1].value
    assert (table["Truth"] == "Healthy WBC").sum() == 10, "ten cells are drawn into this sample"
    assert "true cells found by none" in words(app)


def test_a_model_that_fails_does_not_stop_the_others(
    app: AppTest, networks: dict[str, Saying]
) -> None:
    app.session_state["side.models"] = ["live", "yolov5s", "yolov5m"]
    show(app)
    assert "YOLOv5m** gave no result. It is broken." in words(app)
    assert len(said(app)) > 3, "the other two are compared"
    networks["yolov5m"] = Saying([("blast", 0.9)])
    app.button(key="side.again").click()
    rerun(app)
    assert not app.error
    assert "Blast 0.90" in set(app.dataframe[-1].value["YOLOv5m"])
    assert [engine.runs for engine in networks.values()] == [1, 1, 1]


def test_the_cnn_is_flagged_where_it_differs(app: AppTest, networks: dict[str, Saying]) -> None:
    show(app)
    [flag] = [w.value for w in app.warning]
    assert "suggested class of the whole field **healthy**" in flag
    assert "Against it: **allcell live, YOLOv5s** suggest a blast" in flag
    app.segmented_control(key="side.thresholds").set_value("One for all")
    rerun(app)
    app.slider(key="side.confidence").set_value(0.95)
    rerun(app)
    assert not app.warning
    assert "With it: allcell live, YOLOv5s suggest no blast." in words(app)
    app.toggle(key="side.cnn").set_value(False)
    assert "whole field" not in words(rerun(app))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"this is no picture", "is a text file", id="text"),
        pytest.param(None, "many-blasts", id="a good one"),
    ],
)
def test_a_file_of_ones_own(
    app: AppTest, networks: dict[str, Saying], smear: bytes, data: bytes | None, says: str
) -> None:
    show(app, sample=None)
    app.segmented_control(key="side.origin").set_value("File of yours")
    rerun(app)
    app.get("file_uploader")[0].set_value(("many-blasts.png", data or smear, ""))
    rerun(app)
    assert says in words(app)
    assert bool(app.error) == (data is not None)
    assert not any(t.key == "side.truth" for t in app.toggle), "nobody knows the truth"


def test_one_model_is_too_few(app: AppTest, networks: dict[str, Saying]) -> None:
    app.session_state["side.models"] = ["live"]
    assert "Choose at least two models" in words(show(app))
    assert networks["live"].runs == 0


def test_of_too_many_models_the_first_are_compared(
    app: AppTest, networks: dict[str, Saying], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "MOST", 2)
    app.session_state["side.models"] = ["yolov7", "yolov5s", "live"]
    assert "3 models are chosen; the first 2 of the list are compared." in words(show(app))
    assert not app.error, "the third would have failed"
    assert len(said(app)) > 3


def test_what_is_open_on_detect_is_decoded_and_analysed_once(
    app: AppTest, networks: dict[str, Saying], smear: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Detector(get_spec("live"), networks["live"])
    monkeypatch.setattr("allcell.ui.detect.workspace.get_detector", lambda name: live)
    app.run().get("file_uploader")[0].set_value([("a.png", smear, "")])
    rerun(app)
    assert networks["live"].runs == 1
    show(app, sample=None)
    app.segmented_control(key="side.origin").set_value("From Detect")
    rerun(app)
    assert app.selectbox(key="side.bench").value.endswith("a.png")
    assert ("Blast 0.90", "Blast 0.90") in said(app)
    assert (networks["live"].runs, networks["yolov5s"].runs) == (1, 1)


def test_an_empty_bench_says_where_pictures_come_from(
    app: AppTest, networks: dict[str, Saying]
) -> None:
    show(app, sample=None)
    app.segmented_control(key="side.origin").set_value("From Detect")
    assert "Nothing is open on the *Detect* page" in words(rerun(app))


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        pytest.param(None, "From Detect", id="what is open on Detect comes first"),
        pytest.param("File of yours", "File of yours", id="unless the user has chosen"),
    ],
)
def test_an_image_on_detect_is_not_asked_for_again(
    app: AppTest, networks: dict[str, Saying], chosen: str | None, expected: str
) -> None:
    show(app, sample=None)
    assert app.button_group(key="side.origin").value == "Synthetic sample"
    if chosen:
        app.button_group(key="side.origin").set_value(chosen).run()
    picture = Picture.of("smear.png", encode_png(np.full((64, 64, 3), 200, np.uint8)))
    desk = Bench(picture_memory_of(app))
    desk.add(picture)
    app.session_state["allcell.bench"] = desk
    rerun(app)
    assert app.button_group(key="side.origin").value == expected
    assert [engine.runs for engine in networks.values()] == [chosen is None] * 2


def picture_memory_of(app: AppTest) -> PictureMemory:
    return (
        app.session_state["side.desk"].memory
        if "side.desk" in app.session_state
        else (PictureMemory())
    )
