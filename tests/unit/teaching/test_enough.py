"""Fields that nothing can be learned from are refused with the reason, before any time is spent."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from allcell.detections import Detections
from allcell.errors import TeachingError
from allcell.imaging.images import encode_png
from allcell.teaching.enough import LEAST_FIELDS, alike, check_enough, described, thumbnail
from tests.teaching_fields import drawn

BLAST, HEALTHY = 0, 1


def both(folder, count=LEAST_FIELDS):
    return [drawn(folder, BLAST, BLAST, HEALTHY, seed=n) for n in range(count)]


def no_cases(images):
    return [""] * len(images)


def test_enough_fields_are_described_with_what_would_help(tmp_path):
    images = both(tmp_path)
    found = check_enough(images, no_cases(images))
    assert described(found) == "6 fields with 12 blasts and 6 healthy white cells."
    assert found.groups == tuple(range(6))
    assert found.notes == ()
    assert [text.split(",")[0] for text in found.helps] == [
        "More fields with blasts",
        "More fields with healthy white cells",
        "14 more fields",
    ]


def too_few(folder):
    return both(folder, LEAST_FIELDS - 2)


def none(folder):
    return []


def no_healthy(folder):
    return [drawn(folder, BLAST, BLAST, seed=n) for n in range(LEAST_FIELDS)]


def no_blast(folder):
    return [drawn(folder, HEALTHY, seed=n) for n in range(LEAST_FIELDS)]


def one_cell_two_classes(folder):
    images = both(folder)
    boxes = [(10, 10, 30, 30), (11, 10, 31, 30)]
    images[3] = replace(images[3], truth=Detections.truth(boxes, [BLAST, HEALTHY]))
    return images


def all_alike(folder):
    return [drawn(folder, BLAST, HEALTHY, seed=0, name=f"copy-{n}") for n in range(8)]


def copies_that_disagree(folder):
    images = both(folder)
    copy = drawn(folder, HEALTHY, BLAST, HEALTHY, seed=2, name="again")
    return [*images, copy]


@pytest.mark.parametrize(
    ("made", "said", "remedy"),
    [
        (none, "are no reviewed fields; at least 6", "Review 6 more fields"),
        (too_few, "are 4 reviewed fields; at least 6", "Review 2 more fields"),
        (no_healthy, "None of the 6 fields has a healthy WBC", "Add fields with healthy white"),
        (no_blast, "None of the 6 fields has a blast", "Add fields with blasts"),
        (one_cell_two_classes, "In field-3 one cell, at 10, 10 pixels", "remove the other box"),
        (all_alike, "The 8 fields show only 1 place", "Add fields until 6 differ"),
        (copies_that_disagree, "field-2 and again show the same place", "whose labels are right"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_cannot_be_learned_from_is_refused_with_a_reason(tmp_path, made, said, remedy):
    images = made(tmp_path)
    with pytest.raises(TeachingError) as caught:
        check_enough(images, no_cases(images))
    assert said in caught.value.message
    assert remedy in caught.value.remedy


def test_a_class_in_one_field_only_is_said(tmp_path):
    images = [drawn(tmp_path, BLAST, seed=n) for n in range(6)]
    images.append(drawn(tmp_path, HEALTHY, HEALTHY, seed=9))
    found = check_enough(images, no_cases(images))
    assert found.notes == (
        "All 2 healthy white cells are in one field, so how well they are found cannot be "
        "measured.",
    )


def test_fields_of_one_patient_are_said(tmp_path):
    images = both(tmp_path)
    helps = check_enough(images, ["patient 1"] * 6).helps
    assert "Fields of another patient: all of these are of one case." in helps


def test_copies_of_a_place_are_found_though_they_were_saved_anew():
    rng = np.random.default_rng(0)
    places = [
        cv2.GaussianBlur(rng.integers(0, 255, (200, 300, 3)).astype(np.uint8), (0, 0), 4)
        for _ in range(3)
    ]
    _, data = cv2.imencode(".jpg", places[1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    brighter = np.clip(cv2.imdecode(data, cv2.IMREAD_COLOR) * 1.1 + 5, 0, 255).astype(np.uint8)
    smaller = cv2.resize(places[0], (150, 100), interpolation=cv2.INTER_AREA)
    pictures = [*places, brighter, smaller]
    assert alike([thumbnail(one) for one in pictures]) == (0, 1, 2, 1, 0)
    assert encode_png(brighter) != encode_png(places[1])


def test_the_rarer_class_would_help_most(tmp_path):
    images = [drawn(tmp_path, *[BLAST] * 6, side=96, seed=n) for n in range(20)]
    images += [drawn(tmp_path, *[HEALTHY] * 4, side=96, seed=20 + n) for n in range(5)]
    helps = check_enough(images, no_cases(images)).helps
    assert helps == ("More fields with healthy white cells, of which there are 20, in 5 fields.",)
