"""Pictures -> boxes: their rulers, then one run of a detector each, many of them ahead.

On a CPU each core takes a picture of its own from its file to its boxes: that is faster than all
cores on one picture, most of whose way keeps one core busy. A card gets batches of pictures that
threads have read and measured meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from queue import SimpleQueue
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from allcell.ahead import in_order, worker_count
from allcell.cautions import Caution
from allcell.detections import Detections
from allcell.detector import MAX_IOU, Detector, Timing
from allcell.engines.base import BatchEngine, StreamEngine
from allcell.errors import AllcellError
from allcell.imaging.preprocess import PADDING, stain_for
from allcell.imaging.rim import Rim, find_rim
from allcell.imaging.scale import Scale, resolve_scale
from allcell.imaging.stain import StainRuler
from allcell.models.registry import ModelSpec

Item = TypeVar("Item")

#: Pixels that are read ahead, those of the picture in hand included: 12 photographs of 5
#: megapixels, 190 MB. A larger picture is read alone.
AHEAD_PX = 64e6
#: Pictures a core from which on opening the network once more is worth its time.
_MANY_A_CORE = 3
#: Pictures that a card gets at once: most pixels, and most of them.
_CARD_PX, _CARD_PICTURES = 64e6, 64


class ImageDetector(Protocol):
    """What `allcell.detector.Detector` and the test stubs have in common."""

    spec: ModelSpec

    def detect(
        self,
        image: npt.NDArray[np.uint8],
        *,
        red_cell_px: float | None = None,
        confidence: float | None = None,
        iou: float | None = None,
        every_class: bool = False,
        stain: StainRuler | None = None,
    ) -> tuple[Detections, Timing]:
        """Boxes in an RGB uint8 image (H, W, 3); see `allcell.detector.Detector.detect`."""
        ...


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture with what is known of it before a network has seen it.

    Attributes:
        image: RGB uint8 (H, W, 3).
        scale: How large its red cells are.
        stain: Their colour, as far as the model wants to know it; None if it was not measured.
        about: What speaks against any answer.
    """

    image: npt.NDArray[np.uint8]
    scale: Scale
    stain: StainRuler | None = None
    about: tuple[Caution, ...] = ()

    @cached_property
    def rim(self) -> Rim | None:
        """Its dark border, if it has one with a field in it."""
        found = find_rim(self.image)
        return found if found is not None and found.within else None

    @property
    def to_search(self) -> npt.NDArray[np.uint8]:
        """What a network gets to see, RGB uint8 (H, W, 3)."""
        # Next to a black border it took healthy cells for blasts in 4 of 8 rendered fields; next
        # to padding, which it knows, in none.
        return self.image if self.rim is None else self.rim.painted(self.image, PADDING)

    def in_field(self, candidates: Detections) -> Detections:
        """Without the boxes that lie on the rim, where no cell can be."""
        rim = self.rim
        return candidates[~rim.on_it(candidates.xyxy, self.image.shape[:2])] if rim else candidates

    @classmethod
    def of(
        cls,
        spec: ModelSpec,
        image: npt.NDArray[np.uint8],
        scale: Scale | None = None,
    ) -> Seen:
        """Measure the size and colour of a picture's red cells.

        Args:
            spec: The model that it is for.
            image: RGB uint8 (H, W, 3).
            scale: How large its red cells are; measured if None.
        """
        if scale is None:
            scale = resolve_scale(image)
        return cls(image, scale, stain_for(spec, image, scale.red_cell_px))


@dataclass(frozen=True)
class Wish:
    """What is looked for in many pictures; see `allcell.detector.Detector.detect`.

    Attributes:
        confidence: Lowest confidence (0 to 1) of a candidate; the detector's floor if None.
        iou: Overlap (0 to 1) above which two boxes are one cell.
        every_class: Whether a box counts for each class that reaches the confidence.
    """

    confidence: float | None = None
    iou: float = MAX_IOU
    every_class: bool = False


@dataclass(frozen=True, eq=False)
class Found:
    """What one run of a detector found in an image.

    Attributes:
        candidates: Its boxes, in pixels of the image.
        scale: The red-cell size used, and where it came from.
        timing: Where the time went.
        stain: The colour of the red cells; None if it was not measured.
    """

    candidates: Detections
    scale: Scale
    timing: Timing
    stain: StainRuler | None = None


def find(detector: ImageDetector, seen: Seen, wish: Wish | None = None) -> Found:
    """Run a detector once.

    Args:
        detector: The model.
        seen: The picture.
        wish: What is looked for.

    Raises:
        ModelError: If the network fails.
    """
    wish = wish or Wish()
    candidates, timing = detector.detect(
        seen.to_search,
        red_cell_px=seen.scale.red_cell_px,
        confidence=wish.confidence,
        iou=wish.iou,
        every_class=wish.every_class,
        stain=seen.stain,
    )
    return Found(seen.in_field(candidates), seen.scale, timing, seen.stain)


def find_many(
    detector: ImageDetector,
    items: Iterable[Item],
    see: Callable[[Item], Seen],
    wish: Wish | None = None,
    *,
    pixels: Callable[[Item], float] = lambda _: 0.0,
    own_streams: bool = True,
) -> Generator[tuple[Item, tuple[Seen, Found] | AllcellError], None, None]:
    """Find the cells of many pictures; each is answered or has its error, in order.

    Args:
        detector: The model.
        items: What stands for the pictures, such as their paths.
        see: Reads and measures a picture; called in threads.
        wish: What is looked for.
        pixels: How many a picture has; called in this thread before it is read.
        own_streams: Whether a CPU may run the network once on each core, for which it is opened
            again; otherwise runs of it take turns.

    Yields:
        An item with its picture and what was found in it, or with the error that spoilt it.

    Raises:
        RunInterrupted: If it was interrupted, and the network runs in this thread.
    """
    wish = wish or Wish()
    workers = worker_count()
    coming = iter(items)
    first = list(islice(coming, _MANY_A_CORE * workers))
    # Two threads for one picture, or another copy of the network for three, would take longer.
    own_streams = own_streams and workers > 1 and len(first) == _MANY_A_CORE * workers
    workers = min(workers, len(first))
    items = chain(first, coming)
    streams = _streams(detector, workers) if own_streams else []
    if not streams:
        seen = in_order(items, see, workers=workers, cost=pixels, most=AHEAD_PX)
        with closing(seen):
            if isinstance(detector, Detector) and isinstance(detector.engine, BatchEngine):
                yield from _in_batches(detector, seen, wish)
            else:
                for item, picture in seen:
                    yield item, _found(detector, picture, wish)
        return
    free: SimpleQueue[Detector] = SimpleQueue()
    for stream in streams:
        free.put(stream)

    def whole_way(item: Item) -> tuple[Seen, Found]:
        picture = see(item)
        stream = free.get()
        try:
            return picture, find(stream, picture, wish)
        finally:
            free.put(stream)

    def give_up() -> None:
        for stream in streams:
            stream.interrupt()

    yield from in_order(
        items, whole_way, workers=len(streams), cost=pixels, most=AHEAD_PX, give_up=give_up
    )


def _streams(detector: ImageDetector, number: int) -> list[Detector]:
    """The same detector once for each core; none if its engine runs once at a time."""
    if not isinstance(detector, Detector) or not isinstance(detector.engine, StreamEngine):
        return []
    floor = detector.floor_confidence
    return [
        Detector(detector.spec, engine, floor_confidence=floor)
        for engine in detector.engine.streams(number)
    ]


def _found(
    detector: ImageDetector, picture: Seen | AllcellError, wish: Wish
) -> tuple[Seen, Found] | AllcellError:
    if isinstance(picture, AllcellError):
        return picture
    try:
        return picture, find(detector, picture, wish)
    except AllcellError as error:
        return error


def _in_batches(
    detector: Detector, pictures: Iterable[tuple[Item, Seen | AllcellError]], wish: Wish
) -> Generator[tuple[Item, tuple[Seen, Found] | AllcellError], None, None]:
    group: list[tuple[Item, Seen | AllcellError]] = []
    held_px = 0.0
    for item, picture in pictures:
        group.append((item, picture))
        if isinstance(picture, Seen):
            held_px += picture.image.shape[0] * picture.image.shape[1]
        if held_px >= _CARD_PX or len(group) >= _CARD_PICTURES:
            yield from _batch(detector, group, wish)
            group, held_px = [], 0.0
    yield from _batch(detector, group, wish)


def _batch(
    detector: Detector, group: Sequence[tuple[Item, Seen | AllcellError]], wish: Wish
) -> Generator[tuple[Item, tuple[Seen, Found] | AllcellError], None, None]:
    seen = [picture for _, picture in group if isinstance(picture, Seen)]
    try:
        answers = iter(
            detector.detect_many(
                [picture.to_search for picture in seen],
                red_cell_px=[picture.scale.red_cell_px for picture in seen],
                confidence=wish.confidence,
                iou=wish.iou,
                every_class=wish.every_class,
                stain=[picture.stain for picture in seen],
            )
        )
    except AllcellError:
        # One picture may be what it failed on: the others have their answers all the same.
        for item, picture in group:
            yield item, _found(detector, picture, wish)
        return
    for item, picture in group:
        if isinstance(picture, AllcellError):
            yield item, picture
        else:
            candidates, timing = next(answers)
            candidates = picture.in_field(candidates)
            yield item, (picture, Found(candidates, picture.scale, timing, picture.stain))
