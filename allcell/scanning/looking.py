"""What comes into view of a slide is searched at once: newest view first, older work dropped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from allcell.analysis.finding import Wish, find
from allcell.cautions import Caution
from allcell.detections import Detections
from allcell.detector import MAX_IOU, Detector
from allcell.engines.base import RunInterrupted
from allcell.errors import AllcellError
from allcell.scanning.doubt import slide_cautions
from allcell.scanning.grid import Region, Regions
from allcell.scanning.regions import RegionAnswer, answer_of, read_window
from allcell.scanning.seen import SeenCells
from allcell.scanning.views import ScreenView, ViewProgress
from allcell.slides.fitness import EMPTY, FIT, judge_part
from allcell.slides.rulers import SlideRulers
from allcell.slides.slide import Slide
from allcell.synth.spec import RED_CELL_UM

log = logging.getLogger(__name__)

#: Cells are looked for from this share of the model's own scale on: its red cells of 20 pixels are
#: 10 wide on the screen then, and white cells can be told from each other by eye.
LEAST_SCALE = 0.5
#: Micrometres a pixel of a scanner with a lens of 40x: what is assumed if a slide does not say.
_USUAL_MPP = 0.25
#: What the network sees of a region, in its own pixels: smaller ones answer sooner, and of a view
#: that moved by a little only what is new has to be searched.
REGION_INPUT_PX = 640
_END_WITHIN_S = 5.0
#: The slide as a whole is judged when so many fit regions have been searched, and again then.
_JUDGED_AT = (1, 9)


class Looking:
    """The immediate view of one person on one slide with one model. Thread-safe.

    A thread of its own searches the regions of the newest view, those in its middle first. A region
    that is being searched when the view moves away is dropped; what was found is kept.

    Args:
        slide: The slide.
        detector: The model; shared with others, whose runs take turns with these.
        rulers: Size and colour of the slide's red cells, measured if nobody has.
        heard: Called, from any thread, whenever `progress` has changed.
    """

    def __init__(
        self,
        slide: Slide,
        detector: Detector,
        rulers: SlideRulers,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self.slide = slide
        self.detector = detector
        self.rulers = rulers
        self._heard = heard
        self._seen: SeenCells | None = None
        self._changed = threading.Condition()
        self._view: ScreenView | None = None
        self._wanted: list[Region] = []
        self._running: Region | None = None
        self._serial = 0
        self._error: AllcellError | None = None
        self._cautions: tuple[Caution, ...] = ()
        self._judged = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="slide view", daemon=True)
        self._thread.start()

    # --- asked from any thread ------------------------------------------------------------------

    def set_view(self, view: ScreenView) -> None:
        """Search this view from now on; one with a lower number than the last is passed over."""
        with self._changed:
            if self._closed or (self._view is not None and view.number <= self._view.number):
                return
            self._view = view
            # What went wrong may not go wrong elsewhere on the slide.
            self._error = None
            self._plan()
            gone = self._running is not None and self._running not in self._touched()
            self._tell()
        if gone:
            self.detector.interrupt(self._thread.ident)

    @property
    def view(self) -> ScreenView | None:
        """The newest view; None before the first."""
        with self._changed:
            return self._view

    @property
    def seen(self) -> SeenCells | None:
        """What was found so far; None until the red cells have been measured."""
        with self._changed:
            return self._seen

    @property
    def cautions(self) -> tuple[Caution, ...]:
        """What speaks against the slide, by what was searched of it; see `slide_cautions`."""
        with self._changed:
            return self._cautions

    @property
    def red_cell_px(self) -> float:
        """Diameter of the red cells in pixels of the slide: measured, or what is assumed."""
        usual = RED_CELL_UM / (self.slide.mpp or _USUAL_MPP)
        return self.rulers.red_cell_px or usual

    @property
    def least_scale(self) -> float:
        """Screen pixels per slide pixel from which on cells are looked for."""
        return LEAST_SCALE * self.detector.spec.red_cell_px / self.red_cell_px

    def progress(self) -> ViewProgress:
        """How far the search of the newest view is."""
        with self._changed:
            view, touched = self._view, self._touched()
            return ViewProgress(
                -1 if view is None else view.number,
                self._is_near(),
                self._seen is None,
                len(touched),
                len(self._left(touched)),
                len(self._to_judge()) > 0,
                self._serial,
                self._error,
            )

    def fitness_of_view(self) -> dict[str, int]:
        """How many regions of the newest view are fit for what, of those that were searched."""
        with self._changed:
            found: dict[str, int] = {}
            for region in self._touched():
                answer = self._seen.answer(region) if self._seen else None
                if answer is not None:
                    found[answer.fitness] = found.get(answer.fitness, 0) + 1
            return found

    def close(self) -> None:
        """End the work; the slide may be closed afterwards."""
        with self._changed:
            self._closed = True
            self._wanted = []
            self._tell()
        self.detector.interrupt(self._thread.ident)
        if threading.current_thread() is not self._thread:
            self._thread.join(_END_WITHIN_S)

    # --- with the lock ---------------------------------------------------------------------------

    def _is_near(self) -> bool:
        return self._view is not None and self._view.scale >= self.least_scale

    def _touched(self) -> Sequence[Region]:
        view = self._view
        if self._seen is None or view is None or not self._is_near():
            return ()
        return self._seen.regions.of_view(view.x, view.y, view.width, view.height)

    def _left(self, touched: Sequence[Region]) -> list[Region]:
        if self._seen is None:
            return []
        return [one for one in touched if not self._seen.has(one)]

    def _to_judge(self) -> list[Region]:
        """The regions by which the slide is to be judged now; empty if it need not be."""
        if self._seen is None or self._judged == len(_JUDGED_AT) or self._error or self._closed:
            return []
        fit = [answer.region for answer in self._seen.answers() if answer.fitness == FIT]
        return fit if len(fit) >= _JUDGED_AT[self._judged] else []

    def _plan(self) -> None:
        """What to search next is the last of the list: the middle of the view comes first."""
        left = [one for one in self._left(self._touched()) if one != self._running]
        self._wanted = left[::-1]

    def _tell(self) -> None:
        self._serial += 1
        self._changed.notify_all()
        self._heard()

    # --- the working thread ----------------------------------------------------------------------

    def _work(self) -> None:
        with self._changed:
            while self._view is None and not self._closed:
                self._changed.wait()
        try:
            self._measure()
            while (region := self._next()) is not None:
                self._search(region)
        # A thread that ends without a word would look like an empty view.
        except Exception as error:
            log.exception("The view of a slide cannot be searched.")
            self._fail(
                AllcellError(f"The search ended: {type(error).__name__}.", "Open the slide again.")
            )

    def _measure(self) -> None:
        if self._closed:
            return
        try:
            self.rulers.measure(self.slide)
        except AllcellError as error:
            self._fail(error)
        regions = Regions.of(self.slide, self.red_cell_px, self.detector.spec, REGION_INPUT_PX)
        with self._changed:
            self._seen = SeenCells(regions)
            self._plan()
            self._tell()

    def _next(self) -> Region | None:
        with self._changed:
            self._running = None
        if not self._wanted:
            # Nothing waits for it.
            self._judge()
        with self._changed:
            while not self._wanted and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            self._running = self._wanted.pop()
            return self._running

    def _judge(self) -> None:
        with self._changed:
            seen, fit = self._seen, self._to_judge()
        if seen is None or not fit:
            return
        known = self.detector.spec.laboratory

        def stop() -> bool:  # a view that waits comes first
            return bool(self._wanted) or self._closed

        found = slide_cautions(self.slide, seen.regions, self.rulers, fit, known, stop)
        with self._changed:
            if stop():
                return
            self._judged = sum(len(fit) >= number for number in _JUDGED_AT)
            self._cautions = found
            self._tell()

    def _search(self, region: Region) -> None:
        seen = self.seen
        if seen is None:
            return
        try:
            answer = self._answer(seen.regions, region)
        except RunInterrupted:
            with self._changed:
                # The view may be back already, or this thread was one region further.
                self._running = None
                self._plan()
            return
        except AllcellError as error:
            self._fail(error)
            return
        with self._changed:
            seen.add(answer)
            self._tell()

    def _answer(self, regions: Regions, region: Region) -> RegionAnswer:
        window = read_window(self.slide, regions, region, self.rulers)
        fitness = judge_part(window.image, regions.red_cell_in_level_px, self.rulers)
        if fitness == EMPTY:
            return RegionAnswer(region, Detections.empty(), fitness=fitness)
        # Which of them are shown can then be changed without another run.
        floor = self.detector.floor_confidence
        found = find(self.detector, window, Wish(floor, MAX_IOU))
        return answer_of(regions, region, found, confidence=floor, fitness=fitness)

    def _fail(self, error: AllcellError) -> None:
        with self._changed:
            self._error = error
            self._wanted = []
            self._tell()
