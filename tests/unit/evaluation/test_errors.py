"""Errors by kind, false alarms over a set, and the best threshold of a set, on made-up boxes."""

import numpy as np
import pytest

from allcell.detections import Detections
from allcell.evaluation.confusion import KINDS, by_kind, confusion
from allcell.evaluation.evaluate import mean_f1, score, suggest_confidence
from allcell.evaluation.evidence import Evidence
from allcell.evaluation.false_alarms import false_alarms
from allcell.evaluation.matching import ScoredImage, no_boxes
from allcell.evaluation.predictions import PredictedImage, Predictions, Setting
from allcell.evaluation.spread import Spread, spread_note, spread_text

CELL = (100.0, 100.0, 140.0, 140.0)


def boxes(*rows):
    """Rows of x1, y1, x2, y2, confidence, class."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


def truth(*rows):
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections.truth(table[:, :4], table[:, 4].astype(np.int64))


@pytest.mark.parametrize(
    ("found", "cells", "kinds"),
    [
        pytest.param([], [(*CELL, 0)], {"missed": 1}, id="no box"),
        pytest.param([(*CELL, 0.9, 1)], [(*CELL, 0)], {"wrong class": 1}, id="another class"),
        pytest.param(
            [(*CELL, 0.9, 0), (*CELL, 0.8, 0)], [(*CELL, 0)], {"doubled": 1}, id="a second box"
        ),
        pytest.param(
            [(120, 100, 160, 140, 0.9, 0)],
            [(*CELL, 0)],
            {"off centre": 1},
            id="half beside it: one error, not a miss and a false alarm",
        ),
        pytest.param([(300, 300, 340, 340, 0.9, 0)], [], {"background": 1}, id="on no cell"),
        pytest.param([(*CELL, 0.9, 0)], [(*CELL, 0)], {}, id="right"),
    ],
)
def test_errors_by_kind(found, cells, kinds):
    errors = confusion([ScoredImage(boxes(*found), truth(*cells), no_boxes())])
    assert by_kind(errors.mistakes) == {kind: kinds.get(kind, 0) for kind in KINDS}


def made(*images):
    """Evidence and predictions of images, each of found and true rows, 500 px wide and high."""
    setting = Setting("made", "0" * 64, "cpu", "set", "test", 0.4, 0.5)
    parts = tuple(
        PredictedImage(
            f"field-{n}",
            500,
            500,
            boxes(*found),
            truth(*cells),
            np.array(ignore, np.float32).reshape(-1, 4),
            None,
            1.0,
        )
        for n, (found, cells, ignore) in enumerate(images)
    )
    return Predictions(setting, parts, "0" * 64)


def test_false_alarms_come_from_the_whole_set_the_surest_first():
    predictions = made(
        ([(0.5, 200, 40, 240, 0.6, 0), (*CELL, 0.9, 0)], [(*CELL, 0)], []),
        ([(300, 300, 340, 340, 0.8, 0), (50, 50, 90, 90, 0.3, 0)], [], []),
    )
    alarms = false_alarms(Evidence.of(predictions), 0, 0.4, [(500, 500)] * 2)
    assert [(a.image, round(a.confidence, 1), a.at_edge) for a in alarms] == [
        (1, 0.8, False),
        (0, 0.6, True),
    ]
    assert alarms[1].xyxy == pytest.approx((0.5, 200, 40, 240))
    assert len(false_alarms(Evidence.of(predictions), 0, 0.1, [(500, 500)] * 2)) == 3


def test_the_best_threshold_is_better_than_one_that_hides_cells():
    evidence = Evidence.of(
        made(([(*CELL, 0.2, 0), (300, 300, 340, 340, 0.1, 0)], [(*CELL, 0)], []))
    )
    assert suggest_confidence(evidence) == pytest.approx(0.15)
    assert mean_f1(evidence, 0.15) == 1.0
    assert mean_f1(evidence, 0.4) == 0.5


def test_what_the_evaluator_adds(monkeypatch):
    monkeypatch.setattr("allcell.evaluation.evaluate.RESAMPLES", 20)
    cut = (0.0, 0.0, 30.0, 40.0)
    result = score(
        made(
            # The blast is called healthy with more confidence: as YOLOv5 counts it is found, but a
            # user is shown one class a cell.
            ([(*CELL, 0.9, 1), (*CELL, 0.5, 0)], [(*CELL, 0)], []),
            ([(*CELL, 0.7, 0), (*cut, 0.8, 0)], [(*CELL, 0)], [cut]),
        )
    )
    blast = result.classes["blast"]
    assert (blast.froc["4"], blast.froc_as_shown["4"], blast.reach_as_shown) == (1.0, 0.5, 0.5)
    assert (blast.at_best_f1.tp, blast.at_best_f1.fn) == (2, 0)
    assert blast.spread == Spread(2, 2.0, 1, 0)
    assert result.ignored.cells == 1
    counted = result.ignored.counted["blast"]
    assert counted["ap50"] < blast.ap50
    assert counted["ap50_as_shown"] < blast.ap50_as_shown


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        pytest.param([2, 2, 2], "6 blasts in 3 fields", id="evenly"),
        pytest.param([1, 2, 2, 0], "5 blasts in 3 fields", id="nearly"),
        pytest.param(
            [11, 15, 6, 11, 1, 2, 32],
            "78 blasts in 7 fields, effectively 4 (32 of them in one)",
            id="the test fields",
        ),
        pytest.param([4], "4 blasts in 1 field", id="one field"),
    ],
)
def test_how_cells_are_spread_is_said(cells, text):
    spread = Spread.of(cells)
    assert spread_text("blast", sum(cells), spread) == text
    assert spread_text("blast", sum(cells), vars(spread)) == text
    assert spread_note([("blast", sum(cells), spread), ("healthy", 0, None)]).startswith(
        f"Intervals rest on {text}."
    )


def test_nothing_is_said_of_json_that_does_not_know():
    assert spread_note([("blast", 78, None)]) == ""
