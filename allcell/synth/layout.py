"""Where the white cells lie on an endless slide: whole cells, none on top of another."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from allcell.synth.cells import Contact, draw_radius_um
from allcell.synth.scatter import F64, Bounds
from allcell.synth.spec import FieldSpec, Kind

#: Centres are at least this fraction of the sum of both radii apart; pressed cells flatten.
_TIGHTEST = 0.87

#: Cells nearer than this multiple of the sum of both radii press against each other.
_TOUCHING = 1.06

_TRIES = 40
_PROPOSALS = 12
_KEPT_TILES = 256


@dataclass(frozen=True)
class PlacedCell:
    """A white cell (or smudge) on the slide.

    Attributes:
        kind: What it is.
        x_um: Centre.
        y_um: Centre.
        radius_um: Nominal radius.
        key: Identifies the cell on its slide: tile column, tile row, number in the tile.
    """

    kind: Kind
    x_um: float
    y_um: float
    radius_um: float
    key: tuple[int, int, int]


class Layout:
    """Lays cells tile by tile; a tile is as large as the field of the specification.

    Tile (0, 0) holds exactly the counts of the specification, every other tile Poisson-distributed
    counts around them. Tiles have four colours like a map (even or odd column, even or odd row),
    and a tile is laid after its neighbours of lower colour: so any tile can be laid without laying
    the slide from its origin, and the result does not depend on the order of requests.
    """

    def __init__(self, spec: FieldSpec) -> None:
        """Prepare the slide of a specification."""
        self._spec = spec
        self._width_um = spec.width_px / spec.px_per_um
        self._height_um = spec.height_px / spec.px_per_um
        self._tiles: OrderedDict[tuple[int, int], tuple[PlacedCell, ...]] = OrderedDict()

    def cells(self, bounds: Bounds) -> list[PlacedCell]:
        """Cells whose centre lies within bounds (micrometres), in a fixed order.

        Raises:
            ValueError: If the specified counts do not fit into the field.
        """
        left, top, right, bottom = bounds
        found = []
        for row in range(math.floor(top / self._height_um), _last(bottom, self._height_um) + 1):
            for column in range(
                math.floor(left / self._width_um), _last(right, self._width_um) + 1
            ):
                found += [
                    cell
                    for cell in self._tile(column, row)
                    if left <= cell.x_um < right and top <= cell.y_um < bottom
                ]
        return sorted(found, key=lambda cell: cell.key)

    def _tile(self, column: int, row: int) -> tuple[PlacedCell, ...]:
        known = self._tiles.get((column, row))
        if known is None:
            colour = _colour(column, row)
            fixed = [
                cell
                for dy in (-1, 0, 1)
                for dx in (-1, 0, 1)
                if _colour(column + dx, row + dy) < colour
                for cell in self._tile(column + dx, row + dy)
            ]
            known = self._lay(column, row, fixed)
            self._tiles[column, row] = known
            while len(self._tiles) > _KEPT_TILES:
                self._tiles.popitem(last=False)
        return known

    def _lay(self, column: int, row: int, fixed: list[PlacedCell]) -> tuple[PlacedCell, ...]:
        rng = np.random.default_rng([self._spec.seed, 11, column & 0xFFFFFFFF, row & 0xFFFFFFFF])
        queue = []
        for kind, count in self._spec.counts().items():
            number = count if column == row == 0 else int(rng.poisson(count))
            queue += [(kind, draw_radius_um(kind, rng)) for _ in range(number)]
        # The largest first: small cells find room between large ones, not the other way round.
        queue.sort(key=lambda item: -item[1])
        taken = np.array([(c.x_um, c.y_um, c.radius_um) for c in fixed]).reshape(-1, 3)
        laid: list[PlacedCell] = []
        for kind, radius in queue:
            hosts = [c for c in laid if c.kind is not Kind.SMUDGE]
            leaning = kind is not Kind.SMUDGE and bool(hosts)
            leaning = leaning and rng.random() < self._spec.clumping
            spot = self._find_room(rng, column, row, radius, hosts if leaning else [], taken)
            if spot is None:
                if column == row == 0:
                    raise ValueError("the white cells do not fit: ask for fewer, or a larger field")
                continue  # elsewhere a Poisson-distributed number may be more than fits
            laid.append(PlacedCell(kind, *spot, radius, (column, row, len(laid))))
            taken = np.vstack([taken, (*spot, radius)])
        return tuple(laid)

    def _find_room(
        self,
        rng: np.random.Generator,
        column: int,
        row: int,
        radius: float,
        hosts: list[PlacedCell],
        taken: F64,
    ) -> tuple[float, float] | None:
        """A free centre in the tile, touching one of the hosts if possible."""
        left, top = column * self._width_um, row * self._height_um
        for attempt in range(_TRIES):
            nestle = bool(hosts) and attempt < _TRIES // 4
            if nestle:
                host = hosts[int(rng.integers(len(hosts)))]
                turn = rng.uniform(0, 2 * math.pi, _PROPOSALS)
                apart = (host.radius_um + radius) * rng.uniform(0.875, 1.0, _PROPOSALS)
                x = host.x_um + apart * np.cos(turn)
                y = host.y_um + apart * np.sin(turn)
            else:
                x = left + self._width_um * rng.random(_PROPOSALS)
                y = top + self._height_um * rng.random(_PROPOSALS)
            free = (x >= left) & (x < left + self._width_um)
            free &= (y >= top) & (y < top + self._height_um)
            gap = np.hypot(x[:, None] - taken[:, 0], y[:, None] - taken[:, 1])
            free &= (gap >= _TIGHTEST * (radius + taken[:, 2])).all(axis=1)
            if free.any():
                # Against a host, nestle between two cells; elsewhere the first free spot will do.
                space = np.sort(gap - taken[:, 2], axis=1)[:, :2].sum(axis=1) if nestle else free
                best = int(np.argmin(np.where(free, space, np.inf)))
                return float(x[best]), float(y[best])
        return None


def contacts(cell: PlacedCell, others: list[PlacedCell]) -> tuple[Contact, ...]:
    """The neighbours that press against a cell, each as the line where the two meet."""
    lines = []
    for other in others:
        dx, dy = other.x_um - cell.x_um, other.y_um - cell.y_um
        apart = math.hypot(dx, dy)
        if 0 < apart < _TOUCHING * 1.15 * (cell.radius_um + other.radius_um):
            # The radical line of both circles, where equal pressure would put the wall.
            offset = (apart**2 + cell.radius_um**2 - other.radius_um**2) / (2 * apart)
            lines.append((dx / apart, dy / apart, offset - 0.06))
    return tuple(lines)


def _colour(column: int, row: int) -> int:
    return (column & 1) + 2 * (row & 1)


def _last(end: float, side: float) -> int:
    """Number of the last tile that begins before an end."""
    return math.ceil(end / side) - 1
