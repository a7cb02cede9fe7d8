"""What becomes of a set or of reviewed cases, and that it is read back as it was written."""

from datetime import UTC, datetime

import numpy as np
import pytest

from allcell.errors import DataError, TeachingError
from allcell.review.case_review import CaseReview
from allcell.review.cells import FieldOrigin, FieldReview, ReviewedCell
from allcell.review.labels import LabelSet, own_label
from allcell.teaching.material import Lesson, read_lesson, take_fields
from tests.teaching_fields import drawn, rendered_lesson

BLAST, HEALTHY, SMUDGE = 0, 1, 2
ORIGIN = FieldOrigin("live", "", 0.45, 0.5, datetime(2026, 1, 1, tzinfo=UTC), "0.3")
LABELS = LabelSet((own_label("lymphocyte", "L"), own_label("erythroblast", "R", "other")))


def cell(number, label, state="confirmed"):
    left = 10.0 * number
    return ReviewedCell(number, (left, 5, left + 8, 13), label, state=state)


def reviewed(*cells, sha256="a", **values):
    return FieldReview(sha256, 100, 40, f"Field {sha256}", ORIGIN, tuple(cells), **values)


def picture(sha256):
    return np.full((40, 100, 3), 200, np.uint8)


def test_a_written_lesson_is_read_back(tmp_path):
    lesson = rendered_lesson(3)
    lesson.write(tmp_path)
    kept = read_lesson(tmp_path)
    assert kept.name == "a laboratory"
    for one, item in zip(lesson.fields, kept.images, strict=True):
        assert item.called == one.name
        assert item.path.read_bytes() == one.content()
        for class_id in (BLAST, HEALTHY, SMUDGE):
            assert np.allclose(item.truth.of(class_id).xyxy, one.truth.of(class_id).xyxy)


def test_a_damaged_lesson_is_said_to_be(tmp_path):
    rendered_lesson(1).write(tmp_path)
    (tmp_path / "lesson.json").write_text("{")
    with pytest.raises(TeachingError, match="gone or damaged"):
        read_lesson(tmp_path)


def test_labels_of_a_review_become_classes(tmp_path):
    one = reviewed(
        cell(1, "blast"),
        cell(2, "lymphocyte"),
        cell(3, "smudge"),
        cell(4, "erythroblast"),
        cell(5, "unidentified"),
        cell(6, "not a cell"),
        cell(7, "blast", "removed"),
    )
    lesson = Lesson.of_reviews("lab", {"case 1": CaseReview(LABELS, (one,))}, picture)
    (field,) = lesson.fields
    assert field.case == "case 1"
    assert field.truth.class_id.tolist() == [BLAST, HEALTHY, SMUDGE]
    assert field.truth.xyxy[:, 0].tolist() == [10, 20, 30]
    # What is no white cell, or of unknown class, must not be learned as background either.
    assert field.ignore[:, 0].tolist() == [40, 50]


def test_only_fields_that_were_reviewed_are_taken():
    fields = (
        reviewed(cell(1, "blast"), sha256="a"),
        reviewed(cell(1, "blast", "suggested"), cell(2, "blast"), sha256="b"),
        reviewed(cell(1, "blast"), sha256="c", left_out="blurred"),
        reviewed(sha256="d"),
    )
    again = reviewed(cell(1, "healthy"), sha256="a")
    reviews = {"1": CaseReview(LABELS, fields), "2": CaseReview(LABELS, (again,))}
    lesson = Lesson.of_reviews("lab", reviews, picture)
    assert [(one.name, one.case) for one in lesson.fields] == [("Field a", "1"), ("Field d", "1")]
    assert lesson.left_out == ("Field b is not used: a cell is not reviewed yet",)


def test_the_cases_of_a_set_are_looked_up_by_file_name(tmp_path):
    images = [drawn(tmp_path, BLAST, seed=n) for n in range(2)]
    lesson = Lesson.of_set("set", images, {"field-0.png": "anna", "field-1": "bert"})
    assert [one.case for one in lesson.fields] == ["anna", "bert"]
    with pytest.raises(DataError, match=r"whose field-1\.png is"):
        Lesson.of_set("set", images, {"field-0.png": "anna"})


def test_fields_are_taken_at_random_with_both_classes(tmp_path):
    many = [drawn(tmp_path, *[BLAST] * 4, seed=n) for n in range(20)]
    rare = [drawn(tmp_path, *[HEALTHY] * 3, seed=20 + n) for n in range(4)]
    poor = [drawn(tmp_path, HEALTHY, seed=30)]
    taken = take_fields([*many, *rare, *poor], 8, seed=0)
    assert len(taken) == 8
    assert sum(HEALTHY in item.truth.class_id for item in taken) == 4
    assert poor[0] not in taken
    assert [item.called for item in taken] == [
        item.called for item in take_fields([*many, *rare, *poor], 8, seed=0)
    ]
    assert taken != take_fields([*many, *rare, *poor], 8, seed=1)
    with pytest.raises(TeachingError, match="24 fields with at least 3 cells, not 25"):
        take_fields([*many, *rare, *poor], 25, seed=0)
