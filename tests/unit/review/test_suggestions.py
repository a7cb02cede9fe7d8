"""From a model's result to a field under review."""

import numpy as np
import pytest

from allcell.cautions import Caution
from allcell.detections import Detections
from allcell.detector import Timing
from allcell.environment.provenance import Provenance
from allcell.errors import ReviewError
from allcell.imaging.scale import Scale
from allcell.result import Result
from allcell.review.suggestions import field_of, picture_hash
from tests.review_cases import NOON

NO_SMEAR = Caution("not_a_smear", "This is no smear.", "Take another picture.", withholds=True)
MADE = Provenance(0.35, 0.5, "ab" * 32, NOON, "0.3.0")


def result(made=MADE, classes=("blast", "healthy"), **changed):
    boxes = Detections(
        np.array([[1, 2, 30, 40], [50, 2, 80, 40]], np.float32),
        np.array([0.9, 0.6], np.float32),
        np.array([0, 1]),
    )
    values = {
        "timing": Timing(1.0, 2.0, 1.0, 4.0),
        "scale": Scale(40.0, "given"),
        "made": made,
        **changed,
    }
    return Result("Miller, Ann.png", 400, 300, "live", boxes, classes, **values)


def test_cells_have_the_numbers_and_classes_of_the_screen():
    found = field_of(result(), "a" * 64, "Field 1", runtime="OpenVINO", um_per_px=0.1)
    assert [(c.number, c.label, c.suggested, c.state) for c in found.cells] == [
        (1, "blast", "blast", "suggested"),
        (2, "healthy", "healthy", "suggested"),
    ]
    assert found.cells[0].xyxy == (1.0, 2.0, 30.0, 40.0)
    assert found.origin.made == MADE
    assert (found.origin.runtime, found.origin.red_cell_px) == ("OpenVINO", 40.0)
    assert "Miller" not in repr(found)


def test_while_withheld_no_class_of_the_model_is_held():
    found = field_of(result(warnings=(NO_SMEAR,)), "a" * 64, "Field 1")
    assert {(c.label, c.suggested) for c in found.cells} == {("unidentified", None)}
    assert not found.counted
    assert found.why_not_counted == "This is no smear."
    insisted = field_of(result(warnings=(NO_SMEAR,)).insist(), "a" * 64, "Field 1")
    assert insisted.counted
    assert insisted.cells[0].suggested == "blast"


def test_a_strangers_class_is_unidentified_and_still_on_record():
    found = field_of(result(classes=("blast", "clump")), "a" * 64, "Field 1")
    assert (found.cells[1].label, found.cells[1].suggested) == ("unidentified", "clump")


def test_a_result_that_says_not_how_it_was_made_is_refused():
    with pytest.raises(ReviewError, match="Analyse the picture again"):
        field_of(result(made=None), "a" * 64, "Field 1")


def test_the_hash_is_of_the_pixels_and_their_arrangement():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert picture_hash(image) == picture_hash(np.asfortranarray(image))
    assert picture_hash(image) != picture_hash(image.reshape(2, 8, 3))
    assert len(picture_hash(image)) == 64
