"""allcell.slides.reading: parts of a slide at any scale."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from allcell.errors import SlideError
from allcell.slides.arrays import with_halves
from allcell.slides.opening import open_slide
from allcell.slides.reading import best_level, read_scaled, thumbnail
from allcell.slides.slide import MAX_READ_PX, downsample_of
from tests.slide_files import picture

IMAGE = picture(2400, 1600)
SLIDE = open_slide(IMAGE)


@pytest.mark.parametrize(
    ("scale", "level"),
    [
        pytest.param(1.0, 0, id="as it is"),
        pytest.param(3.0, 0, id="enlarged"),
        pytest.param(0.52, 0, id="a little finer than a half"),
        pytest.param(0.5, 1, id="a half"),
        pytest.param(0.3, 1, id="between two levels: the finer one"),
        pytest.param(0.01, 2, id="coarser than all"),
    ],
)
def test_the_level_is_the_coarsest_that_is_fine_enough(scale, level):
    assert best_level(SLIDE, scale) == level


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25, 0.7, 0.33, 0.1, 1.6])
def test_a_part_at_a_scale_is_the_part_resized(scale):
    x, y, width, height = 300, 200, 1000, 800
    part = read_scaled(SLIDE, x, y, width, height, scale)
    size = (round(width * scale), round(height * scale))
    assert part.shape == (size[1], size[0], 3)
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    expected = cv2.resize(IMAGE[y : y + height, x : x + width], size, interpolation=mode)
    off = np.abs(part.astype(int) - expected)[2:-2, 2:-2]
    assert off.mean() < 0.7
    assert off.max() <= (3 if scale < 1 else 5)


def test_the_edge_of_a_slide_has_no_white_fringe():
    black = open_slide(np.zeros((1600, 2400, 3), np.uint8))
    for longest in (100, 333, 700, 1999):
        assert thumbnail(black, longest).max() == 0


def test_a_shift_by_a_part_of_a_pixel_moves_the_picture():
    """At a quarter of the size a pixel of the finest level is a quarter of one."""
    smooth = cv2.GaussianBlur(IMAGE, (0, 0), 12)
    slide = open_slide(smooth)
    first = read_scaled(slide, 400, 400, 800, 800, 0.25).astype(float)
    moved = read_scaled(slide, 402, 400, 800, 800, 0.25).astype(float)
    between = (first[:, :-1] + first[:, 1:]) / 2
    assert np.abs(moved[:, :-1] - between).max() < 1.5


def test_tiles_of_a_view_fit_the_view():
    whole = read_scaled(SLIDE, 100, 100, 1200, 800, 0.4).astype(int)
    for column in range(3):
        tile = read_scaled(SLIDE, 100 + 400 * column, 100, 400, 800, 0.4)
        off = np.abs(tile - whole[:, 160 * column : 160 * (column + 1)])
        assert off.max() <= 1


def test_bands_make_no_difference(monkeypatch):
    whole = read_scaled(SLIDE, -50, -60, 2500, 1700, 0.35)
    monkeypatch.setattr("allcell.slides.reading._BAND_PX", 50_000)
    off = np.abs(read_scaled(SLIDE, -50, -60, 2500, 1700, 0.35).astype(int) - whole)
    assert off.max() <= 1


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.3])
def test_outside_is_white(scale):
    part = read_scaled(SLIDE, -400, -400, 800, 800, scale)
    edge = round(400 * scale) - 3
    assert (part[:edge] == 255).all()
    assert (part[:, :edge] == 255).all()
    assert (part[edge + 8 :, edge + 8 :] != 255).any()
    assert (read_scaled(SLIDE, 1e9, 1e9, 800, 800, scale) == 255).all()


@pytest.mark.parametrize(
    ("longest", "shape"),
    [
        pytest.param(600, (400, 600, 3), id="a quarter"),
        pytest.param(5000, (1600, 2400, 3), id="never enlarged"),
        pytest.param(1, (1, 1, 3), id="a pixel"),
    ],
)
def test_the_whole_of_it_small(longest, shape):
    assert thumbnail(SLIDE, longest).shape == shape


@pytest.mark.parametrize(
    ("part", "error"),
    [
        pytest.param((0, 0, 0, 10, 1), ValueError, id="no width"),
        pytest.param((0, 0, 10, -1, 1), ValueError, id="no height"),
        pytest.param((0, 0, 10, 10, 0), ValueError, id="no scale"),
        pytest.param((0, 0, 10, 10, float("nan")), ValueError, id="not a number"),
        pytest.param((0, 0, MAX_READ_PX, 2, 1), SlideError, id="more than may be read at once"),
        pytest.param((0, 0, 2000, 2000, 100), SlideError, id="enlarged to more than that"),
    ],
)
def test_what_is_no_part(part, error):
    with pytest.raises(error):
        read_scaled(SLIDE, *part)


@pytest.mark.parametrize(
    ("whole", "level", "expected"),
    [
        pytest.param(60_000, 15_000, 4, id="even"),
        pytest.param(60_001, 15_000, 4, id="rounded down"),
        pytest.param(60_001, 15_001, 4, id="rounded up"),
        pytest.param(1501, 187, 8, id="small, rounded down"),
        pytest.param(1000, 750, 4 / 3, id="no whole number"),
        pytest.param(1000, 1000, 1, id="the finest"),
    ],
)
def test_how_coarse_a_level_is(whole, level, expected):
    assert downsample_of(whole, level) == pytest.approx(expected)


def test_halves_are_means_of_four():
    levels = with_halves(IMAGE, 700)
    assert [level.shape[1] for level in levels] == [2400, 1200, 600]
    expected = IMAGE.reshape(800, 2, 1200, 2, 3).mean(axis=(1, 3))
    assert np.abs(levels[1] - expected).max() <= 0.5
