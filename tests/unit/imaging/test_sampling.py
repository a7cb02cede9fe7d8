"""What is done the fast way is, to the last bit, what the plain way gives."""

import numpy as np
import pytest

from allcell.imaging import circles, lamp
from allcell.imaging.familiarity.traits import LABORATORY_TRAITS, measure, measure_colours
from allcell.imaging.sampling import brightness, coloured, every_so_many, medians
from allcell.imaging.scale import resolve_scale
from allcell.imaging.stain import measure_stain
from allcell.synth import random_spec, render

RANDOM = np.random.default_rng(5)
PICTURE = RANDOM.integers(0, 256, (96, 150, 3), dtype=np.uint8)
DENSITIES = RANDOM.normal(0.3, 0.2, (97, 151, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("image", "step"),
    [
        pytest.param(PICTURE, 1, id="every pixel"),
        pytest.param(PICTURE, 2, id="divides both sides"),
        pytest.param(PICTURE, 6, id="divides both sides, too"),
        pytest.param(PICTURE, 4, id="divides the height only"),
        pytest.param(PICTURE, 7, id="divides neither"),
        pytest.param(PICTURE, 100, id="more than the height"),
        pytest.param(PICTURE[::-1], 2, id="mirrored"),
        pytest.param(PICTURE[:, 10:130], 2, id="a part"),
    ],
)
def test_every_so_many(image, step):
    assert np.array_equal(every_so_many(image, step), image[::step, ::step])


@pytest.mark.parametrize("image", [PICTURE, DENSITIES], ids=["bytes", "floats"])
def test_colours_of_a_mask(image):
    mask = image[..., 1] > np.median(image)
    found = coloured(image, mask)
    assert found.dtype == image.dtype
    assert np.array_equal(found, image[mask])
    assert np.array_equal(medians(found), np.median(found, axis=0))
    assert np.array_equal(brightness(image), image.sum(axis=2, dtype=np.float32))


def test_bright_medians_are_those_of_each_block():
    blocks = RANDOM.integers(90, 180, (12, 53 * 53, 3), dtype=np.uint8)
    blocks[3] = 200  # an even one
    expected = []
    for block in blocks:
        luminance = block.astype(np.float32).sum(axis=1)
        expected.append(np.median(block[luminance >= np.percentile(luminance, 80)], axis=0))
    assert np.array_equal(lamp._bright_medians(blocks), expected)


@pytest.mark.parametrize("values", [3, 16], ids=["three", "many"])
def test_the_third_largest(values):
    many = RANDOM.normal(0, 1, (values, 40, 3)).astype(np.float32)
    many[:, 5] = many[0, 5]
    assert np.array_equal(circles._third_largest(many), np.sort(many, axis=0)[-3])


def test_colours_alone_are_those_of_all_traits():
    image = render(random_spec(4, 640, 480, 28)).image
    every, some = measure(image, 28.0), measure_colours(image)
    assert [every[name] for name in LABORATORY_TRAITS] == [some[name] for name in LABORATORY_TRAITS]


@pytest.mark.parametrize(
    ("size", "red_cell_px", "lamp_from", "expected"),
    [
        pytest.param(
            (640, 480),
            28,
            1.0,
            (
                29.1648,
                0.864339,
                112,
                107,
                114,
                0.0734275,
                0.204794,
                0.191055,
                0.0995348,
                0.308547,
                0.993252,
                0,
            ),
            id="small",
        ),
        pytest.param(
            (1280, 720),
            40,
            0.65,
            (
                43.057,
                0.868011,
                89.2204,
                88.2725,
                92.8147,
                0.0564229,
                0.190363,
                0.185964,
                0.0575693,
                0.473296,
                1.02497,
                0.993104,
            ),
            id="an uneven lamp",
        ),
        pytest.param(
            (2592, 1944),
            40,
            1.0,
            (
                40.7278,
                0.8468,
                125.968,
                118.284,
                140.38,
                0.212139,
                0.480676,
                0.401435,
                0.191387,
                0.880609,
                2.07125,
                0.567275,
            ),
            id="a photograph",
        ),
    ],
)
def test_the_rulers_read_what_they_read_before(size, red_cell_px, lamp_from, expected):
    """Values of 2026-11-27, before they were made twice as fast."""
    image = render(random_spec(2, *size, red_cell_px)).image
    image = (image * np.linspace(lamp_from, 1, size[0])[None, :, None]).astype(np.uint8)
    scale = resolve_scale(image)
    ruler = measure_stain(image, scale.red_cell_px)
    assert scale.estimate is not None
    assert ruler is not None
    assert ruler.nuclei is not None
    shade = 0.0 if ruler.shade is None else float(np.abs(ruler.shade).sum())
    found = (
        *(scale.estimate.diameter_px, scale.estimate.confidence),
        *(*ruler.light, *ruler.density, ruler.red_cells, *ruler.nuclei, shade),
    )
    assert found == pytest.approx(expected, rel=1e-3)
