"""A slide cut into regions: cores tile it without gaps, and what is read around each is wider.

So a cell on a seam is whole in at least one window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from allcell.detections import BoolArray, FloatArray
from allcell.imaging.preprocess import OVERLAP_RED_CELLS, cuts, plan_tiles
from allcell.models.registry import ModelSpec
from allcell.slides.reading import best_level
from allcell.slides.slide import Level, Slide


@dataclass(frozen=True)
class Region:
    """The core of a region, in pixels of level 0.

    Attributes:
        column: Its place from the left, from 0.
        row: Its place from the top, from 0.
        x: Left edge.
        y: Top edge.
        width: Width, at least 1.
        height: Height, at least 1.
    """

    column: int
    row: int
    x: int
    y: int
    width: int
    height: int

    def holds(self, xyxy: FloatArray) -> BoolArray:
        """Which boxes (N, 4) have their centre in it: (N,). Each point lies in one core."""
        x, y = centres(xyxy).T
        inside = (x >= self.x) & (x < self.x + self.width)
        return np.asarray(inside & (y >= self.y) & (y < self.y + self.height), bool)


def centres(xyxy: FloatArray) -> FloatArray:
    """Centres (N, 2) of boxes (N, 4)."""
    return np.asarray(0.5 * (xyxy[:, :2] + xyxy[:, 2:]), np.float32)


class Regions:
    """The regions of a slide for one model: the tiles that it would cut the picture into.

    So all regions together hold what a detection of the whole slide in one piece would find.

    Args:
        size_px: Width and height of level 0.
        red_cell_px: Diameter of the red cells in pixels of level 0.
        spec: The model.
        input_px: Longest side of what the network sees of a window; the model's own if None.
            Smaller ones answer sooner and take more time in all, as more of each lies in the
            margin.
        level: The level that is read; the finest if None (see `of`).
        level_number: Its number.

    Attributes:
        level: The number of the level that is read.
        downsample: Pixels of level 0 per pixel of that level.
        level_px: Width and height of that level.
        window_px: Width and height of what is read of a region, in pixels of that level.
        margin_px: What is read around a core, about, in pixels of level 0.

    Raises:
        ValueError: If a size is not positive.
    """

    def __init__(
        self,
        size_px: tuple[int, int],
        red_cell_px: float,
        spec: ModelSpec,
        input_px: int | None = None,
        level: Level | None = None,
        level_number: int = 0,
    ) -> None:
        if min(*size_px, red_cell_px) <= 0:
            raise ValueError(f"expected positive sizes, got {size_px} px, red cells {red_cell_px}")
        self.size_px, self.red_cell_px, self.spec = size_px, red_cell_px, spec
        if input_px is not None and spec.fixed_input_px is None:
            # Two tiles that overlap more than they are long would not end.
            shortest = 3 * math.ceil(OVERLAP_RED_CELLS * spec.red_cell_px)
            self.spec = replace(spec, max_input_px=min(max(input_px, shortest), spec.max_input_px))
        read = level or Level(*size_px, 1.0)
        self.level, self.downsample = level_number, read.downsample
        self.level_px = (read.width_px, read.height_px)
        self.margin_px = math.ceil(0.5 * OVERLAP_RED_CELLS * red_cell_px)
        self.window_px, starts = _windows(self.spec, *self.level_px, self.red_cell_in_level_px)
        xs, ys = sorted({x for x, _ in starts}), sorted({y for _, y in starts})
        self._starts = xs, ys
        self._columns, self._rows = (
            _cores(at, length, self.downsample, size)
            for at, length, size in zip((xs, ys), self.window_px, size_px, strict=True)
        )

    @classmethod
    def of(
        cls, slide: Slide, red_cell_px: float, spec: ModelSpec, input_px: int | None = None
    ) -> Regions:
        """The regions of a slide, read at the coarsest level with all the detail the model sees.

        Arguments and errors are those of the class.
        """
        number = best_level(slide, spec.red_cell_px / max(red_cell_px, 1e-6))
        level = slide.levels[number]
        return cls(slide.size_px, red_cell_px, spec, input_px, level, number)

    @property
    def red_cell_in_level_px(self) -> float:
        """Diameter of the red cells in pixels of the level that is read."""
        return self.red_cell_px / self.downsample

    @property
    def columns(self) -> int:
        """How many lie side by side."""
        return len(self._columns)

    @property
    def rows(self) -> int:
        """How many lie one below the other."""
        return len(self._rows)

    def __len__(self) -> int:
        return self.columns * self.rows

    def at(self, column: int, row: int) -> Region:
        """The region at a place.

        Raises:
            IndexError: If there is none.
        """
        (x, width), (y, height) = self._columns[column], self._rows[row]
        return Region(column, row, x, y, width, height)

    def all(self) -> tuple[Region, ...]:
        """All of them, row by row, there and back: each beside the one before."""
        return self._in_order

    @cached_property
    def _in_order(self) -> tuple[Region, ...]:
        there = range(self.columns)
        return tuple(
            self.at(column, row)
            for row in range(self.rows)
            for column in (there if row % 2 == 0 else reversed(there))
        )

    def of_view(self, x: float, y: float, width: float, height: float) -> tuple[Region, ...]:
        """Those that a view touches, the ones in its middle first.

        Args:
            x: Left edge of the view, in pixels of level 0.
            y: Its top edge.
            width: Its width.
            height: Its height.
        """
        columns = _touched(self._columns, x, x + width)
        rows = _touched(self._rows, y, y + height)

        def distance(one: Region) -> float:
            across = one.x + 0.5 * one.width - (x + 0.5 * width)
            return math.hypot(across, one.y + 0.5 * one.height - (y + 0.5 * height))

        return tuple(sorted((self.at(c, r) for r in rows for c in columns), key=distance))

    def around(self, region: Region) -> tuple[Region, ...]:
        """The neighbours of a region, up to eight."""
        columns = range(max(0, region.column - 1), min(self.columns, region.column + 2))
        rows = range(max(0, region.row - 1), min(self.rows, region.row + 2))
        near = (self.at(column, row) for row in rows for column in columns)
        return tuple(one for one in near if one != region)

    def window(self, region: Region) -> tuple[int, int, int, int]:
        """What is read of a region: left, top, width and height in pixels of `level`.

        All windows are of one size.
        """
        xs, ys = self._starts
        return xs[region.column], ys[region.row], *self.window_px


def _windows(
    spec: ModelSpec, width_px: int, height_px: int, red_cell_px: float
) -> tuple[tuple[int, int], tuple[tuple[int, int], ...]]:
    """Width and height of all windows of a level, and where they start (x, y)."""
    if spec.fixed_input_px is not None:
        # Such a network is shown whole pictures: of a slide, parts in which cells have its size.
        scale = spec.red_cell_px / red_cell_px
        sides = [math.ceil(side / scale) for side in spec.fixed_input_px]
        overlap = int(OVERLAP_RED_CELLS * red_cell_px)
        (xs, w), (ys, h) = (
            cuts(length, max(side, 3 * overlap), overlap)
            for length, side in zip((width_px, height_px), sides, strict=True)
        )
        return (w, h), tuple((x, y) for y in ys for x in xs)
    fit, starts = plan_tiles(spec, width_px, height_px, red_cell_px)
    return (fit.source_width_px, fit.source_height_px), starts


def _cores(
    starts: Sequence[int], length: int, downsample: float, size: int
) -> list[tuple[int, int]]:
    """Start and length, in pixels of level 0, of what is nearer to a window than to its neighbours.

    Args:
        starts: Where the windows start, in pixels of their level.
        length: How long each is.
        downsample: Pixels of level 0 per pixel of that level.
        size: How long level 0 is.
    """
    seams = [round(downsample * (at + length + after) / 2) for at, after in pairwise(starts)]
    return [(start, end - start) for start, end in pairwise([0, *seams, size])]


def _touched(cores: Sequence[tuple[int, int]], start: float, end: float) -> list[int]:
    return [i for i, (at, length) in enumerate(cores) if at < end and at + length > start]
