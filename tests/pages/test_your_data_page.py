"""The user's own labelled set on the Compare page, without a browser."""

from __future__ import annotations

import gc
import io
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from allcell.classifier import FieldClassifier
from allcell.detector import Detector
from allcell.evaluation.bundle import rescore
from allcell.models.registry import get_classifier, get_spec
from allcell.models.weights import read_manifest
from allcell.runs.evaluation import EvaluationRun, UserSet
from allcell.settings import settings
from allcell.teaching.work import Teaching, teachings
from allcell.text.words import BOTH_APS
from allcell.ui.compare.your_data import choose_set as user_set
from allcell.ui.compare.your_data import page as own_data
from allcell.ui.compare.your_data.bundle import bundle
from allcell.ui.shell.kept_metrics import SIZE
from tests.pages.test_compare_page import show, texts
from tests.user_sets import NAMES, coco_files, coco_folder, coco_zip, fields, packed, yolo_files

TAB = "Your data"
IMAGES = 3


class Boxes:
    """Answers the same boxes to any image, as the live model lays them out."""

    description = "engine of the test"

    def __init__(self) -> None:
        self.runs = 0

    def run(self, image: np.ndarray) -> np.ndarray:
        self.runs += 1
        height, width = image.shape[:2]
        output = np.zeros((7, 2), np.float32)
        output[:5, 0] = (width / 2, height / 2, width / 5, height / 5, 0.9)
        output[[0, 1, 2, 3, 5], 1] = (width / 4, height / 4, width / 5, height / 5, 0.7)
        return output


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Boxes:
    """The network behind every model, and few resamples."""
    boxes = Boxes()
    monkeypatch.setattr("allcell.evaluation.scored.RESAMPLES", 20)
    monkeypatch.setattr("allcell.evaluation.bootstrap.COMPARED_DRAWS", 20)
    monkeypatch.setattr("allcell.evaluation.bootstrap.MORE_DRAWS", 20)
    monkeypatch.setattr(
        own_data.Detector, "open", lambda name, **_: Detector(get_spec(name), boxes)
    )
    return boxes


def give(app: AppTest, content: bytes, name: str = "smears.zip") -> AppTest:
    """Upload a ZIP."""
    app.get("file_uploader")[0].set_value([(name, content, "application/zip")])
    app.run()
    assert not app.exception
    return app


def choices(app: AppTest) -> dict[str, Any]:
    """What is chosen for each class of the set, by its label."""
    return {s.label: s.value for s in app.selectbox if s.label.endswith("labelled)")}


def button(app: AppTest, label: str) -> Any:
    return next(b for b in app.button if b.label == label)


def evaluate(app: AppTest, models: tuple[str, ...] = ("live",)) -> EvaluationRun:
    """Choose models, press the button and wait until all is done."""
    app.session_state["compare.user_jobs"] = list(models)
    app.run()
    button(app, "Evaluate").click()
    app.run()
    run: EvaluationRun = app.session_state["allcell.user_run"]
    run.wait(60)
    app.run()
    assert not app.exception
    assert not run.error
    return run


def tab(app: AppTest, name: str) -> AppTest:
    """Open another tab."""
    app.session_state["compare.tab"] = name
    app.run()
    assert not app.exception
    return app


def test_classes_are_suggested_by_their_names(app: AppTest) -> None:
    give(show(app, TAB), coco_zip(IMAGES))
    truth = np.concatenate([field.truth.class_id for _, field in fields(IMAGES)])
    assert choices(app) == {
        f"{name} ({int(np.sum(truth == n))} labelled)": target
        for n, (name, target) in enumerate(zip(NAMES, ("blast", "healthy", "smudge"), strict=True))
    }
    assert not button(app, "Evaluate").disabled


def test_a_name_that_says_nothing_has_to_be_mapped(app: AppTest) -> None:
    files = coco_files(1)
    content = json.loads(files["annotations/instances_test.json"])
    content["categories"][0]["name"] = "type 7"
    files["annotations/instances_test.json"] = json.dumps(content)
    give(show(app, TAB), packed(files))
    chosen = {label.split(" (")[0]: value for label, value in choices(app).items()}
    assert chosen == {"type 7": None, "WBC": "healthy", "basket cell": "smudge"}
    assert "Say what each class" in texts(app)
    assert button(app, "Evaluate").disabled
    next(s for s in app.selectbox if s.label.startswith("type 7")).set_value("blast")
    app.run()
    assert not button(app, "Evaluate").disabled


def test_a_picture_without_labels_is_said_before_anything_runs(app: AppTest) -> None:
    files = yolo_files()
    give(show(app, TAB), packed(files))
    assert "no label file" not in texts(app)
    give(app, packed(files | {"images/test/b.png": fields(2)[1][0]}))
    warned = [item.value.replace("\\", "") for item in app.warning]
    assert warned == ["1 of 2 pictures has no label file (b.png): counted as without cells."]


def test_that_no_box_meets_a_label_is_said(app: AppTest, engine: Boxes) -> None:
    files = yolo_files() | {"labels/test/a.txt": "1 0.95 0.95 0.05 0.05\n"}
    give(show(app, TAB), packed(files))
    evaluate(app)
    assert any("meets any label" in item.value for item in app.warning)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"no zip", "not a ZIP", id="no ZIP"),
        pytest.param(packed({"a.txt": ""}), "no labelled set", id="no set"),
        pytest.param(
            packed({"Annotations/a.xml": "", "ImageSets/Main/x.txt": b"\xff"}),
            "expected plain text",
            id="a list that is no text",
        ),
        pytest.param(
            packed({**yolo_files(), "data.yaml": "[" * 1000}), "RecursionError", id="too deep"
        ),
        pytest.param(
            packed({"Annotations/a.xml": '<?xml version="1.0" encoding="foo"?><a/>'}),
            "unknown encoding",
            id="an unknown encoding",
        ),
        pytest.param(
            packed({"annotations.json": '{"categories": [{"id": 1e999}]}'}),
            "id inf is neither",
            id="an endless id",
        ),
    ],
)
def test_a_wrong_file_is_explained(app: AppTest, content: bytes, words: str) -> None:
    give(show(app, TAB), content)
    assert any(words in error.value for error in app.error)
    assert button(app, "Evaluate").disabled


def test_a_class_without_cells_needs_no_target(app: AppTest, engine: Boxes) -> None:
    give(show(app, TAB), packed(yolo_files()))
    assert choices(app) == {"lymphoblast (1 labelled)": "blast"}
    assert evaluate(app).results[0].result.classes["blast"].cells == 1


@pytest.mark.parametrize("name", ["find_splits", "class_counts"])
def test_what_nobody_foresaw_is_told_once_and_not_tried_again(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    calls = []

    def fail(*_: object) -> None:
        calls.append(1)
        raise ZeroDivisionError("Jane Doe")

    monkeypatch.setattr(user_set, name, fail)
    give(show(app, TAB), coco_zip(1))
    app.run()
    assert "The set cannot be read (ZeroDivisionError)." in app.error[0].value
    assert "Jane" not in app.error[0].value
    assert len(calls) == 1


def test_everything_is_of_the_own_set_once_it_is_measured(app: AppTest, engine: Boxes) -> None:
    show(app, TAB)
    assert "Measured on" not in [group.label for group in app.button_group]
    give(app, coco_zip(IMAGES))
    run = evaluate(app, ("live", "yolov5s"))
    assert engine.runs == 2 * IMAGES
    assert "Measured on smears (test), 3 images: allcell live, YOLOv5s." in app.success[0].value

    table = tab(app, "Published and measured").dataframe[0].value
    assert set(table["Model"]) == {"allcell live", "YOLOv5s"}
    at = run.results[0].result.classes["blast"].at_operating_point
    row = table[(table["Model"] == "allcell live") & (table["Cells"] == "Blasts")].iloc[0]
    assert [row["Found (tp)"], row["False alarms (fp)"], row["Missed (fn)"]] == [
        str(n) for n in (at.tp, at.fp, at.fn)
    ]
    assert not any("paper" in str(column) for column in table.columns)

    curves = tab(app, "Curves and threshold").dataframe[0].value
    assert list(curves["Model"]) == ["allcell live", "YOLOv5s"]
    assert "On the 3 images of smears (test)" in texts(app)

    tab(app, "Real differences?")
    assert "Nothing is decided: too few images: 3, at least 10 are needed." in texts(app)

    next(g for g in app.button_group if g.label == "Measured on").set_value("kept")
    table = tab(app.run(), "Published and measured").dataframe[0].value
    assert any("paper" in str(column) for column in table.columns)


@pytest.mark.parametrize(
    ("images", "few"),
    [
        pytest.param(1, True, id="one image"),
        pytest.param(2, True, id="two images"),
        pytest.param(9, True, id="one too few"),
        pytest.param(10, False, id="just enough, and the models are equal"),
    ],
)
@pytest.mark.slow
def test_too_few_images_decide_nothing_on_any_tab(
    app: AppTest, engine: Boxes, images: int, few: bool
) -> None:
    evaluate(give(show(app, TAB), coco_zip(images)), ("live", "yolov5s"))
    words = f"too few images: {images}, at least 10 are needed"

    table = tab(app, "Published and measured").dataframe[0].value
    # What a user sees comes first, and what both kinds of AP are is said once.
    assert list(table)[4] == "AP@0.5 as shown (95 %)"
    assert "AP@0.5 as YOLOv5 counts (95 %)" in table
    assert texts(app).count(BOTH_APS) == 1
    scores = [str(v) for name in table if "(95 %)" in name for v in table[name] if v]
    assert scores
    assert all(("(n/a)" in score) == few for score in scores)
    assert (f"No intervals (n/a): {words}." in texts(app)) == few
    for chart in app.get("plotly_chart"):
        ends = json.loads(chart.proto.spec)["data"][0]["error_x"]
        assert [end for key in ("array", "arrayminus") for end in ends[key] if end == 0] == []

    row = tab(app, "Curves and threshold").dataframe[0].value.iloc[0]
    for name in ("P", "R", "F1"):
        assert row[f"{name} (95 % interval)"].endswith("(n/a)") == few
    assert (f"No intervals (n/a): {words}." in texts(app)) == few

    pairs = tab(app, "Real differences?").dataframe[0].value
    shown = "+0.000 (n/a)" if few else "+0.000 (no width)"
    assert pairs.loc["allcell live", "YOLOv5s"] == shown
    verdict = "Nothing is decided" if few else "No decisive difference between the two models."
    # Once for cells, and once for whole fields.
    assert texts(app).count(f"**{verdict}") == (2 if few else 1)
    fewest = "two models would have to differ on at least 6 of the 10 fields"
    assert (fewest in texts(app)) != few
    assert (words in texts(app)) == few
    control = next(c for c in app.segmented_control if c.key == "compare.cells")
    control.set_value("p").run()
    p = app.dataframe[0].value.loc["allcell live", "YOLOv5s"]
    assert p == ("n/a" if few else "1.000")


@pytest.mark.parametrize(
    ("far", "words"),
    [
        pytest.param({"waits": True}, "Waits for another run on this computer", id="it waits"),
        pytest.param({}, "Reading labels: smears (test)", id="it begins"),
        pytest.param({"read": (2, 5)}, "Reading labels: 2 of 5, smears (test)", id="labels"),
        pytest.param(
            {"read": (5, 5), "checked": (1, 5)},
            "Reading pictures: 1 of 5, smears (test)",
            id="pictures",
        ),
    ],
)
def test_it_says_how_far_it_is_before_a_model_runs(
    app: AppTest, far: dict[str, Any], words: str
) -> None:
    run = EvaluationRun(UserSet("smears", "test", coco_folder(1), {}), [])
    for name, value in far.items():
        setattr(run, name, value)
    app.session_state["allcell.user_run"] = run
    show(app, TAB)
    assert [p.proto.text for p in app.get("progress")] == [words]


def test_the_whole_field_model_is_compared(
    app: AppTest, engine: Boxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cancerous:
        description = "network of the test"

        def run(self, image: np.ndarray) -> np.ndarray:
            return np.array([-1, 1], np.float32)

    spec = get_classifier("cnn")
    monkeypatch.setattr(
        own_data.FieldClassifier, "open", lambda name, **_: FieldClassifier(spec, Cancerous())
    )
    give(show(app, TAB), coco_zip(IMAGES))
    # Alone it has nothing to be compared with.
    app.session_state["compare.user_jobs"] = ["cnn"]
    app.run()
    assert button(app, "Evaluate").disabled
    assert "Choose a model that finds cells" in texts(app)
    run = evaluate(app, ("live", "cnn"))
    assert spec.title in app.success[0].value

    rows = tab(app, "Published and measured").dataframe[1].value
    assert list(rows["Model"]) == ["allcell live", "CNN 300x400"]
    # Every field of the set holds a blast.
    low = run.fields[1].counts.accuracy.low
    last = rows.iloc[1]
    assert last["Fields judged rightly"] == f"{IMAGES} of {IMAGES}"
    assert last["Accuracy (95 %)"] == f"1.000 ({f'{low:.3f}'[1:]} to 1.000)"
    assert last["Specificity (95 %)"] == "no such field"

    pairs = tab(app, "Real differences?").dataframe[-1].value
    assert list(pairs["Second"]) == ["CNN 300x400"]
    assert "the whole-field CNN is included" in texts(app)


def test_leaving_the_page_keeps_the_run(app: AppTest, engine: Boxes) -> None:
    run = evaluate(give(show(app, TAB), coco_zip(IMAGES)))
    app.switch_page("pages/models.py").run()
    app.switch_page("pages/compare.py").run()
    assert app.session_state["allcell.user_run"] is run
    assert "Measured on smears (test)" in app.success[0].value
    # Again: the same content is not run again.
    again = evaluate(app)
    assert again is not run
    assert engine.runs == IMAGES
    assert again.results[0].result.classes == run.results[0].result.classes


def test_the_boxes_follow_the_threshold(
    app: AppTest, engine: Boxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(
        "allcell.ui.compare.your_data.boxes.show_field", lambda field, pick: shown.append(field)
    )
    run = evaluate(give(show(app, TAB), coco_zip(IMAGES)))
    tab(app, "Curves and threshold")
    truths = [int(np.sum(f.truth.class_id == 0)) for _, f in fields(IMAGES)]

    def counts(n: int) -> tuple[int, int, int]:
        kinds = [box.kind for box in shown[n].boxes]
        return tuple(kinds.count(k) for k in ("✓ Found", "✗ False alarm", "○ Missed"))  # type: ignore[return-value]

    found, false, missed = counts(-1)
    assert found + false == 1  # the engine's one blast
    assert found + missed == truths[0]
    app.slider[0].set_value(0.95)
    app.run()
    assert counts(-1) == (0, 0, truths[0])
    assert [box.confidence for box in shown[-1].boxes].count(0.0) >= truths[0] - 1
    button_next = next(b for b in app.button if b.key == "compare.boxes.arrow_forward")
    button_next.click()
    app.run()
    assert counts(-1) == (0, 0, truths[1])
    assert shown[-1].name != shown[0].name
    assert len(run.images) == IMAGES


def test_false_alarms_of_the_whole_set_can_be_looked_at(
    app: AppTest, engine: Boxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allcell.ui.compare.your_data.boxes.show_field", lambda field, pick: None)
    real = engine.run

    def at_the_left_edge(image: np.ndarray) -> np.ndarray:
        output = real(image)
        output[0, 0] = output[2, 0] / 2
        return output

    monkeypatch.setattr(engine, "run", at_the_left_edge)
    run = evaluate(give(show(app, TAB), coco_zip(IMAGES)))
    counts = run.results[0].result.classes["blast"].at_operating_point
    assert counts.fp == IMAGES
    app.session_state["compare.false_alarms"] = True
    tab(app, "Curves and threshold")
    said = texts(app)
    assert f"{IMAGES} of {IMAGES} false alarms of blast touch the edge of their picture" in said
    assert [e.label for e in app.expander] == [f"All {IMAGES} false alarms of allcell live"]
    assert said.count(", at the edge, field\\_") + said.count(", at the edge, field_") == IMAGES
    # At a threshold that hides them there are none.
    app.slider[0].set_value(0.95)
    app.run()
    assert "allcell live has no false alarm of blast in this set." in texts(app)


def test_the_best_threshold_and_the_size_stand_beside_the_scores(
    app: AppTest, engine: Boxes
) -> None:
    run = evaluate(give(show(app, TAB), coco_zip(IMAGES)))
    tab(app, "Published and measured")
    scores, best = app.dataframe[0].value, app.dataframe[-1].value.iloc[0]
    files = read_manifest(settings().weights_dir)["live"]
    size = f"{files.parameters / 1e6:.1f} M, {files.checkpoint.bytes / 1e6:.1f} MB"
    assert set(scores[SIZE]) == {size}
    assert best["Threshold in use"] == get_spec("live").confidence
    assert best["Best for this set"] == run.results[0].result.suggested_confidence
    assert best["F1 at the best"] >= best["F1 there"] - 0.005
    assert "its F1 is optimistic" in texts(app)


def test_a_table_and_a_bundle_can_be_taken_along(app: AppTest, engine: Boxes) -> None:
    from allcell.report.user_scores import scores_csv
    from allcell.ui.compare.your_data.table import scored_models

    run = evaluate(give(show(app, TAB), coco_zip(IMAGES)))
    table = pd.read_csv(io.StringIO(scores_csv(scored_models(run))))
    assert list(table.columns)[-1].startswith("For Research Use Only")
    row = table[table["class"] == "blast"].iloc[0]
    result = run.results[0].result
    assert row["AP@0.5 as YOLOv5 counts"] == pytest.approx(result.classes["blast"].ap50)
    assert row["AP@0.5 as shown"] == pytest.approx(result.classes["blast"].ap50_as_shown)
    assert row["tp"] == result.classes["blast"].at_operating_point.tp
    # Three images: no bounds that would be taken for an interval.
    as_text = pd.read_csv(io.StringIO(scores_csv(scored_models(run))), keep_default_na=False)
    assert as_text["AP@0.5 as shown_95_kind"][0] == "n/a"
    assert table[[c for c in table if str(c).endswith(("_low", "_high"))]].isna().all(axis=None)
    assert rescore(bundle(run, named=False)).differing == []


@pytest.mark.torch
def test_another_set_takes_the_place_of_the_last_ones_pictures(app: AppTest, engine: Boxes) -> None:
    run = evaluate(give(show(app, TAB), coco_zip(IMAGES)))
    archive = weakref.ref(run.user_set.folder.archive)  # type: ignore[union-attr]
    tab(app, "Side by side")
    next(g for g in app.button_group if g.label == "Image").set_value("Field of your set")
    app.run()
    assert "allcell.user_pictures" in app.session_state
    tab(app, "Curves and threshold")
    give(tab(app, TAB), coco_zip(1), "other.zip")
    assert "allcell.user_pictures" not in app.session_state
    gc.collect()
    assert archive() is None
    # What was scored stays.
    assert "Measured on smears (test), 3 images" in app.success[0].value
    curves = tab(app, "Curves and threshold")
    assert "no longer in memory" in texts(curves)
    assert "On the 3 images of smears (test)" in texts(curves)
    assert rescore(bundle(run, named=True)).differing == []
    # Another run on the new set brings its pictures.
    assert len(evaluate(tab(app, TAB)).images) == 1


def test_the_place_of_a_folder_is_not_told(
    app: AppTest, limits: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    limits(data_sets=json.dumps([str(tmp_path / "empty")]))
    show(app, TAB)
    next(g for g in app.button_group if g.label == "Where the set is").set_value(
        "Folder of the server"
    )
    app.run()
    for words in ("empty holds no labelled set", "There is no folder empty"):
        button(app, "Open").click()
        app.run()
        assert words in app.error[0].value
        assert str(tmp_path) not in app.error[0].value
        if (tmp_path / "empty").exists():
            (tmp_path / "empty").rmdir()


def test_only_folders_of_the_settings_are_offered_and_read(
    app: AppTest, engine: Boxes, limits: Callable[..., None], tmp_path: Path
) -> None:
    for name in ("allowed", "secret"):
        for file, content in coco_files(1).items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    limits(data_sets=json.dumps([str(tmp_path / "allowed")]))
    show(app, TAB)
    next(g for g in app.button_group if g.label == "Where the set is").set_value(
        "Folder of the server"
    )
    app.run()
    folder = next(s for s in app.selectbox if s.label == "Folder")
    assert folder.options == ["allowed"]
    button(app, "Open").click()
    app.run()
    run = evaluate(app)
    assert run.user_set.folder == tmp_path / "allowed"


def test_what_is_loaded_can_be_shown_elsewhere(app: AppTest, engine: Boxes) -> None:
    run = evaluate(give(show(app, TAB), coco_zip(2)))
    assert [item.path.name for item in run.images] == ["field_0.png", "field_1.png"]
    for image, (png, field) in zip(run.images, fields(2), strict=True):
        assert image.path.read_bytes() == png
        # By class, then as they are in the file.
        order = np.argsort(field.truth.class_id, kind="stable")
        np.testing.assert_array_equal(image.truth.class_id, field.truth.class_id[order])
        np.testing.assert_allclose(image.truth.xyxy, field.truth.xyxy[order], atol=0.01)


@pytest.mark.slow
def test_a_labelled_set_can_teach_once_it_was_read(
    app: AppTest, engine: Boxes, limits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(data_dir=tmp_path)
    monkeypatch.setattr(Teaching, "start", lambda self, **_: None)
    give(show(app, TAB), coco_zip(8))
    assert "Teach this laboratory" not in texts(app)
    evaluate(app)
    app.session_state["teach.open"] = True
    app.run()
    assert "Teach this laboratory" in [one.value for one in app.header]
    assert any("8 fields with" in one.value for one in app.success)
    app.number_input(key="teach.take").set_value(6)
    app.text_input(key="teach.name").set_value("Klinikum A")
    app.run()
    app.button(key="teach.begin").click().run()
    assert not app.exception
    [teaching] = teachings()
    assert teaching.state.notes[0].startswith("6 fields with")
    assert teaching.request.cells
