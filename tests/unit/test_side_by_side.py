"""The words and the table of the tab Side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from allcell.classifier import FieldClass
from allcell.detections import Detections
from allcell.detector import Timing
from allcell.models.registry import CLASSES, FIELD_CLASSES, MODELS
from allcell.report.agreement import Agreement, Call, ComparedCell
from allcell.result import Result
from allcell.ui.compare.side.cells import agreement_text, field_text, table_of, unknown_text
from allcell.ui.compare.side.panes import titles_of

BLAST, HEALTHY = Call("blast", 0.9, 0), Call("healthy", 0.6, 0)


def cell(*calls: Call | None, truth: Call | None = None) -> ComparedCell:
    """A cell somewhere in a small field."""
    return ComparedCell((10, 10, 30, 30), calls, truth)


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        pytest.param([], "No model found a cell at these thresholds.", id="nothing found"),
        pytest.param([cell(BLAST, BLAST)], "Of 1 cell found, both models agree on 1.", id="one"),
        pytest.param(
            [cell(BLAST, HEALTHY), cell(BLAST, None), cell(None, BLAST), cell(BLAST, BLAST)],
            "Of 4 cells found, both models agree on 1. The others: 1 with different suggested "
            "classes, 2 that not every model finds.",
            id="each kind of disagreement",
        ),
        pytest.param(
            [cell(BLAST, HEALTHY, None)],
            "Of 1 cell found, all 3 models agree on 0. The others: 1 with different suggested "
            "classes.",
            id="a cell counts once, the worse way",
        ),
        pytest.param(
            [cell(BLAST, BLAST), cell(None, None, truth=BLAST)],
            "Of 1 cell found, both models agree on 1. 1 true cell found by none.",
            id="what nobody found is no agreement",
        ),
    ],
)
def test_agreement_in_a_sentence(cells: list[ComparedCell], text: str) -> None:
    models = len(cells[0].calls) if cells else 2
    assert agreement_text(Agreement(tuple(cells)), models) == text


def result(*names: str, classes: tuple[str, ...] = CLASSES) -> Result:
    """What a detector shows: one box of each of these classes."""
    found = Detections(
        np.tile(np.array([[0, 0, 9, 9]], np.float32), (len(names), 1)),
        np.full(len(names), 0.8, np.float32),
        np.array([classes.index(name) for name in names], np.int64),
    )
    return Result("a", 40, 40, "m", found, classes, Timing(1.0, 1.0, 1.0, 3.0))


@pytest.mark.parametrize(
    ("suggested", "results", "differs", "against", "with_it"),
    [
        pytest.param(
            "cancerous",
            {"A": result("blast"), "B": result("blast", "healthy")},
            False,
            "",
            "With it: A, B suggest a blast.",
            id="all suggest a blast",
        ),
        pytest.param(
            "healthy",
            {"A": result("blast"), "B": result("healthy")},
            True,
            "Against it: **A** suggests a blast at the chosen threshold.",
            "With it: B suggests no blast.",
            id="one sees a blast where the CNN suggests a healthy field",
        ),
        pytest.param(
            "cancerous",
            {"A": result("smudge"), "B": result()},
            True,
            "Against it: **A, B** suggest no blast at the chosen threshold.",
            "",
            id="nobody else sees a blast",
        ),
        pytest.param(
            "healthy",
            {name: result("blast") for name in "ABC"},
            True,
            "Against it: **all 3 detectors** suggest a blast",
            "",
            id="more than two are counted instead of named",
        ),
        pytest.param(
            "cancerous",
            {"A": result("blast"), "B": result("wbc", classes=("wbc",))},
            False,
            "",
            "With it: A suggests a blast.",
            id="a model without a blast class is left out",
        ),
    ],
)
def test_cnn_against_detectors(
    suggested: str, results: dict[str, Result], differs: bool, against: str, with_it: str
) -> None:
    assert suggested in FIELD_CLASSES
    flagged, text = field_text("CNN", FieldClass(0.25, suggested), results)
    assert flagged == differs
    assert f"suggested class of the whole field **{suggested}**, probability of cancerous 0.25" in (
        text
    )
    assert against in text
    assert with_it in text
    assert ("Against it" in text) == bool(against)
    assert ("With it" in text) == bool(with_it)


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        pytest.param({"A": CLASSES, "B": CLASSES}, "", id="all alike"),
        pytest.param(
            {"A": CLASSES, "B": ("healthy", "blast")},
            "B knows no Smudge: such a cell it can only miss.",
            id="fewer classes, in another order",
        ),
    ],
)
def test_models_that_know_fewer_classes_are_named(
    classes: dict[str, tuple[str, ...]], text: str
) -> None:
    assert unknown_text(classes) == text


def test_models_of_one_title_are_told_apart() -> None:
    added = replace(MODELS[1], name="user-1")
    titles = titles_of([MODELS[0], MODELS[1], added])
    assert titles == {
        "live": "allcell live",
        "yolov5s": "YOLOv5s (yolov5s)",
        "user-1": "YOLOv5s (user-1)",
    }


def test_table_has_a_row_a_cell_in_order() -> None:
    image = np.full((60, 60, 3), 200, np.uint8)
    agreement = Agreement((cell(BLAST, None, BLAST, truth=HEALTHY), cell(BLAST, BLAST, BLAST)))
    table = table_of(image, agreement, ["A", "B", "C"], truth=True)
    assert list(table["No."]) == [1, 2]
    assert list(table["A"]) == ["Blast 0.90", "Blast 0.90"]
    assert list(table["B"]) == ["not found", "Blast 0.90"]
    assert list(table["Truth"]) == ["Healthy WBC", "no cell"]
    assert list(table["Pairs that differ"]) == ["2 of 3", "0 of 3"]
    assert "Truth" not in table_of(image, agreement, ["A", "B", "C"], truth=False)
