"""A dark rim is no part of the field: what lies within it is measured as if there were none."""

from functools import cache
from io import BytesIO
from time import perf_counter

import cv2
import numpy as np
import pytest
from PIL import Image

from allcell.imaging.familiarity import judge
from allcell.imaging.images import decode
from allcell.imaging.lamp import WHOLE, of_whole, terms
from allcell.imaging.rim import find_rim, part_within
from allcell.imaging.scale import resolve_scale
from allcell.imaging.stain import measure_stain
from allcell.synth import FieldSpec, render
from allcell.synth.others import KINDS, render_other


@cache
def smear(seed=11, blasts=5):
    return render(
        FieldSpec(640, 480, red_cell_px=28, seed=seed, blasts=blasts, neutrophils=2, lymphocytes=2)
    ).image


def bordered(image, width, value=0):
    return np.pad(image, ((width, width), (width, width), (0, 0)), constant_values=value)


def captioned(image):
    bar = np.full((80, image.shape[1], 3), 20, np.uint8)
    cv2.putText(bar, "100x oil 2024-05-01", (20, 50), 0, 1.0, (255, 255, 255), 2)
    return np.concatenate([image, bar])


def through_eyepiece(image, radius, soft=1):
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    away = np.hypot(x - width / 2, y - height / 2)
    light = np.clip((radius - away) / soft, 0, 1)[..., None]
    return (image * light + 6 * (1 - light)).astype(np.uint8)


def compressed(image):
    return cv2.imdecode(cv2.imencode(".jpg", image)[1], cv2.IMREAD_COLOR)


RIMS = [
    pytest.param(lambda image: bordered(image, 1), id="one pixel"),
    pytest.param(lambda image: bordered(image, 2, 20), id="two pixels, dark grey"),
    pytest.param(lambda image: bordered(image, 8), id="8 px"),
    pytest.param(lambda image: compressed(bordered(image, 8)), id="8 px, JPEG"),
    pytest.param(lambda image: bordered(image, 60), id="60 px"),
    pytest.param(lambda image: np.pad(image, ((40, 40), (0, 0), (0, 0))), id="letterbox"),
    pytest.param(lambda image: np.pad(image, ((0, 0), (40, 40), (0, 0))), id="pillarbox"),
    pytest.param(lambda image: np.pad(image, ((0, 0), (40, 0), (0, 0))), id="left only"),
    pytest.param(captioned, id="caption bar"),
    pytest.param(lambda image: through_eyepiece(image, 330), id="eyepiece"),
    pytest.param(lambda image: through_eyepiece(image, 235), id="eyepiece, whole circle"),
    pytest.param(lambda image: through_eyepiece(image, 360, 25), id="eyepiece, soft edge"),
]


@pytest.mark.parametrize("rim", RIMS)
def test_a_field_with_a_rim_is_judged_and_measured_as_without(rim):
    image = smear()
    framed = rim(image)
    bare, scale = resolve_scale(image), resolve_scale(framed)
    assert not [found for found in judge(framed, scale) if found.severe]
    assert scale.red_cell_px == pytest.approx(bare.red_cell_px, rel=0.03)
    expected, ruler = (
        measure_stain(image, bare.red_cell_px),
        measure_stain(framed, scale.red_cell_px),
    )
    assert np.allclose(ruler.light, expected.light, atol=5)
    assert np.allclose(ruler.density, expected.density, atol=0.03)


@pytest.mark.parametrize("rim", RIMS)
def test_the_part_within_holds_no_rim_and_most_of_the_field(rim):
    part, place = part_within(rim(smear()))
    assert place is not None
    assert part.max(axis=2).min() > 40
    assert part.shape[0] * part.shape[1] > 0.3 * 640 * 480


@pytest.mark.parametrize("border", [0, 8])
def test_a_field_without_blasts_keeps_its_verdict(border):
    framed = bordered(smear(21, 0), border)
    assert not [found for found in judge(framed, resolve_scale(framed)) if found.severe]


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(smear(), id="field"),
        pytest.param(bordered(smear(), 8, 255), id="white border"),
        pytest.param(np.zeros((300, 400, 3), np.uint8), id="black"),
        pytest.param(np.zeros((20, 400, 3), np.uint8), id="tiny"),
    ],
)
def test_a_picture_without_a_rim_is_measured_itself(image):
    part, place = part_within(image)
    assert part is image
    assert place is None


def test_a_nucleus_in_a_corner_is_no_rim():
    image = smear().copy()
    cv2.circle(image, (0, 0), 30, (30, 10, 50), -1)
    assert find_rim(image) is None


def test_where_too_little_is_left_the_remedy_says_so():
    image = np.zeros((600, 800, 3), np.uint8)
    image[200:360, 300:500] = smear()[:160, :200]
    severe = [finding for finding in judge(image, resolve_scale(image)) if finding.severe]
    assert severe
    assert all("Crop the black border" in finding.remedy for finding in severe)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_smear_is_none_in_a_border_either(kind):
    image = bordered(render_other(kind, 70_001, 500, 400), 8)
    assert [found for found in judge(image, resolve_scale(image)) if found.severe]


def round_part(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(x - shape[1] / 2, y - shape[0] / 2) < 235


def square_part(shape):
    part = np.zeros(shape, bool)
    part[50:-50, 60:-60] = True
    return part


@pytest.mark.parametrize("part", [round_part, square_part])
@pytest.mark.parametrize("under", [0, 255], ids=["black under it", "white under it"])
def test_a_field_that_was_cut_out_has_a_rim(part, under):
    # As photo programs save a selection: transparent around it.
    field = smear()
    inside = part(field.shape[:2])
    colours = np.where(inside[..., None], field, under).astype(np.uint8)
    out = BytesIO()
    Image.fromarray(np.dstack([colours, np.uint8(255) * inside])).save(out, "PNG")
    picture = decode(out.getvalue())
    np.testing.assert_array_equal(picture[inside], field[inside])
    rim = find_rim(picture)
    assert rim is not None
    assert rim.outside.mean() > 0.2


def test_the_lamp_of_a_part_is_told_in_places_of_the_whole():
    shade = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
    part = (30, 10, 190, 90)
    whole = terms(200, 100, WHOLE) @ of_whole(shade, part, 200, 100).T
    expected = terms(160, 80, WHOLE) @ shade.T
    assert np.allclose(whole[10:90, 30:190], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("box", "on_it"),
    [
        pytest.param((2, 2, 42, 42), True, id="outside"),
        pytest.param((300, 220, 340, 260), False, id="in the middle"),
        pytest.param((0, 220, 60, 280), False, id="at the edge of the picture"),
        pytest.param((-30, -30, 20, 20), True, id="partly beyond the picture"),
    ],
)
def test_boxes_on_the_outside_are_told_from_those_in_the_field(box, on_it):
    rim = find_rim(through_eyepiece(smear(), 330))
    assert rim.on_it(np.array([box], np.float32), (480, 640)).tolist() == [on_it]


def test_a_rim_is_painted_and_nothing_else():
    framed = bordered(smear(), 8)
    painted = find_rim(framed).painted(framed, 114)
    assert np.array_equal(painted, bordered(smear(), 8, 114))


@pytest.mark.slow
def test_a_rim_is_found_in_a_few_milliseconds():
    large = bordered(cv2.resize(smear(), (4000, 3000)), 20)
    took = []
    for _ in range(5):
        start = perf_counter()
        find_rim(large)
        took.append(perf_counter() - start)
    assert min(took) < 0.04
