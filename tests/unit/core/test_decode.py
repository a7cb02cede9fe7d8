"""The three output layouts, each on a case worked out by hand."""

import numpy as np
import pytest

from allcell.engines.decode import decode
from allcell.errors import ModelError


def test_anchor_based_multiplies_objectness():
    rows = np.array(
        [[50, 40, 20, 10, 0.8, 0.5, 0.1, 0.0], [50, 40, 20, 10, 0.1, 0.9, 0.9, 0.9]], np.float32
    )
    found = decode(rows, "anchor_based", 3, 0.25)
    assert found.xyxy.tolist() == [[40, 35, 60, 45]]
    assert found.confidence.tolist() == pytest.approx([0.4])
    assert found.class_id.tolist() == [0]


def test_anchor_free_is_the_other_way_round():
    columns = np.array([[50, 40, 20, 10, 0.1, 0.7, 0.2], [9, 9, 2, 2, 0.1, 0.1, 0.1]], np.float32).T
    found = decode(columns, "anchor_free", 3, 0.25)
    assert found.xyxy.tolist() == [[40, 35, 60, 45]]
    assert found.class_id.tolist() == [1]


def test_end_to_end_has_corners():
    rows = np.array([[1, 2, 3, 4, 0.9, 2], [0, 0, 0, 0, 0.0, 0]], np.float32)
    found = decode(rows, "end_to_end", 3, 0.25)
    assert found.xyxy.tolist() == [[1, 2, 3, 4]]
    assert found.class_id.tolist() == [2]


@pytest.mark.parametrize("layout", ["anchor_based", "anchor_free", "end_to_end"])
def test_nothing_above_the_floor_is_empty(layout):
    shape = {"anchor_based": (5, 8), "anchor_free": (7, 5), "end_to_end": (5, 6)}[layout]
    assert len(decode(np.zeros(shape, np.float32), layout, 3, 0.1)) == 0


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        pytest.param("anchor_based", (7, 100), id="anchor-free output"),
        pytest.param("anchor_free", (100, 8), id="anchor-based output"),
        pytest.param("end_to_end", (7, 100), id="raw output"),
        pytest.param("anchor_free", (84, 100), id="eighty classes"),
    ],
)
def test_a_misfit_says_what_was_expected(layout, shape):
    with pytest.raises(ModelError, match=r"has shape .* expected"):
        decode(np.zeros(shape, np.float32), layout, 3, 0.1)


def test_a_class_without_a_name_is_an_error():
    with pytest.raises(ModelError, match="class 7, but 3 are named"):
        decode(np.array([[1, 2, 3, 4, 0.9, 7]], np.float32), "end_to_end", 3, 0.25)
