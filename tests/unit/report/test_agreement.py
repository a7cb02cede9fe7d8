"""Which boxes of several models are one cell, and how much the models disagree on it."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from allcell.detections import Detections
from allcell.environment.provenance import Provenance
from allcell.models.registry import CLASSES
from allcell.report.agreement import Agreement, Call, ComparedCell, Said, cells_csv, compare_cells
from allcell.settings import RESEARCH_USE


def made(confidence: float) -> Provenance:
    """How a model's boxes came about."""
    return Provenance(confidence, 0.5, "ab" * 32, version="1.2.3")


#: Class, left, confidence: boxes of 100 px in one row.
Boxes = list[tuple[str, float, float]]


def said(boxes: Boxes, classes: tuple[str, ...] = CLASSES) -> Said:
    """What a model with these classes says; two boxes that are 20 px apart share IoU 2/3."""
    return Said(
        Detections(
            np.array([[x, 0, x + 100, 100] for _, x, _ in boxes], np.float32).reshape(-1, 4),
            np.array([confidence for _, _, confidence in boxes], np.float32),
            np.array([classes.index(name) for name, _, _ in boxes], np.int64),
        ),
        classes,
    )


def names(agreement: Agreement) -> list[tuple[str, ...]]:
    """What is said of each cell, "-" for not found, from left to right."""
    return [
        tuple(call.class_name if call else "-" for call in cell.calls)
        for cell in sorted(agreement.cells, key=lambda c: c.xyxy)
    ]


@pytest.mark.parametrize(
    ("models", "cells"),
    [
        pytest.param([[], []], [], id="nobody found anything"),
        pytest.param(
            [[("blast", 0, 0.9)], [("blast", 20, 0.8)]], [("blast", "blast")], id="one cell"
        ),
        pytest.param(
            [[("blast", 0, 0.9)], [("healthy", 20, 0.8)]],
            [("blast", "healthy")],
            id="one cell, two classes",
        ),
        pytest.param(
            [[("blast", 0, 0.9)], [("blast", 40, 0.8)]],
            [("blast", "-"), ("-", "blast")],
            id="IoU 60/140 is too little",
        ),
        pytest.param(
            [[("blast", 0, 0.9)], [("blast", 25, 0.5), ("healthy", 10, 0.2)]],
            [("blast", "healthy"), ("-", "blast")],
            id="the larger overlap wins, whatever the confidence; a model has one box a cell",
        ),
        pytest.param(
            [[("blast", 0, 0.9)], [("blast", 25, 0.9)], [("blast", 50, 0.9)]],
            [("blast", "blast", "blast")],
            id="a chain: the outer two overlap too little, the middle one holds them together",
        ),
        pytest.param(
            [[("blast", 0, 0.9)], [], [("smudge", 5, 0.3), ("blast", 300, 0.6)]],
            [("blast", "-", "smudge"), ("-", "-", "blast")],
            id="three models, one of them silent",
        ),
    ],
)
def test_boxes_of_one_cell(models: list[Boxes], cells: list[tuple[str, ...]]) -> None:
    assert names(compare_cells([said(boxes) for boxes in models])) == cells


def test_classes_go_by_name_not_by_number() -> None:
    foreign = said([("blast", 0, 0.8)], classes=("healthy", "blast"))
    (cell,) = compare_cells([said([("blast", 0, 0.9)]), foreign]).cells
    assert cell.disagreement == 0


def call(name: str, confidence: float) -> Call | None:
    """A call, or None for "-"."""
    return None if name == "-" else Call(name, confidence, 0)


@pytest.mark.parametrize(
    ("calls", "disagreement", "spread"),
    [
        pytest.param([("blast", 0.9)], 0, 0, id="one model has nobody to disagree with"),
        pytest.param([("blast", 0.9), ("blast", 0.6)], 0, 0.3, id="the same class"),
        pytest.param([("blast", 0.9), ("healthy", 0.6)], 1, 0.3, id="two, two classes"),
        pytest.param([("blast", 0.9), ("-", 0)], 1, 0.9, id="not found is an answer too"),
        pytest.param([("-", 0), ("-", 0)], 0, 0, id="a true cell that both overlook"),
        pytest.param(
            [("blast", 0.9), ("blast", 0.8), ("healthy", 0.7)], 2 / 3, 0.2, id="two against one"
        ),
        pytest.param(
            [("blast", 0.9), ("healthy", 0.8), ("-", 0)], 1, 0.9, id="three answers of three"
        ),
        pytest.param([("blast", 0.5)] * 2 + [("healthy", 0.5)] * 2, 4 / 6, 0, id="two against two"),
    ],
)
def test_how_much_models_disagree(
    calls: list[tuple[str, float]], disagreement: float, spread: float
) -> None:
    cell = ComparedCell((0, 0, 1, 1), tuple(call(name, confidence) for name, confidence in calls))
    assert cell.disagreement == pytest.approx(disagreement)
    assert cell.spread == pytest.approx(spread)


def test_the_most_disputed_cell_comes_first() -> None:
    one = said([("blast", 0, 0.9), ("blast", 200, 0.9), ("healthy", 400, 0.5), ("blast", 600, 0.7)])
    two = said([("blast", 0, 0.8), ("healthy", 205, 0.8), ("healthy", 400, 0.9)])
    agreement = compare_cells([one, two])
    left = [round(cell.xyxy[0]) for cell in agreement.cells]
    assert left == [202, 600, 400, 0], "two classes, then overlooked, then by spread"
    assert (len(agreement.found), agreement.agreed) == (4, 2)
    assert (agreement.named_apart, agreement.overlooked) == (1, 1)


def test_truth_is_no_model() -> None:
    truth = said([("blast", 0, 1.0), ("healthy", 300, 1.0), ("smudge", 600, 1.0)])
    one = said([("blast", 10, 0.9), ("blast", 300, 0.6)])
    two = said([("blast", 10, 0.8), ("healthy", 310, 0.7), ("blast", 900, 0.6)])
    agreement = compare_cells([one, two], truth)
    true = {
        round(cell.xyxy[0]): cell.truth.class_name if cell.truth else "-"
        for cell in agreement.cells
    }
    assert true == {10: "blast", 305: "healthy", 600: "smudge", 900: "-"}
    assert [agreement.true_cells, agreement.right(0), agreement.right(1)] == [3, 1, 2]
    assert len(agreement.found) == 3, "a cell that no model found is not one they agree on"
    assert agreement.agreed == 1


def test_csv_holds_every_call_and_the_notice() -> None:
    agreement = compare_cells(
        [said([("blast", 0, 0.9)]), said([("healthy", 0, 0.8), ("smudge", 300, 0.5)])],
        said([("blast", 0, 1.0)]),
    )
    text = cells_csv(agreement, {"live": made(0.4), "=own": made(0.25)}, truth=True)
    first, second = csv.DictReader(io.StringIO(text))
    assert first["live_suggested_class"] == "blast"
    assert first["'=own_suggested_class"] == "healthy", "no formula in a spreadsheet"
    assert (first["live_confidence"], first["live_threshold"]) == ("0.9000", "0.40")
    assert second["live_weights_sha256"] == "ab" * 32
    assert second["'=own_largest_overlap"] == "0.50"
    assert second["live_allcell_version"] == "1.2.3"
    assert second["live_analysed_at_utc"].startswith("20")
    assert (first["true_class"], first["pairs_that_differ"]) == ("blast", "1.0000")
    assert (second["live_suggested_class"], second["live_confidence"]) == ("not found", "")
    assert [second[f"{side}_px"] for side in ("x1", "y1", "x2", "y2")] == [
        *("300.00", "0.00", "400.00", "100.00")
    ]
    assert first[RESEARCH_USE] == ""
