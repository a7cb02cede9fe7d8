"""The Detect page through app.py, without a browser.

The network behind it (see `conftest`) sees in any image two blasts (0.90, 0.60), two healthy cells
(0.70, 0.15) and a smudge (0.50).
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from allcell.detector import Detector
from allcell.errors import ModelError
from allcell.imaging.images import encode_png
from allcell.models.registry import get_spec
from allcell.settings import RESEARCH_USE
from allcell.synth import FieldSpec, render, samples
from allcell.synth.samples import SEPIA, TAUGHT
from allcell.ui.detect import downloads, workspace
from allcell.ui.field.bench import Bench
from allcell.ui.field.pictures import Picture
from tests.pages.conftest import CountingEngine

ROOT = Path(__file__).resolve().parents[2]
THRESHOLD = "detect.confidence.live"


def metrics(app: AppTest) -> dict[str, str]:
    """What the cards say, by label."""
    return {metric.label: str(metric.value) for metric in app.metric}


def counted(app: AppTest) -> tuple[int, int, int]:
    """Blasts, healthy cells and smudges on the cards."""
    shown = metrics(app)
    return int(shown["Blasts"]), int(shown["Healthy WBC"]), int(shown["Smudges"])


def cells(app: AppTest) -> Any:
    """The table of cells, which is the last one on the page."""
    return app.dataframe[-1].value


def bench_of(app: AppTest) -> Bench:
    """What the session holds."""
    return app.session_state["allcell.bench"]


def words(app: AppTest) -> str:
    """All running text of the page."""
    groups = (app.title, app.subheader, app.markdown, app.caption, app.error, app.warning, app.info)
    return "\n".join(str(element.value) for group in groups for element in group)


@pytest.fixture(scope="module")
def other_smear() -> bytes:
    """Another smear, rendered."""
    return encode_png(render(FieldSpec(400, 300, red_cell_px=24, seed=8, neutrophils=1)).image)


def test_first_page_says_what_to_do(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert not app.error
    assert RESEARCH_USE in " ".join(element.proto.body for element in app.get("html"))
    assert len(re.findall(r"^\d\. ", words(app), re.MULTILINE)) == 3, "three short lines"
    buttons = [button.label for button in app.button]
    assert buttons == [*(sample.title for sample in samples()), SEPIA.title]
    assert all("synthetic" in label for label in buttons)


def test_the_unknown_laboratory_is_opened_whole(app: AppTest, engine: Any) -> None:
    app.run()
    app.button(key=f"detect.sample.{SEPIA.name}").click().run()
    assert not app.exception
    pictures = list(app.session_state["allcell.bench"].pictures.values())
    assert len(pictures) == TAUGHT
    assert all(picture.name.endswith("(synthetic).png") for picture in pictures)
    assert engine.runs == TAUGHT
    app.button(key=f"detect.sample.{SEPIA.name}").click().run()
    assert len(app.session_state["allcell.bench"].pictures) == TAUGHT, "no field twice"


@pytest.mark.child
def test_cpu_path_never_imports_torch() -> None:
    # The preloading thread may be half way at any time, so it is left out.
    script = f"""
import sys
import allcell.ui.detect.preload
allcell.ui.detect.preload.start = bool
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(ROOT / "app.py")!r}, default_timeout=120).run()
early = [m for m in ("scipy", "onnxruntime", "torch", "ultralytics") if m in sys.modules]
app.button(key="detect.sample.many-blasts").click().run()
assert not app.exception and app.metric, app.exception
app.switch_page("pages/models.py").run()
late = [m for m in ("torch", "ultralytics") if m in sys.modules]
print(early, late, "onnxruntime" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[-2] == "[] [] True"


def test_upload_is_counted(upload: Any, engine: Any, smear: bytes) -> None:
    app = upload(("smear.png", smear))
    assert not app.exception
    assert counted(app) == (2, 1, 1)
    assert app.subheader[0].value == "Blasts suggested: yes"
    text = words(app)
    for part in (
        "Highest confidence 0.90",
        "suggested class, not a diagnosis",
        "2 of 3, exact 95 % interval 9.4 to 99.2\u00a0%",
        "sampling error only, not the classifier's",
        "3 cells counted, 97 short of 100 (197 short of 200, 397 short of 400)",
        "33.3 smudges per 100 white cells",
        "Red cells measured: ",
        "on this computer",
    ):
        assert part in text
    [stages] = [c.help for c in app.caption if "on this computer" in c.value]
    assert re.search(r"Running the model: \d+ ms", stages)
    assert "counting engine" in stages
    assert metrics(app)["Blast fraction of detected cells"] == "66.7\u00a0%"
    assert engine.runs == 1


def test_table_lists_what_is_boxed(upload: Any, engine: Any, smear: bytes) -> None:
    table = cells(upload(("smear.png", smear)))
    assert list(table["Suggested class"]) == ["Blast", "Healthy WBC", "Blast", "Smudge"]
    assert list(table["No."]) == [1, 2, 3, 4]
    assert table["Confidence"].tolist() == pytest.approx([0.9, 0.7, 0.6, 0.5])
    assert all(cell.startswith("data:image/jpeg;base64,") for cell in table["Cell"])
    # 20 input pixels are one red cell of the model: each box is as large as a red cell.
    assert table["Size (red cells)"].tolist() == pytest.approx([1.0] * 4, abs=0.05)


def test_nothing_found_says_no(upload: Any, engine: Any, smear: bytes) -> None:
    app = upload(("smear.png", smear))
    app.slider(key=THRESHOLD).set_value(0.95).run()
    assert counted(app) == (0, 0, 0)
    assert app.subheader[0].value == "Blasts suggested: no"
    assert "there is no fraction" in words(app)
    assert len(cells(app)) == 0


@pytest.mark.parametrize(
    ("key", "value", "expected", "rows"),
    [
        pytest.param(THRESHOLD, 0.65, (1, 1, 0), 2, id="higher threshold"),
        pytest.param(THRESHOLD, 0.10, (2, 2, 1), 5, id="lower than the operating threshold"),
        pytest.param("detect.iou.live", 0.8, (2, 1, 1), 4, id="overlap: these boxes do not touch"),
    ],
)
def test_sliders_redraw_without_the_model(
    upload: Any,
    engine: Any,
    smear: bytes,
    key: str,
    value: float,
    expected: tuple[int, int, int],
    rows: int,
) -> None:
    app = upload(("smear.png", smear))
    app.slider(key=key).set_value(value).run()
    assert not app.exception
    assert counted(app) == expected
    assert len(cells(app)) == rows
    assert engine.runs == 1


def problems(app: AppTest) -> list[Any]:
    """Warnings of the page, but for that the tests' pictures are like no laboratory's."""
    return [w for w in app.warning if "unlike those of the laboratories" not in w.value]


def test_hidden_class_is_still_counted(upload: Any, engine: Any, smear: bytes) -> None:
    app = upload(("smear.png", smear))
    app.button_group(key="detect.classes.live").set_value(["healthy"]).run()
    assert list(cells(app)["Suggested class"]) == ["Healthy WBC"]
    assert counted(app) == (2, 1, 1), "hiding a class must not change a fraction"
    assert app.subheader[0].value == "Blasts suggested: yes"
    app.toggle(key="detect.labels").set_value(False).run()
    assert not app.exception
    assert engine.runs == 1


def test_downloads_say_which_class_they_leave_out(upload: Any, engine: Any, smear: bytes) -> None:
    app = upload(("smear.png", smear))
    assert not problems(app)
    app.button_group(key="detect.classes.live").set_value(["healthy"]).run()
    [warning] = problems(app)
    assert warning.value == "These files leave out what is hidden above: Blast, Smudge."


def test_many_images_are_packed_with_their_progress_shown(
    upload: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MOST_AT_ONCE", 2)
    shades = [encode_png(np.full((64, 64, 3), 200 + n, np.uint8)) for n in range(3)]
    app = upload(*((f"{n}.png", data) for n, data in enumerate(shades)))
    assert bench_of(app).archive is None, "nothing is packed before it is asked for"

    def pack() -> Any:
        return next(b for b in app.button if b.label == "Pack all 3 images (ZIP)")

    pack().click().run()
    assert not app.exception
    archive = bench_of(app).archive
    assert archive is not None
    names = zipfile.ZipFile(io.BytesIO(archive[1])).namelist()
    assert sum(name.startswith("annotated/") for name in names) == 3
    app.run()
    assert bench_of(app).archive is archive, "kept for the download"
    app.slider(key=THRESHOLD).set_value(0.65).run()
    assert bench_of(app).archive is None, "it would hold other boxes"
    assert pack()


def test_another_model_keeps_the_pictures_and_each_threshold(
    upload: Any, smear: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []

    class Engine(CountingEngine):
        def run(self, image: Any) -> Any:
            runs.append("run")
            return super().run(image)

    detectors = {name: Detector(get_spec(name), Engine()) for name in ("live", "yolov6")}
    monkeypatch.setattr(workspace, "get_detector", detectors.__getitem__)
    app = upload(("smear.png", smear))
    app.slider(key=THRESHOLD).set_value(0.65).run()
    app.selectbox[0].set_value("yolov6").run()
    assert not app.exception
    assert app.slider(key="detect.confidence.yolov6").value == get_spec("yolov6").confidence
    assert counted(app) == (2, 1, 1)
    app.selectbox[0].set_value("live").run()
    assert app.slider(key=THRESHOLD).value == 0.65, "as the user left it"
    assert counted(app) == (1, 1, 0)
    assert len(runs) == 2, "each model saw the picture once"


def test_own_red_cell_size_runs_the_model_once_more(upload: Any, engine: Any, smear: bytes) -> None:
    app = upload(("smear.png", smear))
    [source] = bench_of(app).pictures.values()
    switch = f"detect.own_red_cell.{source.digest}"
    app.toggle(key=switch).set_value(True).run()
    app.number_input(key=f"detect.red_cell.{source.digest}").set_value(40.0).run()
    assert "Red cells set by you: 40" in words(app)
    runs = engine.runs
    width = engine.sizes[-1][0]
    red_cell_px = get_spec("live").red_cell_px
    assert width == pytest.approx(480 * red_cell_px / 40, abs=32), "brought to the model's scale"
    app.toggle(key=switch).set_value(False).run()
    assert "Red cells measured" in words(app)
    assert engine.runs == runs, "the first result is still known"


def test_unmeasurable_red_cells_are_admitted(
    upload: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An empty slide is no smear, which is not the subject.
    monkeypatch.setattr("allcell.analysis.answers.judge", lambda image, scale, known: ())
    app = upload(("blank.png", encode_png(np.full((300, 400, 3), (230, 220, 225), np.uint8))))
    assert "could not be measured; the model's default size is used" in words(app)
    assert "Size (red cells)" not in cells(app)


@pytest.mark.parametrize(
    ("name", "data", "part"),
    [
        pytest.param("notes.jpg", b"not a picture", "text file", id="text under a picture's name"),
        pytest.param("empty.png", b"", "empty", id="empty file"),
        pytest.param("cut.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF", "cut.jpg", id="cut short"),
    ],
)
def test_broken_file_is_an_error_with_a_remedy(
    upload: Any, engine: Any, name: str, data: bytes, part: str
) -> None:
    app = upload((name, data))
    assert not app.exception
    [error] = app.error
    assert part in error.value
    assert error.value.strip().count("\n") == 1, "message and remedy"
    assert not app.metric
    assert engine.runs == 0


def test_broken_file_leaves_the_others_alone(
    upload: Any, engine: Any, smear: bytes, other_smear: bytes
) -> None:
    app = upload(("a.png", smear), ("broken.jpg", b"no picture"), ("b.png", other_smear))
    assert not app.exception
    summary = app.dataframe[0].value
    assert list(summary["Image"]) == ["a.png", "broken.jpg", "b.png"]
    assert summary["Blasts"].tolist()[::2] == [2, 2]
    assert summary["Blasts"].isna().tolist() == [False, True, False]
    assert "broken.jpg" in summary["Note"][1]
    assert counted(app) == (2, 1, 1), "the first one is shown"
    assert len(app.error) == 1
    assert engine.runs == 2
    assert "All 2 images together: 4 of 6 = 66.7" in words(app)
    bench_of(app).show(list(bench_of(app).pictures)[1])
    app.run()
    assert not app.metric
    assert "broken.jpg" in app.error[-1].value


def test_model_that_fails_on_one_image_leaves_the_others_alone(
    upload: Any, engine: Any, smear: bytes, other_smear: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = engine.run

    def fail_once(image: Any) -> Any:
        if engine.runs == 0:
            engine.runs += 1
            raise ModelError("The network failed.", "Choose another model.")
        return answer(image)

    monkeypatch.setattr(engine, "run", fail_once)
    monkeypatch.setattr("allcell.analysis.answers.judge", lambda image, scale, known: ())
    app = upload(("a.png", smear), ("b.png", other_smear))
    summary = app.dataframe[0].value
    assert summary["Note"].tolist() == ["The network failed. Choose another model.", ""]
    assert summary["Blasts"].isna().tolist() == [True, False]


def test_same_picture_is_not_analysed_twice(upload: Any, engine: Any, smear: bytes) -> None:
    upload(("a.png", smear))
    app = upload(("a.png", smear), ("copy.png", smear))
    assert engine.runs == 1
    assert list(app.dataframe[0].value["Image"]) == ["a.png", "copy.png"]


def test_file_taken_out_of_the_uploader_is_gone(
    upload: Any, engine: Any, smear: bytes, other_smear: bytes
) -> None:
    upload(("a.png", smear), ("b.png", other_smear))
    app = upload(("b.png", other_smear))
    assert [source.name for source in bench_of(app).pictures.values()] == ["b.png"]
    assert counted(app) == (2, 1, 1)


def test_pictures_and_settings_survive_a_change_of_page(
    upload: Any, engine: Any, smear: bytes
) -> None:
    app = upload(("smear.png", smear))
    app.slider(key=THRESHOLD).set_value(0.65).run()
    app.switch_page("pages/models.py").run()
    assert not app.exception
    app.switch_page("pages/detect.py").run()
    assert app.slider(key=THRESHOLD).value == 0.65
    assert counted(app) == (1, 1, 0)
    assert engine.runs == 1


def test_clear_forgets_everything(upload: Any, engine: Any, smear: bytes) -> None:
    app = upload(("smear.png", smear))
    assert bench_of(app).would_be_lost
    assert "You can undo it for a minute" in words(app), "it asks first"
    next(button for button in app.button if button.label == "Remove 1 image").click().run()
    assert not app.exception
    assert not app.metric
    assert not bench_of(app).pictures
    app = upload(("smear.png", smear))
    assert engine.runs == 2, "its result was forgotten too"


def test_sample_is_labelled_synthetic(app: AppTest, engine: Any) -> None:
    app.run().button(key="detect.sample.few-blasts").click().run()
    assert not app.exception
    [source] = bench_of(app).pictures.values()
    assert source.synthetic
    assert "synthetic" in source.name
    assert "few-blasts (synthetic)" in words(app)


def test_too_many_pictures_are_refused_and_the_first_kept(
    upload: Any, engine: Any, smear: bytes, other_smear: bytes, limits: Any
) -> None:
    limits(max_images=1)
    app = upload(("a.png", smear), ("b.png", other_smear))
    assert "at most 1 are accepted" in app.error[0].value
    assert [source.name for source in bench_of(app).pictures.values()] == ["a.png"]
    assert counted(app) == (2, 1, 1)


def test_a_file_beyond_the_memory_of_a_session_is_named_and_the_others_go_on(
    upload: Any, engine: Any, smear: bytes, other_smear: bytes, limits: Any
) -> None:
    limits(max_session_bytes=6 * 2**20)
    filler = bytes(2**20)
    files = [(f"{n}.png", bytes([n]) + filler[1:]) for n in range(4)]
    app = upload(*files[:2], ("big.png", bytes(3 * 2**20)), files[2], ("last.png", smear))
    said = app.error[0].value
    assert "'big.png' was not taken" in said
    assert "more than 6 MB" in said
    assert "Remove images" in said
    names = [picture.name for picture in bench_of(app).pictures.values()]
    assert names == ["0.png", "1.png", "2.png"]
    assert "'last.png' was not taken" in said, "half of it is kept for the picture that is decoded"


def test_stopped_run_shows_what_is_done_and_goes_on(upload: Any, engine: Any, smear: bytes) -> None:
    app = upload(("a.png", smear))
    desk = bench_of(app)
    for n in range(3):
        source = Picture.of(f"{n}.png", encode_png(np.full((64, 64, 3), 200 + n, np.uint8)))
        desk.pictures[source.id] = source
    desk.stopped = True
    app.run()
    assert "Stopped: 1 of 4 images are done" in app.warning[0].value
    assert app.dataframe[0].value["Note"].tolist()[1:] == ["not processed yet"] * 3
    assert engine.runs == 1
    next(button for button in app.button if button.label == "Continue").click().run()
    assert not problems(app)
    assert engine.runs == 4


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("![x](http://example.org/x.png).png", id="a picture elsewhere"),
        pytest.param("<img src=x>.png", id="markup"),
        pytest.param(":red[text] $x^2$.png", id="Streamlit's own directives"),
    ],
)
def test_file_name_is_shown_as_it_is(upload: Any, engine: Any, smear: bytes, name: str) -> None:
    app = upload((name, smear), ("broken " + name, b"no picture"))
    text = words(app)
    for raw in ("![x]", "<img", ":red[", "$x"):
        assert not re.search(rf"(?<!\\){re.escape(raw)}", text), "must be escaped"


def test_unusable_model_is_an_error_not_a_crash(
    upload: Any, smear: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise ModelError("The weight file live.onnx is missing.", "Get it again.")

    monkeypatch.setattr(workspace, "get_detector", refuse)
    app = upload(("smear.png", smear))
    assert not app.exception
    assert app.error[0].value == "**The weight file live.onnx is missing.**  \nGet it again."


def test_wording_never_diagnoses(upload: Any, engine: Any, smear: bytes) -> None:
    text = words(upload(("smear.png", smear))).lower()
    assert not re.search(r"positive|patient has|leukemia detected|diagnosed", text)
    for found in re.finditer("diagnos", text):
        assert text[: found.start()].endswith("not a ")


def test_a_limit_that_is_reached_is_said_with_the_answer(
    upload: Any,
    engine: Any,
    smear: bytes,
    other_smear: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("allcell.engines.picture.MAX_TILE_CANDIDATES", 2)
    app = upload(("a.png", smear), ("b.png", other_smear))
    assert "the least confident were left out, so cells may be missing." in words(app)
    assert all("cells may be missing" in note for note in app.dataframe[0].value["Note"])
    monkeypatch.setattr("allcell.engines.picture.MAX_TILE_CANDIDATES", 30_000)
    app.button(key="detect.clear").click().run()
    assert "cells may be missing" not in words(upload(("c.png", smear)))
