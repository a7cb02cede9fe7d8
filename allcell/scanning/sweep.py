"""A slide from end to end: region after region, as fast as the engine goes.

What is read, measured and run at once is decided where many pictures are (`analysis.finding`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from allcell.analysis.finding import ImageDetector, Seen, Wish, find_many
from allcell.detections import Detections
from allcell.detector import MAX_IOU
from allcell.errors import AllcellError, SlideError
from allcell.formats.pixels import RGBImage
from allcell.scanning.grid import Region, Regions
from allcell.scanning.regions import RegionAnswer, Rulers, answer_of, read_window
from allcell.scanning.seen import SeenCells
from allcell.slides.fitness import BLURRED, EMPTY, FIT, judge_part
from allcell.slides.rulers import SlideRulers
from allcell.slides.slide import Slide

#: What is swept: parts that are fit for counting, or all where there is anything.
Where = Literal["monolayer", "everything"]
#: Regions in a row that cannot be read: then it is the slide that is gone.
_GIVES_UP_AFTER = 5
_GOLDEN = (math.sqrt(5) - 1) / 2
#: Rows of regions that are swept together: with three, few of the slide's own tiles are decoded
#: twice, and those that neighbours share stay in memory meanwhile.
_ROWS_TOGETHER = 3
#: Side, in red cells, of what is judged of a region.
_MIDDLE_RED_CELLS = 12.0


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """What a sweep looks at.

    Attributes:
        searched: Regions that the model sees, in order.
        empty: Regions where there is nothing, which it need not see.
        left_out: Regions that are not to be counted.
    """

    searched: tuple[Region, ...]
    empty: tuple[Region, ...]
    left_out: tuple[Region, ...]


def plan_sweep(
    regions: Regions,
    fitness: Callable[[Region], str],
    where: Where = "monolayer",
    target: int | None = None,
) -> SweepPlan:
    """Choose the regions of a sweep and their order.

    With a target they come from all over the slide, as the cells of a manual count should: blasts
    lie unevenly. Without one they follow each other as they lie.

    Args:
        regions: Those of the slide.
        fitness: What a region is, as of `allcell.slides.fitness`.
        where: What is swept.
        target: White cells after which it ends; None for all regions.
    """
    said = [(one, fitness(one)) for one in regions.all()]
    empty = tuple(one for one, what in said if what == EMPTY)
    wanted = [one for one, what in said if what == FIT or (where == "everything" and what != EMPTY)]
    chosen = set(wanted)
    left_out = tuple(one for one, what in said if what != EMPTY and one not in chosen)
    order = in_bands(wanted) if target is None else spread(wanted)
    return SweepPlan(tuple(order), empty, left_out)


def in_bands(regions: Iterable[Region]) -> list[Region]:
    """The same regions, a few rows at a time, there and back.

    Args:
        regions: In any order.
    """

    def place(one: Region) -> tuple[int, int, int]:
        band = one.row // _ROWS_TOGETHER
        across = one.column if band % 2 == 0 else -one.column
        return band, across, one.row if one.column % 2 == 0 else -one.row

    return sorted(regions, key=place)


def spread(regions: Sequence[Region]) -> list[Region]:
    """The same regions in an order whose beginning covers all of them evenly."""
    # Multiples of the golden ratio fill the circle as evenly as any sequence (Kronecker).
    order = sorted(range(len(regions)), key=lambda i: (i * _GOLDEN) % 1)
    places = sorted(range(len(regions)), key=lambda i: order[i])
    return [regions[i] for i in places]


@dataclass(frozen=True)
class Failed:
    """A region that could not be searched.

    Attributes:
        region: Which.
        error: Why.
    """

    region: Region
    error: AllcellError


def sweep(
    detector: ImageDetector,
    slide: Slide,
    regions: Regions,
    rulers: Rulers,
    todo: Iterable[Region],
    *,
    unfit: Callable[[Seen], str] = lambda _: "",
    confidence: float | None = None,
    own_streams: bool = True,
) -> Generator[RegionAnswer | Failed, None, None]:
    """Search regions, read ahead in threads; answers come in order.

    Closing the iterator ends the work; what runs is waited for.

    Args:
        detector: The model.
        slide: The slide.
        regions: Its regions.
        rulers: What colour its red cells have.
        todo: The regions to search.
        unfit: Why a region that was read need not be searched, as of `allcell.slides.fitness`;
            empty if it is to be (see `unfit_for`).
        confidence: Lowest confidence of a cell; the model's operating threshold if None.
        own_streams: Whether the network may be opened once for each core.

    Yields:
        What was found in a region, or why nothing could be.

    Raises:
        SlideError: If several regions in a row cannot be read.
    """
    width, height = regions.window_px

    def see(region: Region) -> Seen:
        seen = read_window(slide, regions, region, rulers)
        if why := unfit(seen):
            raise _UnfitError(why)
        return seen

    found = find_many(
        detector,
        todo,
        see,
        Wish(detector.spec.confidence if confidence is None else confidence, MAX_IOU),
        pixels=lambda _: float(width * height),
        own_streams=own_streams,
    )
    in_a_row = 0
    with closing(found):
        for region, answer in found:
            if isinstance(answer, _UnfitError):
                in_a_row = 0
                yield nothing_in(region, answer.message)
                continue
            if isinstance(answer, AllcellError):
                in_a_row += 1
                if in_a_row >= _GIVES_UP_AFTER or not isinstance(answer, SlideError):
                    raise answer
                yield Failed(region, answer)
                continue
            in_a_row = 0
            yield answer_of(regions, region, answer[1], confidence=confidence)


class _UnfitError(AllcellError):
    """A region that need not be searched; its message is what the region is."""


def unfit_for(where: Where, rulers: SlideRulers) -> Callable[[Seen], str]:
    """What says of a region that was read why it need not be searched (see `sweep`).

    Args:
        where: What is swept.
        rulers: Colour of the slide's glass and red cells.
    """

    def why(seen: Seen) -> str:
        red_cell_px = seen.scale.red_cell_px or 1.0
        said = judge_part(_middle(seen.image, red_cell_px), red_cell_px, rulers)
        if said == EMPTY:
            # All of it, as what lies beside the middle may be cells.
            said = judge_part(seen.image, red_cell_px, rulers)
        # What is thick or thin was told on the whole slide.
        return said if said == EMPTY or (said == BLURRED and where == "monolayer") else ""

    return why


def _middle(image: RGBImage, red_cell_px: float) -> RGBImage:
    """The middle of a picture, which is enough to tell whether it is blurred."""
    side = round(_MIDDLE_RED_CELLS * red_cell_px)
    top, left = (max(0, (length - side) // 2) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def nothing_in(region: Region, fitness: str = EMPTY) -> RegionAnswer:
    """The answer on a region that was not searched, and why not."""
    return RegionAnswer(region, Detections.empty(), fitness=fitness)


def until_target(
    answers: Iterable[RegionAnswer | Failed], seen: SeenCells, target: int | None
) -> Iterator[RegionAnswer | Failed]:
    """Pass answers on, adding them to what was seen, until there are as many white cells as wanted.

    Args:
        answers: See `sweep`.
        seen: Gets them.
        target: White cells; None for all answers.
    """
    if target is not None and white_cells(seen) >= target:
        return
    for answer in answers:
        if isinstance(answer, RegionAnswer):
            seen.add(answer)
        yield answer
        if target is not None and white_cells(seen) >= target:
            return


def white_cells(seen: SeenCells) -> int:
    """Blasts and other white cells that were seen so far, without smudges."""
    return seen.counts_of(seen.cells()).white_cells or 0
