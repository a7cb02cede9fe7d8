"""A slide that a session has open: whose answers it gives, and its end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from allcell.detector import Detector
from allcell.errors import SlideError
from allcell.models.registry import get_spec
from allcell.slides.arrays import ArraySlide
from allcell.ui.sessions import budget
from allcell.ui.slides.desk import SlideDesk
from allcell.ui.slides.opened import OpenedSlide
from allcell.ui.tiles.shown import SHOWN, AskedView

SPEC = get_spec("live")
LOOK = AskedView(1, 0, 0, 400, 300, 0.01, -1, 0.5)


class Blind:
    """A network that sees nothing."""

    description = "blind engine"

    def run(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return np.zeros((4 + len(SPEC.classes), 1), np.float32)


@pytest.fixture
def slide() -> ArraySlide:
    """Empty glass."""
    return ArraySlide([np.full((600, 1500, 3), 240, np.uint8)], "glass", 0.25)


@pytest.fixture
def opened(slide: ArraySlide) -> Iterator[OpenedSlide]:
    """The slide, open."""
    found = OpenedSlide(slide, "glass")
    yield found
    found.close()


PLACES = [
    pytest.param((0, 0, 0), True, id="the first"),
    pytest.param((0, 2, 1), True, id="the last, which is cut"),
    pytest.param((0, 3, 0), False, id="beyond the right edge"),
    pytest.param((0, 0, 2), False, id="below the lower edge"),
    pytest.param((2, 0, 0), True, id="the coarsest level"),
    pytest.param((3, 0, 0), False, id="a level too coarse"),
    pytest.param((200_000, 0, 0), False, id="a level of an astronomer"),
]


@pytest.mark.parametrize(("place", "there"), PLACES)
def test_tiles_lie_on_the_slide(
    opened: OpenedSlide, place: tuple[int, int, int], there: bool
) -> None:
    """Those that do not are no tiles, whatever number is asked for."""
    if there:
        assert opened.tile(*place)[5:7] == b"\xff\xd8"
    else:
        with pytest.raises(LookupError):
            opened.tile(*place)


def test_another_models_answer_is_not_given(opened: OpenedSlide) -> None:
    """The page has changed the model, which is still being loaded."""
    opened.expect("live")
    assert opened.answer(LOOK) is None
    opened.look_with(Detector(SPEC, Blind()))
    assert opened.answer(LOOK) is not None
    opened.expect("other")
    assert opened.answer(LOOK) is None
    opened.look_with(Detector(replace(SPEC, name="other"), Blind()))
    assert opened.answer(LOOK) is not None


def test_the_same_model_opened_again_goes_on(opened: OpenedSlide) -> None:
    """Models that were not used for a while are let go of; what was seen of a slide is not."""
    opened.look_with(Detector(SPEC, Blind()))
    before = opened.looking
    opened.look_with(Detector(SPEC, Blind()))
    assert opened.looking is before


def test_the_view_is_sent_where_cells_can_be_told(opened: OpenedSlide) -> None:
    """From far out it zooms; once near it keeps its zoom."""
    opened.expect("live")
    opened.look_with(Detector(SPEC, Blind()))
    looking = opened.looking
    assert looking is not None
    opened.look(LOOK)
    opened.go_to(700, 300)
    assert opened.place is not None
    assert opened.place.scale is not None
    assert opened.place.scale > looking.least_scale
    opened.look(replace(LOOK, number=2, scale=2.0))
    opened.go_to(100, 100)
    assert (opened.place.number, opened.place.scale) == (2, None)


def test_a_session_that_ends_closes_its_slide(slide: ArraySlide) -> None:
    """Though Streamlit drops the session's state, and the desk in it, before."""
    before = len(SHOWN)
    desk = SlideDesk()
    desk.open(OpenedSlide(slide, "glass"))
    assert len(SHOWN) == before + 1
    del desk
    gc.collect()
    budget.ledger().leave(budget.session_id())
    assert len(SHOWN) == before
    with pytest.raises(SlideError, match="closed"):
        slide.read(0, 0, 10, 10)
