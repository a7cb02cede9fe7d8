"""The immediate view: newest first, older work dropped, what was seen kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest

from allcell.detector import Detector
from allcell.engines.base import RunInterrupted
from allcell.errors import ModelError
from allcell.models.registry import get_spec
from allcell.scanning.looking import Looking
from allcell.scanning.views import ScreenView
from allcell.slides.arrays import ArraySlide
from allcell.slides.rulers import SlideRulers

pytestmark = pytest.mark.slow

SIDE_PX = 6000
SPEC = get_spec("live")


class Held:
    """A network that finds nothing, waits when told to, and can be interrupted."""

    description = "held engine"

    def __init__(self) -> None:
        self.runs = 0
        self.go = threading.Event()
        self.go.set()
        self.begun = threading.Event()
        self.stop = threading.Event()
        self.fails = False

    def run(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.begun.set()
        while not self.go.wait(0.005):
            if self.stop.is_set():
                self.stop.clear()
                raise RunInterrupted
        if self.fails:
            raise ModelError("It fails.", "Take another.")
        self.runs += 1
        return np.zeros((4 + len(SPEC.classes), 1), np.float32)

    def interrupt(self) -> None:
        self.stop.set()


class Rulers(SlideRulers):
    """Known at once."""

    @property
    def red_cell_px(self) -> float:
        return 30.0

    def measure(self, slide: object) -> None:
        pass


@pytest.fixture(scope="module")
def slide() -> ArraySlide:
    """A slide of grain, which is neither empty nor a smear."""
    rng = np.random.default_rng(0)
    grain = rng.integers(60, 220, (SIDE_PX // 8, SIDE_PX // 8, 3), np.uint8)
    return ArraySlide([np.kron(grain, np.ones((8, 8, 1), np.uint8))], "grain", 0.25)


@pytest.fixture
def engine() -> Held:
    """The network behind it."""
    return Held()


@pytest.fixture
def looking(slide: ArraySlide, engine: Held) -> Iterator[Looking]:
    """A view of the slide."""
    found = Looking(slide, Detector(SPEC, engine), Rulers())
    yield found
    engine.go.set()
    found.close()


def view(
    number: int, x: float, y: float = 0.0, scale: float = 0.6, side: float = 700.0
) -> ScreenView:
    """A square of the slide on the screen."""
    return ScreenView(number, x, y, side, side, scale)


def until(true: Callable[[], object]) -> None:
    """Wait until something is so, or fail."""
    end_s = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.005)


def done(looking: Looking, number: int) -> bool:
    """Whether all of a view was searched."""
    now = looking.progress()
    return now.number == number and not now.measuring and now.left == 0


def test_a_view_is_searched_and_kept(looking: Looking, engine: Held) -> None:
    """A second look at the same place needs no run of the network."""
    looking.set_view(view(1, 500))
    until(lambda: done(looking, 1))
    runs = engine.runs
    assert runs == looking.progress().regions > 0
    looking.set_view(view(2, 4000))
    until(lambda: done(looking, 2))
    looking.set_view(view(3, 500))
    until(lambda: done(looking, 3))
    assert engine.runs == runs + len(set(_touched(looking, 4000)) - set(_touched(looking, 500)))


def _touched(looking: Looking, x: float) -> list[tuple[int, int]]:
    assert looking.seen is not None
    return [(r.column, r.row) for r in looking.seen.regions.of_view(x, 0, 700, 700)]


def test_older_work_is_dropped(looking: Looking, engine: Held) -> None:
    """What runs for a view that was left is interrupted; nothing else of it is searched."""
    engine.go.clear()
    looking.set_view(view(1, 0, side=2500))
    until(engine.begun.is_set)
    engine.begun.clear()
    looking.set_view(view(2, 4500, 4500))
    until(engine.begun.is_set)
    engine.go.set()
    until(lambda: done(looking, 2))
    time.sleep(0.05)
    assert engine.runs == looking.progress().regions
    assert looking.seen is not None
    assert all(a.region.x > 3000 for a in looking.seen.answers())


def test_a_view_that_comes_late_is_passed_over(looking: Looking) -> None:
    """Requests may overtake each other on their way."""
    looking.set_view(view(5, 4000))
    looking.set_view(view(4, 0))
    newest = looking.view
    assert newest is not None
    assert newest.number == 5


def test_the_middle_of_a_view_comes_first(looking: Looking) -> None:
    """That is where people look."""
    looking.set_view(view(1, 0, side=4000))
    until(lambda: looking.seen is not None and len(looking.seen))
    assert looking.seen is not None
    first = looking.seen.answers()[0].region
    assert first.x <= 2000 <= first.x + first.width
    assert first.y <= 2000 <= first.y + first.height


def test_far_out_nothing_is_searched(looking: Looking, engine: Held) -> None:
    """Cells that cannot be told from each other are not looked for."""
    looking.set_view(view(1, 0, scale=0.99 * looking.least_scale, side=SIDE_PX))
    until(lambda: not looking.progress().measuring)
    now = looking.progress()
    assert (now.near, now.regions, now.left, engine.runs) == (False, 0, 0, 0)


def test_a_failure_is_told_and_the_next_view_tries_again(looking: Looking, engine: Held) -> None:
    """One part that cannot be read is not the end of the slide."""
    engine.fails = True
    looking.set_view(view(1, 0))
    until(lambda: looking.progress().error is not None)
    engine.fails = False
    looking.set_view(view(2, 4000))
    until(lambda: done(looking, 2))
    assert looking.progress().error is None


def test_empty_glass_needs_no_network(engine: Held) -> None:
    """It is told from the picture, and said to be empty."""
    glass = ArraySlide([np.full((3000, 3000, 3), 240, np.uint8)], "glass", 0.25)
    empty = Looking(glass, Detector(SPEC, engine), Rulers())
    empty.set_view(view(1, 500))
    until(lambda: done(empty, 1))
    assert set(empty.fitness_of_view()) == {"empty"}
    assert engine.runs == 0
    empty.close()


def test_closing_ends_the_work_at_once(looking: Looking, engine: Held) -> None:
    """The session is over: the run under way is interrupted, and no view is taken."""
    engine.go.clear()
    looking.set_view(view(1, 0))
    until(engine.begun.is_set)
    begun_s = time.monotonic()
    looking.close()
    assert time.monotonic() - begun_s < 2
    looking.set_view(view(2, 4000))
    assert looking.progress().number == 1
    assert engine.runs == 0
