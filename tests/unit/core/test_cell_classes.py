"""The table of cell classes: one more row is enough for counts, pictures, files and pages."""

import csv
import importlib
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from allcell.counts import Counts
from allcell.models.classes import CELL_CLASSES
from allcell.models.registry import CLASSES, MODELS, TRAINED_CLASSES

NAMES = ("blast", "healthy", "smudge", "erythroblast")
#: A picture of 640x480 with a row of boxes, by class: 2 blasts, 3 healthy, 1 smudge, 2 others.
FOUND = (0, 0, 1, 1, 1, 2, 3, 3)
COLOUR = (10, 250, 240)


class Engine:
    """Sees `FOUND` in every picture."""

    description = "engine of the test"

    def run(self, image):
        output = np.zeros((4 + len(NAMES), len(FOUND)), np.float32)
        for n, class_id in enumerate(FOUND):
            output[:4, n] = (40 + 75 * n) * image.shape[1] / 640, image.shape[0] / 2, 50, 50
            output[4 + class_id, n] = 0.9 - n / 100
        return output

    def interrupt(self):
        return False


@pytest.fixture(scope="module")
def four():
    """allcell, imported anew with a fourth row in the table, and a model that knows all four."""
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "allcell"}
    for name in kept:
        del sys.modules[name]
    try:
        table = importlib.import_module("allcell.models.classes")
        table.CELL_CLASSES += (
            table.CellClass(
                name="erythroblast",
                title="Erythroblast",
                heading="Erythroblast",
                plural="erythroblasts",
                brief="erythroblast",
                row="Erythroblasts",
                role="other",
                colour=COLOUR,
                line="dashed",
                column="erythroblast",
                sure_names=("unclassified",),
            ),
        )
        parts = SimpleNamespace(
            **{
                name.rpartition(".")[2]: importlib.import_module(f"allcell.{name}")
                for name in (
                    *(
                        "__main__",
                        "analysis",
                        "analysis.answers",
                        "data.class_names",
                        "detector",
                        "imaging.draw",
                    ),
                    *("evaluation.predictions", "evaluation.evaluate", "imaging.images"),
                    *(
                        "models.registry",
                        "report.exports",
                        "stream.tally",
                        "detections",
                        "imaging.scale",
                    ),
                )
            }
        )
        # A white picture with boxes is no smear, which is not the subject.
        parts.answers.judge = lambda image, scale, known: ()
        spec = replace(parts.registry.get_spec("live"), classes=NAMES)
        parts.detector_of_four = parts.detector.Detector(spec, Engine())
        parts.picture = np.full((480, 640, 3), 255, np.uint8)
        parts.result = parts.analysis.analyse(
            parts.detector_of_four,
            parts.picture,
            "smear.png",
            scale=parts.scale.Scale(20.0, "given"),
        ).result()
        yield parts
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "allcell"]:
            del sys.modules[name]
        sys.modules.update(kept)


def test_it_is_counted_and_changes_no_other_count(four):
    counts = four.result.counts
    assert dict(counts.by_class) == {"blast": 2, "healthy": 3, "smudge": 1, "erythroblast": 2}
    assert (counts.blasts, counts.white_cells, counts.smudges) == (2, 5, 1)
    assert (counts.blast_share.k, counts.blast_share.n) == (2, 5)
    assert counts.smudges_per_100 == 20


def test_it_is_drawn_in_its_colour_and_line(four):
    shown = four.draw.draw(four.picture, four.result.detections, NAMES, notice=False)
    assert (shown == COLOUR).all(axis=2).any()
    assert four.draw.CLASS_COLOURS_HEX["erythroblast"] == "#0afaf0"
    assert four.draw.CLASS_LINES["erythroblast"] == "dashed"


def test_it_is_in_the_exports(four):
    boxes = list(
        csv.DictReader(io.StringIO(sys.modules["allcell.result"].boxes_csv([four.result])))
    )
    assert [row["suggested_class"] for row in boxes].count("erythroblast") == 2
    [row] = csv.DictReader(io.StringIO(four.exports.to_summary_csv([four.result])))
    names = ("blasts", "white_cells", "smudges", "erythroblast", "error")
    assert [row[name] for name in names] == ["2", "5", "1", "2", ""]
    coco = json.loads(four.exports.to_coco([four.result]))
    assert [category["name"] for category in coco["categories"]] == list(NAMES)
    assert [a["category_id"] for a in coco["annotations"]].count(4) == 2


def test_the_command_line_says_it(four, tmp_path, monkeypatch):
    monkeypatch.setattr(four.detector.Detector, "open", lambda *_, **__: four.detector_of_four)
    path = tmp_path / "smear.png"
    path.write_bytes(four.images.encode_png(four.picture))
    done = CliRunner().invoke(sys.modules["allcell.__main__"].app, ["detect", str(path)])
    assert done.exit_code == 0, done.output
    assert (
        "2 suggested blasts (surest 0.90), 3 healthy white cells, 1 smudges, 2 erythroblasts;"
    ) in done.stdout


def test_the_page_shows_it(four):
    def page(result):
        from allcell.ui.field.answer import answer

        answer(result, bool, "test")

    shown = AppTest.from_function(page, args=(four.result,)).run()
    assert not shown.exception
    metrics = [(metric.label, metric.value) for metric in shown.metric]
    assert metrics[:4] == [
        ("Blasts", "2"),
        ("Healthy WBC", "3"),
        ("Smudges", "1"),
        ("Erythroblast", "2"),
    ]


def test_the_tally_of_a_stream_has_it(four):
    assert dict(four.tally.Tally(NAMES).state().counts.by_class) == dict.fromkeys(NAMES, 0)


def test_data_sets_may_have_it(four):
    assert four.class_names.suggested_target("Unclassified") == "erythroblast"
    assert four.class_names.class_targets(["erythroblast"], None) == ("erythroblast",)
    assert four.class_names.suggested_target("unclear") == four.class_names.IGNORED


def test_a_model_is_scored_on_it(four):
    box = np.array([[0, 0, 9, 9], [20, 20, 29, 29]], np.float32)
    truth = four.detections.Detections.truth(box, [0, 3])
    image = four.predictions.PredictedImage(
        "a", 64, 64, truth, truth, np.zeros((0, 4), np.float32), None, 1.0
    )
    setting = four.predictions.Setting("live", "0" * 64, "cpu", "set", "test", 0.5, 0.5)
    made = four.predictions.Predictions(setting, (image,), "0" * 64)
    replicates = four.evaluate.Evidence.of(made).replicates(20)
    scored = four.evaluate.score(made, replicates=replicates)
    assert list(scored.classes) == list(NAMES)
    assert scored.classes["erythroblast"].ap50 == pytest.approx(1)
    assert scored.classes["erythroblast"].precision == 1
    assert scored.white_cells == four.evaluate.MatchCounts.of(1, 0, 0)
    again = four.predictions.Predictions.from_json(made.to_json())
    assert again.images[0].truth.class_id.tolist() == [0, 3]


def test_models_keep_the_classes_that_they_were_trained_with(four):
    assert {spec.classes for spec in four.registry.MODELS} == {NAMES[:3]}
    assert {spec.classes for spec in MODELS} == {TRAINED_CLASSES} == {NAMES[:3]}


def test_the_numbers_of_kept_files_hold():
    assert CLASSES[:3] == ("blast", "healthy", "smudge")
    for path in sorted(Path("weights/metrics").glob("*_allidb1_test.json")):
        classes = json.loads(path.read_text(encoding="utf-8")).get("classes", CLASSES)
        assert tuple(classes) == CLASSES[: len(classes)], path.name


@pytest.mark.parametrize("field", ["name", "title", "row", "colour", "line"])
def test_no_two_classes_are_alike(field):
    values = [getattr(cell, field) for cell in CELL_CLASSES]
    assert len(set(values)) == len(values)


def test_counts_of_a_class_that_nobody_knows_are_refused():
    with pytest.raises(ValueError, match="expected classes of"):
        Counts({"RBC": 3})
