"""allcell.slides.rulers: size and colour of red cells, held for a slide."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from allcell.imaging.stain import measure_stain
from allcell.slides.opening import open_slide
from allcell.slides.overview import glass_colour, places_with_cells
from allcell.slides.rulers import SlideRulers
from allcell.synth.scan import Part

pytestmark = pytest.mark.slow


class Stating:
    """A slide that says another size of its pixels."""

    def __init__(self, slide, mpp):
        self._slide = slide
        self.mpp = mpp

    def __getattr__(self, name):
        return getattr(self._slide, name)


@pytest.mark.parametrize("states", [pytest.param(True, id="said"), pytest.param(False, id="not")])
def test_a_slide_is_measured_whether_it_says_its_size_or_not(smear, slide, states):
    rulers = SlideRulers()
    assert (rulers.red_cell_px, rulers.stain, rulers.reliable) == (None, None, False)
    rulers.measure(slide if states else Stating(slide, None))
    assert rulers.reliable
    assert rulers.red_cell_px == pytest.approx(smear.spec.red_cell_px, rel=0.09)
    # A monolayer.
    alone = measure_stain(slide.read(6000, 300, 1000, 1000), 24)
    assert rulers.stain.light == pytest.approx(alone.light, abs=4)
    assert rulers.stain.density == pytest.approx(alone.density, rel=0.15)
    assert rulers.stain.shade is None


def test_what_is_seen_outweighs_what_the_file_says(smear, slide):
    rulers = SlideRulers()
    rulers.measure(Stating(slide, 2 * smear.spec.mpp))
    if rulers.reliable:
        assert rulers.red_cell_px == pytest.approx(smear.spec.red_cell_px, rel=0.1)


def test_an_empty_slide_has_only_what_it_says():
    glass = open_slide(np.full((3000, 4000, 3), 225, np.uint8))
    rulers = SlideRulers()
    rulers.measure(glass)
    assert (rulers.red_cell_px, rulers.stain, rulers.reliable) == (None, None, False)
    rulers.measure(Stating(glass, 0.25))
    assert rulers.red_cell_px == pytest.approx(30)
    assert not rulers.reliable


def test_large_cells_are_found_at_a_coarser_scale(slide):
    """Red cells of 130 px, as a 100x objective with a fine camera has them."""
    part = slide.read(5200, 300, 900, 700)
    large = cv2.resize(part, None, fx=5.4, fy=5.4, interpolation=cv2.INTER_CUBIC)
    rulers = SlideRulers()
    rulers.measure(open_slide(large))
    assert rulers.red_cell_px == pytest.approx(5.4 * 24, rel=0.12)


def test_further_parts_refine_and_one_bad_one_changes_nothing(slide):
    rulers = SlideRulers()
    rulers.measure(slide)
    before = rulers.red_cell_px
    stained = rulers.stain
    rulers.refine(np.full((600, 600, 3), 230, np.uint8), 1.0)
    rulers.refine(slide.read(5200, 300, 700, 700), 0.25)  # as if it were four times as large
    assert rulers.red_cell_px == pytest.approx(before, rel=0.03)
    rulers.refine(slide.read(6600, 300, 700, 700), 1.0)
    assert rulers.red_cell_px == pytest.approx(before, rel=0.05)
    assert rulers.stain.density == pytest.approx(stained.density, rel=0.1)


def test_many_threads_refine_at_once(slide):
    rulers = SlideRulers()
    parts = [slide.read(5200 + 300 * n, 200, 500, 500) for n in range(8)]
    threads = [threading.Thread(target=rulers.refine, args=(part, 1.0)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rulers.red_cell_px == pytest.approx(24, rel=0.1)


def test_patches_lie_on_cells_and_apart(smear, slide):
    places = places_with_cells(slide, 8)
    assert len(places) == 8
    glass = [(a, b) for a, b, part in smear.spec.stretches() if part is Part.EMPTY]
    for x, y in places:
        assert not any(left <= x < right for left, right in glass)
        assert 0 < y < 2048
    gaps = [np.hypot(a[0] - b[0], a[1] - b[1]) for a in places for b in places if a != b]
    assert min(gaps) > 400
    assert places_with_cells(open_slide(np.full((900, 900, 3), 240, np.uint8)), 8) == []


@pytest.mark.parametrize(
    ("filled", "expected"),
    [
        pytest.param(0, 231, id="glass throughout"),
        pytest.param(700, 231, id="mostly filled in white by the scanner"),
        pytest.param(1000, 255, id="nothing scanned"),
    ],
)
def test_the_colour_of_glass(filled, expected):
    image = np.full((1000, 1000, 3), 231, np.uint8)
    image[::4] = (200, 140, 170)
    image[:filled] = 255
    assert glass_colour(image)[1] == expected
