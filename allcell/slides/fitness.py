"""Where a slide is fit for counting cells, as a map: empty, thick, thin, blurred."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.formats.pixels import RGBImage
from allcell.imaging.familiarity.findings import BLURRED as LEAST_SHARPNESS
from allcell.imaging.familiarity.traits import shape_copy
from allcell.imaging.quality import sharpness
from allcell.imaging.stain import REFERENCE_DENSITY
from allcell.slides.overview import glass_colour, green_density
from allcell.slides.reading import read_scaled, thumbnail
from allcell.slides.rulers import SlideRulers
from allcell.slides.slide import Slide

FIT, EMPTY, THICK = "fit", "empty", "thick"
FEATHERED, BLURRED = "feathered edge", "blurred"
#: What there may be, by its number in a map.
NAMES = (FIT, EMPTY, THICK, FEATHERED, BLURRED)

#: Share of the area that is stained, below which it is empty, below which red cells lie as thinly
#: as at the feathered edge, and above which they lie on each other. Of 18 training fields each of
#: five laboratories, those of ALL-IDB1, BCCD, PBC and Taleqani have 0.25 to 0.64; of Chula's, one
#: in ten is below 0.1.
_EMPTY_BELOW, _FEATHERED_BELOW, _THICK_FROM = 0.005, 0.10, 0.68
#: A pixel is stained from this part of the density of a red cell, and two cells lie on each other
#: from that many times it.
_STAINED, _PILED = 0.5, 1.5
#: Where so much of what is stained is piled, and so much stained, it is thick, too: in fields full
#: of nuclei up to 0.3 is as dense.
_MOST_PILED, _PILED_FROM = 0.42, 0.5
#: Diameter of a red cell where the area is measured, in pixels: at least and at most.
_LEAST_CELL_PX, _MOST_CELL_PX = 3.0, 5.0
#: Side of a square of the map in red cells, and squares along a side at most.
_SQUARE_CELLS, _MOST_SQUARES = 32.0, 160
#: Diameter of red cells in pixels of the finest level where nobody knows it: a 40x scan.
_USUAL_RED_CELL_PX = 30.0


def judge_part(image: RGBImage, red_cell_px: float, rulers: SlideRulers) -> str:
    """What a part of a slide is fit for, seen in full detail.

    Args:
        image: RGB uint8 (H, W, 3).
        red_cell_px: Diameter of its red cells in pixels of it.
        rulers: Colour of glass and red cells.

    Returns:
        One of `NAMES`.
    """
    light, red = _colours(rulers, image)
    factor = min(1.0, _MOST_CELL_PX / red_cell_px)
    green = np.ascontiguousarray(image[..., 1])
    if factor < 1:
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        green = np.asarray(cv2.resize(green, size, interpolation=cv2.INTER_AREA), np.uint8)
    density = green_density(green, light)
    name = _name(float((density > _STAINED * red).mean()), _piled(density, red))
    if name == EMPTY:
        return name
    # Sharpness is relative to contrast, so that thin parts do not count as blurred.
    return BLURRED if sharpness(shape_copy(image, red_cell_px)[0]) < LEAST_SHARPNESS else name


class FitnessMap:
    """What each square of a slide is fit for. Thread-safe.

    Attributes:
        square_px: Side of a square in pixels of the finest level.
        rows: Squares from top to bottom.
        columns: Squares from left to right.
    """

    def __init__(self, size_px: tuple[int, int], square_px: float) -> None:
        """A map on which everything is fit.

        Args:
            size_px: Width and height of the slide.
            square_px: Side of a square.
        """
        self.square_px = square_px
        self.columns, self.rows = (max(1, -int(-side // square_px)) for side in size_px)
        self._lock = threading.Lock()
        self._codes = np.zeros((self.rows, self.columns), np.uint8)

    @property
    def codes(self) -> npt.NDArray[np.uint8]:
        """The map (rows, columns): places in `NAMES`. A copy."""
        with self._lock:
            return self._codes.copy()

    def of_box(self, x: float, y: float, width: float, height: float) -> str:
        """What a part of the slide is, by most of its area; outside there is nothing.

        Args:
            x: Left edge in pixels of the finest level.
            y: Top edge.
            width: Width.
            height: Height.
        """
        rows, row_shares = self._touched(y, height, self.rows)
        columns, column_shares = self._touched(x, width, self.columns)
        if not len(rows) or not len(columns):
            return EMPTY
        with self._lock:
            part = self._codes[np.ix_(rows, columns)]
        areas = np.outer(row_shares, column_shares)
        totals = np.bincount(part.ravel(), areas.ravel(), minlength=len(NAMES))
        return NAMES[int(np.argmax(totals))]

    def is_empty(self, x: float, y: float, width: float, height: float) -> bool:
        """Whether all squares that a part touches are empty glass; arguments as for `of_box`."""
        rows, _ = self._touched(y, height, self.rows)
        columns, _ = self._touched(x, width, self.columns)
        with self._lock:
            return bool((self._codes[np.ix_(rows, columns)] == NAMES.index(EMPTY)).all())

    def note(self, x: float, y: float, width: float, height: float, name: str) -> None:
        """Put down what a part is that was seen in full detail: squares with their middle in it.

        Args:
            x: Left edge in pixels of the finest level.
            y: Top edge.
            width: Width.
            height: Height.
            name: One of `NAMES`.
        """
        side = self.square_px
        first_row, last_row = round(y / side), round((y + height) / side)
        first, last = round(x / side), round((x + width) / side)
        with self._lock:
            self._codes[max(first_row, 0) : max(last_row, 0), max(first, 0) : max(last, 0)] = (
                NAMES.index(name)
            )

    def shares(self) -> dict[str, float]:
        """Share of the slide that is each of `NAMES`, 0 to 1."""
        counts = np.bincount(self.codes.ravel(), minlength=len(NAMES))
        return dict(zip(NAMES, (counts / counts.sum()).tolist(), strict=True))

    def put_row(self, row: int, names: list[str]) -> None:
        """Put down what the squares of a row are, from left to right."""
        with self._lock:
            self._codes[row] = [NAMES.index(name) for name in names]

    def _touched(
        self, start: float, length: float, most: int
    ) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """The squares along a side that a stretch touches, and how much of it lies in each."""
        first, last = start / self.square_px, (start + length) / self.square_px
        numbers = np.arange(max(int(np.floor(first)), 0), min(int(np.ceil(last)), most))
        shares = np.minimum(numbers + 1, last) - np.maximum(numbers, first)
        return numbers, np.asarray(shares, np.float32)


def map_fitness(
    slide: Slide,
    rulers: SlideRulers,
    on_progress: Callable[[float], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> FitnessMap:
    """Map a slide by a coarse level: a second for 60,000 x 40,000 pixels.

    Blur is not seen at that size: `judge_part` tells it, and `FitnessMap.note` puts it down.

    Args:
        slide: The slide.
        rulers: Size and colour of its red cells.
        on_progress: Called with how much is done, 0 to 1.
        stop: Asked after each row of squares whether to give up; the rest is then called fit.

    Raises:
        SlideError: If the slide cannot be read.
    """
    width, height = slide.size_px
    red_cell_px = rulers.red_cell_px or _USUAL_RED_CELL_PX
    scale = _scale(slide, red_cell_px)
    square = max(_SQUARE_CELLS * red_cell_px, max(width, height) / _MOST_SQUARES)
    # Whole pixels of the level that is read: it is then read as it is.
    square = max(1, round(square * scale)) / scale
    found = FitnessMap((width, height), square)
    light, red = _colours(rulers, thumbnail(slide, 512))
    for row in range(found.rows):
        if stop():
            break
        top = row * square
        high = min(square, height - top)
        band = read_scaled(slide, 0, top, width, high, scale)
        density = green_density(band[..., 1], light)
        edges = [min(round(n * square * scale), band.shape[1]) for n in range(found.columns + 1)]
        names = []
        for left, right in pairwise(edges):
            part = density[:, left : max(right, left + 1)]
            names.append(
                _name(float((part > _STAINED * red).mean()), _piled(part, red))
                if part.size
                else EMPTY
            )
        found.put_row(row, names)
        on_progress((row + 1) / found.rows)
    return found


def _scale(slide: Slide, red_cell_px: float) -> float:
    """The scale at which the area is measured: a level as it is, if one is about as coarse."""
    coarse = [
        level.downsample
        for level in slide.levels
        if red_cell_px / level.downsample >= _LEAST_CELL_PX
    ]
    return min(1.0, 1 / max(coarse, default=1.0), _MOST_CELL_PX / red_cell_px)


def _colours(rulers: SlideRulers, image: RGBImage) -> tuple[float, float]:
    """Green of the empty glass, 0 to 255, and green density of red cells."""
    stain = rulers.stain
    if stain is not None:
        return stain.light[1], stain.density[1]
    return float(glass_colour(image)[1]), REFERENCE_DENSITY[1]


def _piled(density: FloatArray, red: float) -> float:
    """How much of what is stained is denser than a red cell."""
    stained = int((density > _STAINED * red).sum())
    return float((density > _PILED * red).sum()) / stained if stained else 0.0


def _name(covered: float, piled: float) -> str:
    if covered < _EMPTY_BELOW:
        return EMPTY
    if covered >= _THICK_FROM or (covered >= _PILED_FROM and piled >= _MOST_PILED):
        return THICK
    return FEATHERED if covered < _FEATHERED_BELOW else FIT
