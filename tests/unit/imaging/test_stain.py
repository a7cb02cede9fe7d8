"""The ruler of colour on rendered fields whose stain is changed on purpose."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from allcell.imaging.stain import (
    REFERENCE_DENSITY,
    REFERENCE_LIGHT,
    REFERENCE_NUCLEI,
    is_grey,
    measure_stain,
    normalise,
)
from allcell.synth import FieldSpec, render

SPEC = FieldSpec(640, 480, red_cell_px=28, seed=11, blasts=5, neutrophils=2, lymphocytes=2)


@pytest.fixture(scope="module")
def field():
    return render(SPEC).image


def restained(image, gain, light):
    """The picture with its optical densities multiplied, on a slide of another colour."""
    old = np.median(image[image.sum(axis=2) > np.percentile(image.sum(axis=2), 80)], axis=0)
    density = -np.log((image.astype(np.float64) + 1) / (old + 1))
    new = (np.array(light) + 1) * np.exp(-np.array(gain) * density) - 1
    return np.clip(np.rint(new), 0, 255).astype(np.uint8)


LABORATORIES = [
    pytest.param((1, 1, 1), (240, 236, 228), id="brighter lamp"),
    pytest.param((1, 1, 1), (150, 150, 150), id="darker lamp"),
    pytest.param((1.3, 1.3, 1.3), (215, 210, 205), id="stained longer"),
    pytest.param((1.8, 1.0, 0.6), (245, 250, 250), id="blue-grey red cells"),
    pytest.param((1.0, 0.8, 0.7), (250, 225, 200), id="yellow slide"),
]


@pytest.mark.parametrize(("gain", "light"), LABORATORIES)
def test_every_laboratory_looks_like_the_reference(field, gain, light):
    other = restained(field, gain, light)
    ruler = measure_stain(other, 28)
    assert ruler is not None
    again = measure_stain(normalise(other, ruler), 28)
    assert again is not None
    assert again.light == pytest.approx(REFERENCE_LIGHT, abs=5)
    assert again.density == pytest.approx(REFERENCE_DENSITY, rel=0.2)
    assert again.nuclei == pytest.approx(REFERENCE_NUCLEI, rel=0.25)


@pytest.mark.parametrize(("gain", "light"), LABORATORIES)
def test_the_same_field_comes_out_alike_from_every_laboratory(field, gain, light):
    here, there = (
        normalise(image, measure_stain(image, 28)).astype(int)
        for image in (field, restained(field, gain, light))
    )
    before = np.abs(field.astype(int) - restained(field, gain, light)).mean()
    assert np.abs(here - there).mean() < max(4.0, 0.35 * before)


def test_white_cells_are_not_taken_for_red_cells():
    crowded = replace(SPEC, blasts=40, neutrophils=0, lymphocytes=0, red_coverage=0.12, clumping=0)
    few = replace(crowded, blasts=1)
    a, b = (measure_stain(render(spec).image, 28) for spec in (crowded, few))
    assert a is not None
    assert b is not None
    assert a.density == pytest.approx(b.density, rel=0.2)


def test_an_uneven_lamp_is_evened_out(field):
    y, x = np.mgrid[-1:1:480j, -1:1:640j]
    dim = np.exp(-0.25 * (x * x + y * y))[..., None]
    uneven = np.clip(field * dim, 0, 255).astype(np.uint8)
    ruler = measure_stain(uneven, 28)
    assert ruler is not None
    assert ruler.shade is not None
    even, flat = normalise(uneven, ruler), normalise(field, measure_stain(field, 28))
    assert np.abs(even.astype(int) - flat).mean() < 5
    part = normalise(uneven[240:, 320:], ruler, (0.5, 0.5, 1, 1))
    assert np.abs(part.astype(int) - even[240:, 320:]).mean() < 1


@pytest.mark.parametrize("radius_px", [50, 58, 64])
def test_a_cell_that_fills_the_picture_is_no_lamp(radius_px):
    picture = np.full((122, 122, 3), (205, 200, 192), np.uint8)
    cv2.circle(picture, (61, 61), radius_px, (70, 30, 80), -1)
    noise = np.random.default_rng(0).normal(0, 6, picture.shape)
    ruler = measure_stain(np.clip(picture + noise, 0, 255).astype(np.uint8), 32)
    assert ruler is None or ruler.shade is None


def _text_page():
    page = np.full((400, 600, 3), 255, np.uint8)
    for line in range(30, 390, 22):
        cv2.putText(page, "the quick brown fox jumps over", (10, line), 0, 0.7, (0, 0, 0), 1)
    return page


NONE = [
    pytest.param(lambda field: np.full((300, 400, 3), 220, np.uint8), id="empty slide"),
    pytest.param(
        lambda field: np.repeat(cv2.cvtColor(field, cv2.COLOR_RGB2GRAY)[..., None], 3, 2),
        id="grey picture",
    ),
    pytest.param(lambda field: _text_page(), id="text page"),
    pytest.param(lambda field: field[:20, :20], id="tiny"),
    pytest.param(lambda field: np.zeros((300, 400, 3), np.uint8), id="black"),
    pytest.param(
        lambda field: render(replace(SPEC, red_coverage=0, platelets=0, seed=3)).image,
        id="no red cells",
    ),
]


@pytest.mark.parametrize("picture", NONE)
def test_where_there_are_no_red_cells_none_are_measured(picture, field):
    assert measure_stain(picture(field), 28) is None


def test_grey_is_told_from_pale(field):
    assert not is_grey(field)
    assert is_grey(np.repeat(cv2.cvtColor(field, cv2.COLOR_RGB2GRAY)[..., None], 3, 2))


@pytest.mark.slow
def test_twelve_megapixels_take_little_time(field):
    import time

    large = np.kron(field, np.ones((6, 6, 1), np.uint8))
    times = []
    for _ in range(5):
        start = time.process_time()
        measure_stain(large, 168)
        times.append(time.process_time() - start)
    assert min(times) < 0.05
