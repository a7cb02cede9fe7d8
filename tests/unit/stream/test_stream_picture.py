"""What the stream measures: motion, sharpness, light, magnification, rates."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from allcell.stream.magnification import Magnification, working_size_px
from allcell.stream.meters import Durations, Rate
from allcell.stream.motion import shift_between, thumbnail
from allcell.stream.quality import Watch, scale_objection
from allcell.stream.slide_canvas import slide_spec
from allcell.synth.slide import SyntheticSlide
from tests.stream_stubs import SPEC, ground

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slide():
    spec = slide_spec(640, 360, seed=4)
    return SyntheticSlide(spec).view(0, 0, 900, 520).image


def at(slide, x, y):
    return np.ascontiguousarray(slide[y : y + 360, x : x + 640])


class TestShift:
    @pytest.mark.parametrize(
        ("x", "y"),
        [(0, 0), (1, 0), (7, 3), (40, 25), (150, 80)],
        ids=["still", "a pixel", "slow", "fast", "nearly a quarter of the view"],
    )
    def test_it_is_found_to_the_pixel(self, slide, x, y):
        noise = np.random.default_rng(0).integers(0, 12, (360, 640, 3), np.uint8)
        later = cv2.subtract(at(slide, x, y), noise)
        moved = shift_between(thumbnail(at(slide, 0, 0)), thumbnail(later), 640)
        assert moved.trusted
        assert (moved.x_px, moved.y_px) == pytest.approx((-x, -y), abs=0.7)

    @pytest.mark.parametrize(
        "later",
        [
            pytest.param(lambda s: at(s, 260, 160), id="too far"),
            pytest.param(lambda s: ground(640, 360), id="another picture"),
            pytest.param(lambda s: np.full((360, 640, 3), 90, np.uint8), id="nothing to see"),
            pytest.param(lambda s: np.ascontiguousarray(s[:300, :640]), id="another shape"),
        ],
    )
    def test_it_is_not_trusted(self, slide, later):
        assert not shift_between(thumbnail(at(slide, 0, 0)), thumbnail(later(slide)), 640).trusted

    def test_two_empty_pictures_have_not_moved(self):
        empty = thumbnail(np.full((360, 640, 3), 230, np.uint8))
        moved = shift_between(empty, empty, 640)
        assert (moved.x_px, moved.y_px, moved.trusted) == (0, 0, True)

    def test_it_survives_defocus(self, slide):
        blurred = cv2.GaussianBlur(at(slide, 20, 10), (0, 0), 4)
        moved = shift_between(thumbnail(at(slide, 0, 0)), thumbnail(blurred), 640)
        assert (moved.x_px, moved.y_px) == pytest.approx((-20, -10), abs=1.5)


class TestWatch:
    @pytest.mark.parametrize(
        ("spoil", "word"),
        [
            pytest.param(lambda f: f, "", id="fine"),
            pytest.param(lambda f: cv2.GaussianBlur(f, (0, 0), 2.4), "blurred", id="defocus"),
            pytest.param(lambda f: cv2.blur(f, (15, 1)), "blurred", id="motion"),
            pytest.param(lambda f: f // 5, "dark", id="lamp down"),
            pytest.param(lambda f: cv2.convertScaleAbs(f, alpha=1.5), "overexposed", id="lamp up"),
            pytest.param(lambda f: np.full_like(f, 200), "blurred", id="no picture"),
            pytest.param(lambda f: cv2.GaussianBlur(f, (0, 0), 0.5), "", id="a little soft"),
        ],
    )
    def test_objections(self, slide, spoil, word):
        watch = Watch()
        assert watch.objection(at(slide, 0, 0), 0.0) == ""
        found = watch.objection(spoil(at(slide, 100, 60)), 1.0)
        assert (found == "") if not word else (word in found)

    def test_a_softer_slide_is_accepted_after_a_while(self, slide):
        watch = Watch()
        watch.objection(at(slide, 0, 0), 0.0)
        soft = cv2.GaussianBlur(at(slide, 0, 0), (0, 0), 1.8)
        assert watch.objection(soft, 1.0)
        assert watch.objection(soft, 300.0) == ""

    def test_another_objective_sets_its_own_standard(self, slide):
        watch = Watch()
        watch.objection(at(slide, 0, 0), 0.0, 22.0)
        larger = cv2.resize(at(slide, 0, 0), None, fx=2.5, fy=2.5, interpolation=cv2.INTER_CUBIC)
        assert "blurred" in watch.objection(larger, 1.0, 22.0), "it has less fine detail"
        assert watch.objection(larger, 2.0, 55.0) == ""
        assert "blurred" in watch.objection(cv2.blur(larger, (25, 25)), 3.0, 55.0)

    def test_it_does_not_look_at_every_frame(self, slide):
        watch = Watch()
        watch.objection(at(slide, 0, 0), 0.0)
        assert watch.objection(at(slide, 0, 0) // 5, 0.05) == ""
        assert watch.objection(at(slide, 0, 0) // 5, 0.15)


@pytest.mark.parametrize(
    ("red_cell_px", "scale", "word"),
    [
        pytest.param(40, 0.5, "", id="as in training"),
        pytest.param(40, 1.0, "2.0 times as large", id="too large"),
        pytest.param(40, 0.2, "2.5 times as small", id="too small"),
        pytest.param(None, 1.0, "unknown", id="no red cell seen"),
    ],
)
def test_the_scale_must_suit_the_model(red_cell_px, scale, word):
    found = scale_objection(SPEC, red_cell_px, scale)
    assert (found == "") if not word else (word in found)
    # A model with a fixed input size has to accept every scale.
    assert scale_objection(replace(SPEC, fixed_input_px=(640, 640)), red_cell_px, scale) == ""


class TestMagnification:
    def test_it_measures_now_and_then_and_stays_calm(self, slide, monkeypatch):
        from allcell.stream import magnification

        calls = []

        def measured(frame):
            calls.append(frame)
            return magnification_estimate(sizes[min(len(calls), len(sizes)) - 1])

        monkeypatch.setattr(magnification, "estimate_red_cell", measured)
        sizes = [20.0, 21.0, 19.5, 20.5, 35.0, 20.0, 20.0]
        follow = Magnification()
        used = {follow.follow(at(slide, 0, 0), n / 30) for n in range(300)}
        assert used == {20.0}, "one wild measurement moves nothing"
        assert len(calls) < 12
        sizes = [40.0]
        follow.start_over()
        assert follow.follow(at(slide, 0, 0), 11.0) == 40.0

    def test_on_a_slide(self, slide):
        assert Magnification().follow(at(slide, 0, 0), 0.0) == pytest.approx(20, rel=0.15)

    def test_nothing_seen_is_none(self):
        assert Magnification().follow(np.full((360, 640, 3), 230, np.uint8), 0.0) is None


def magnification_estimate(diameter_px):
    from allcell.imaging.scale import RedCellEstimate

    return RedCellEstimate(diameter_px, 0.8)


@pytest.mark.parametrize(
    ("red_cell_px", "long_side_px", "expected"),
    [
        pytest.param(40.0, None, 40.0, id="as measured"),
        pytest.param(None, None, None, id="the model's default"),
        pytest.param(5.0, None, 20.0, id="tiny cells: never more than one tile"),
        pytest.param(40.0, 320, 80.0, id="the user's input"),
        pytest.param(40.0, 4000, 20.0, id="the user's input, but no tiles"),
    ],
)
def test_the_working_size(red_cell_px, long_side_px, expected):
    assert working_size_px(SPEC, 1280, 720, red_cell_px, long_side_px) == expected


def test_rates_slide():
    rate = Rate(window_s=5)
    assert rate.per_second(0) == 0
    for n in range(100):
        rate.add(n / 10)
    assert rate.per_second(9.9) == pytest.approx(10, rel=0.05)
    assert rate.per_second(12.4) == pytest.approx(5, rel=0.1)
    assert rate.per_second(60) == 0
    assert rate.total == 100


def test_durations_slide():
    durations = Durations(window_s=5)
    assert durations.milliseconds(0) is None
    for n in range(10):
        durations.add(n, 0.001 * n)
    assert durations.milliseconds(9).median == pytest.approx(6.5)
    assert durations.history_ms(3) == pytest.approx((7, 8, 9))
    assert durations.milliseconds(60) is None
