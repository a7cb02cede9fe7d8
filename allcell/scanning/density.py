"""Where on a slide white cells and blasts lie, and which of them to look at next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from allcell.detections import Detections, FloatArray, IntArray
from allcell.models.classes import CELL_CLASSES, Role
from allcell.models.registry import ModelSpec
from allcell.scanning.grid import centres
from allcell.scanning.seen import SeenCells

#: What cells are gone through by: as they lie, or the least certain first.
Order = Literal["place", "doubt"]
#: Bins along the longer side of a map.
_BINS = 96


@dataclass(frozen=True, eq=False)
class Density:
    """Cells by place.

    Attributes:
        white_cells: Cells in each bin (h, w).
        blasts: Those of them that are suggested as blasts (h, w).
        seen: Share of each bin that was seen, 0 to 1 (h, w).
        bin_px: Side of a bin in pixels of level 0.
    """

    white_cells: IntArray
    blasts: IntArray
    seen: FloatArray
    bin_px: float


def density(seen: SeenCells, bins: int = _BINS) -> Density:
    """Count the cells that were seen by place.

    Args:
        seen: What was found.
        bins: Bins along the longer side of the slide.
    """
    width, height = seen.regions.size_px
    bin_px = max(width, height) / bins
    shape = (max(1, math.ceil(height / bin_px)), max(1, math.ceil(width / bin_px)))
    cells, spec = seen.cells(), seen.regions.spec
    white = cells[np.isin(cells.class_id, ids_of(spec, "blast", "white cell"))]
    blasts = cells[np.isin(cells.class_id, ids_of(spec, "blast"))]
    share = np.zeros(shape, np.float32)
    for answer in seen.answers():
        one = answer.region
        rows = _shares(one.y, one.y + one.height, bin_px, shape[0])
        columns = _shares(one.x, one.x + one.width, bin_px, shape[1])
        share += np.outer(rows, columns).astype(np.float32)
    return Density(
        _binned(white, bin_px, shape), _binned(blasts, bin_px, shape), np.minimum(share, 1), bin_px
    )


def _binned(cells: Detections, bin_px: float, shape: tuple[int, int]) -> IntArray:
    x, y = (centres(cells.xyxy) / bin_px).astype(np.int64).T
    counts = np.zeros(shape, np.int64)
    np.add.at(counts, (np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1)), 1)
    return counts


def _shares(start: float, end: float, bin_px: float, bins: int) -> npt.NDArray[np.float64]:
    """How much of each bin lies between two places, 0 to 1."""
    edges = bin_px * np.arange(bins + 1)
    inside = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
    return np.asarray(np.clip(inside / bin_px, 0, 1), np.float64)


def ids_of(spec: ModelSpec, *roles: Role) -> list[int]:
    """Numbers of a model's classes that have one of some roles."""
    names = {cell.name for cell in CELL_CLASSES if cell.role in roles}
    return [i for i, name in enumerate(spec.classes) if name in names]


def tour(seen: SeenCells, order: Order, *roles: Role) -> Detections:
    """Cells in the order in which to look at them.

    Args:
        seen: What was found.
        order: `place`: as they lie, region by region. `doubt`: the least confident first.
        roles: Only cells that count as these; all if none is given.
    """
    cells = Detections.concatenate(seen.of_region(one) for one in seen.regions.all())
    if roles:
        cells = cells[np.isin(cells.class_id, ids_of(seen.regions.spec, *roles))]
    return cells if order == "place" else cells[np.argsort(cells.confidence, kind="stable")]
