"""allcell.slides.fitness: where a slide is fit for counting cells."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from allcell.slides.fitness import (
    BLURRED,
    EMPTY,
    FEATHERED,
    FIT,
    NAMES,
    THICK,
    FitnessMap,
    judge_part,
    map_fitness,
)
from allcell.slides.opening import open_slide
from allcell.slides.rulers import SlideRulers
from allcell.synth.scan import Part

NAME_OF = {
    Part.EMPTY: EMPTY,
    Part.THICK: THICK,
    Part.MONOLAYER: FIT,
    Part.FEATHERED: FEATHERED,
}


@pytest.fixture(scope="module")
def rulers(smear):
    measured = SlideRulers()
    opened = open_slide(smear.path)
    measured.measure(opened)
    opened.close()
    return measured


@pytest.mark.slow
def test_the_parts_of_a_smear_are_told_on_the_map_and_in_detail(smear, slide, rulers):
    seen: list[float] = []
    found = map_fitness(slide, rulers, seen.append)
    assert seen[-1] == 1
    stretches = smear.spec.stretches()
    assert {part for _, _, part in stretches} == set(Part)
    for left, _, part in stretches:
        inside = (left + 50, 300, 600, 800)
        assert found.of_box(*inside) == NAME_OF[part]
        # The last stretch is narrower than a square, which may have some cells at its other end.
        if left + 1024 < smear.spec.width_px:
            assert found.is_empty(*inside) is (left == 0)
        image = slide.read(*inside)
        assert judge_part(image, smear.spec.red_cell_px, rulers) == NAME_OF[part]
    shares = found.shares()
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[FIT] > 0.4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sigma", "expected"),
    [pytest.param(0, FIT, id="sharp"), pytest.param(5, BLURRED, id="out of focus")],
)
def test_blur_is_seen_in_detail(slide, rulers, sigma, expected):
    image = slide.read(6000, 300, 900, 900)
    if sigma:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    assert judge_part(image, 24, rulers) == expected
    assert judge_part(cv2.resize(image, None, fx=2, fy=2), 48, rulers) == expected


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.full((300, 300, 3), 230, np.uint8), id="glass"),
        pytest.param(np.full((300, 300, 3), 255, np.uint8), id="outside"),
        pytest.param(np.full((1, 1, 3), 230, np.uint8), id="a pixel"),
    ],
)
def test_nothing_is_empty_even_where_no_ruler_is(image):
    assert judge_part(image, 30, SlideRulers()) == EMPTY


def test_a_slide_of_glass_is_empty():
    found = map_fitness(open_slide(np.full((4000, 5000, 3), 232, np.uint8)), SlideRulers())
    assert found.shares()[EMPTY] == 1
    assert found.is_empty(0, 0, 5000, 4000)


def test_giving_up_leaves_the_rest_as_it_was():
    slide = open_slide(np.full((4000, 5000, 3), 232, np.uint8))
    found = map_fitness(slide, SlideRulers(), stop=lambda: True)
    assert found.shares()[FIT] == 1


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param((0, 0, 100, 100), EMPTY, id="one square"),
        pytest.param((60, 0, 100, 100), FIT, id="mostly the next one"),
        pytest.param((30, 0, 100, 100), EMPTY, id="mostly the first"),
        pytest.param((-50, -50, 60, 60), EMPTY, id="from outside"),
        pytest.param((0, 200, 100, 100), FIT, id="another row"),
        pytest.param((10_000, 0, 100, 100), EMPTY, id="beyond the slide there is nothing"),
    ],
)
def test_a_part_is_what_most_of_it_is(box, expected):
    found = FitnessMap((950, 450), 100)
    assert (found.columns, found.rows) == (10, 5)
    found.note(0, 0, 100, 100, EMPTY)
    assert found.of_box(*box) == expected


def test_what_is_noted_covers_the_squares_whose_middle_it_has():
    found = FitnessMap((1000, 500), 100)
    found.note(120, 80, 250, 100, BLURRED)
    expected = np.zeros((5, 10), np.uint8)
    expected[1, 1:4] = NAMES.index(BLURRED)
    assert np.array_equal(found.codes, expected)
    found.note(-500, -500, 100, 100, THICK)
    found.note(5000, 5000, 100, 100, THICK)
    assert np.array_equal(found.codes, expected)
