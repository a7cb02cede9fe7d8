"""The one type: shapes are checked once, at construction."""

import numpy as np
import pytest

from allcell.detections import Detections


@pytest.mark.parametrize(
    ("xyxy", "confidence", "class_id", "message"),
    [
        pytest.param(np.zeros(4), np.zeros(1), np.zeros(1), r"\(n, 4\), got \(4,\)", id="flat box"),
        pytest.param(
            np.zeros((2, 5)), np.zeros(2), np.zeros(2), r"got \(2, 5\)", id="five columns"
        ),
        pytest.param(np.zeros((2, 4)), np.zeros(3), np.zeros(2), "confidence", id="extra score"),
        pytest.param(np.zeros((2, 4)), np.zeros(2), np.zeros(1), "class_id", id="missing class"),
        pytest.param(np.full((1, 4), np.nan), np.zeros(1), np.zeros(1), "finite", id="nan box"),
        pytest.param(np.zeros((1, 4)), np.array([np.inf]), np.zeros(1), "finite", id="inf score"),
    ],
)
def test_refuses(xyxy, confidence, class_id, message):
    with pytest.raises(ValueError, match=message):
        Detections(xyxy, confidence, class_id)


def test_types_are_fixed_whatever_comes_in():
    found = Detections([[0, 1, 2, 3]], [1], [2])
    assert found.xyxy.dtype == np.float32
    assert found.confidence.dtype == np.float32
    assert found.class_id.dtype == np.int64


def test_selection_keeps_rows_together():
    found = Detections(np.arange(12).reshape(3, 4), [0.9, 0.2, 0.5], [0, 1, 0])
    assert found.at_least(0.5).xyxy[:, 0].tolist() == [0, 8]
    assert found.of(1).confidence.tolist() == pytest.approx([0.2])
    assert found[::-1].class_id.tolist() == [0, 1, 0]
    assert len(found[np.array([False, False, True])]) == 1


def test_concatenate_of_nothing_is_empty():
    assert len(Detections.concatenate([])) == 0
    both = Detections.concatenate([Detections.empty(), Detections.truth([[0, 0, 1, 1]], [2])])
    assert both.class_id.tolist() == [2]
    assert both.confidence.tolist() == [1.0]
