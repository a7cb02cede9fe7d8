"""What was found of a slide so far, region by region, each cell once."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from allcell.boxes import suppress
from allcell.counts import Counts
from allcell.detections import Detections
from allcell.models.registry import CLASSES
from allcell.scanning.regions import Region, RegionAnswer, Regions

_Place = tuple[int, int]


@dataclass(frozen=True)
class SeenCount:
    """Cells of a part of a slide, and how much of it was seen.

    Attributes:
        counts: Cells by class, with the proportion of blasts and its interval.
        regions: Regions that were seen.
        of: Regions that there are.
    """

    counts: Counts
    regions: int
    of: int


class SeenCells:
    """The cells that were found so far. Safe to share between threads.

    Two neighbours may see a cell on their seam a little apart: both take it for theirs, or each for
    the other's. So what was seen beside a core is kept, and counts as soon as the region that it
    lies in has been seen; of boxes on one cell the most confident stays, as between the tiles of a
    picture. What comes out does not depend on the order of the regions.

    Args:
        regions: The regions of the slide, which also say for which model.
        iou: Overlap above which two boxes are one cell; the model's if None.
    """

    def __init__(self, regions: Regions, iou: float | None = None) -> None:
        self.regions = regions
        self._iou = regions.spec.iou if iou is None else iou
        self._lock = threading.RLock()
        self._answers: dict[_Place, RegionAnswer] = {}
        self._cells: dict[_Place, Detections] = {}
        self._all: Detections | None = None

    def add(self, answer: RegionAnswer) -> None:
        """Keep the answer on a region; a newer one replaces it."""
        with self._lock:
            self._answers[_place(answer.region)] = answer
            for one in (answer.region, *self.regions.around(answer.region)):
                self._cells.pop(_place(one), None)
            self._all = None

    def has(self, region: Region) -> bool:
        """Whether a region has been seen."""
        with self._lock:
            return _place(region) in self._answers

    def answer(self, region: Region) -> RegionAnswer | None:
        """What was found in a region, as it was added; None if it has not been seen."""
        with self._lock:
            return self._answers.get(_place(region))

    def answers(self) -> tuple[RegionAnswer, ...]:
        """All that was added, in order."""
        with self._lock:
            return tuple(self._answers.values())

    def __len__(self) -> int:
        with self._lock:
            return len(self._answers)

    def of_region(self, region: Region) -> Detections:
        """The cells whose centre lies in a region's core, each once, best first; none if unseen."""
        with self._lock:
            known = self._cells.get(_place(region))
            if known is None:
                known = self._cells[_place(region)] = self._settled(region)
            return known

    def cells(self) -> Detections:
        """All cells so far, in pixels of level 0."""
        with self._lock:
            if self._all is None:
                regions = [answer.region for answer in self._answers.values()]
                self._all = Detections.concatenate(self.of_region(one) for one in regions)
            return self._all

    def of_view(self, x: float, y: float, width: float, height: float) -> Detections:
        """The cells that a view shows, those that its edge cuts included.

        Args:
            x: Left edge of the view, in pixels of level 0.
            y: Its top edge.
            width: Its width.
            height: Its height.
        """
        margin = self.regions.margin_px
        around = self.regions.of_view(
            x - margin, y - margin, width + 2 * margin, height + 2 * margin
        )
        with self._lock:
            found = Detections.concatenate(self.of_region(one) for one in around)
        x1, y1, x2, y2 = found.xyxy.T
        return found[(x1 < x + width) & (x2 > x) & (y1 < y + height) & (y2 > y)]

    def count(self, regions: Iterable[Region] | None = None) -> SeenCount:
        """Cells with their intervals, of all that was seen or of some regions.

        Args:
            regions: Only these; all if None.
        """
        with self._lock:
            of = self.regions.all() if regions is None else tuple(regions)
            seen = [one for one in of if _place(one) in self._answers]
            cells = Detections.concatenate(self.of_region(one) for one in seen)
        return SeenCount(self.counts_of(cells), len(seen), len(of))

    def counts_of(self, cells: Detections) -> Counts:
        """Cells by class, as far as the model's classes are in the table."""
        names = self.regions.spec.classes
        numbers = np.bincount(cells.class_id, minlength=len(names))
        return Counts({n: int(k) for n, k in zip(names, numbers, strict=True) if n in CLASSES})

    def _settled(self, region: Region) -> Detections:
        if _place(region) not in self._answers:
            return Detections.empty()
        near = [self._claimed(one) for one in self.regions.around(region)]
        kept = suppress(Detections.concatenate([self._claimed(region), *near]), self._iou)
        return kept[region.holds(kept.xyxy)]

    def _claimed(self, region: Region) -> Detections:
        """What a region or a neighbour of it saw in its core."""
        answer = self._answers.get(_place(region))
        if answer is None:
            return Detections.empty()
        beside = (self._answers.get(_place(one)) for one in self.regions.around(region))
        from_others = (one.beside for one in beside if one is not None)
        claimed = [cells[region.holds(cells.xyxy)] for cells in from_others]
        return Detections.concatenate([answer.cells, *claimed])


def _place(region: Region) -> _Place:
    return region.column, region.row
