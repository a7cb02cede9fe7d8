"""One block of a rendered slide; whatever lies on its edge lies there on its neighbour's, too."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from allcell.detections import Detections
from allcell.synth.canvas import Canvas, develop
from allcell.synth.cells import Stamp, stamp
from allcell.synth.layout import Layout, PlacedCell, contacts
from allcell.synth.palette import absorbance
from allcell.synth.scan.smear import THICKNESS, Part, SmearSpec, Thickness
from allcell.synth.scatter import F32, F64, Points, scatter, uniform
from allcell.synth.small_cells import Bank, platelet_bank, red_bank
from allcell.synth.spec import CLASS_OF, RED_CELL_UM, Camera, FieldSpec, Kind, Stain

#: Along its edges all blocks have the same red cells, so far inwards.
_SHARED_UM = 3 * RED_CELL_UM
#: White cells stay so far from an edge, beyond their own radius: no block needs to know of them.
_CLEAR_UM = 10.0
_COVERAGE, _PILED = 0.36, 0.9
_RED_AREA_UM2 = math.pi / 4 * RED_CELL_UM**2
_PLATELETS_PER_UM2 = 3e-4
_SQUARE_UM = 500.0
#: Side of the sensor's noise, which repeats; a part of every block.
_GRAIN_PX = 512
#: How the other white cells divide.
_SHARES = {
    Kind.NEUTROPHIL: 0.45,
    Kind.LYMPHOCYTE: 0.40,
    Kind.MONOCYTE: 0.10,
    Kind.EOSINOPHIL: 0.05,
}
#: Sigma of the blur of a block that is out of focus, as a part of a red cell.
_OUT_OF_FOCUS = 0.16


@dataclass(frozen=True, eq=False)
class Block:
    """A painted block.

    Attributes:
        image: RGB uint8 (side, side, 3).
        truth: Its white cells, in its own pixels.
    """

    image: npt.NDArray[np.uint8]
    truth: Detections


class Painter:
    """Paints the blocks of one slide."""

    def __init__(self, spec: SmearSpec) -> None:
        """Prepare what all blocks share."""
        self._spec = spec
        self._camera = Camera()
        self._scale = spec.red_cell_px / RED_CELL_UM
        self._side_um = spec.block_px / self._scale
        self._pigments = absorbance(Stain(haze=0.0))
        rng = np.random.default_rng([spec.seed, 31])
        self._pale: Bank = red_bank(rng, self._scale, 0.5)
        self._flat: Bank = red_bank(rng, self._scale, 0.0)
        self._platelets = platelet_bank(rng, self._scale)
        self._halo_px = 0.05 * spec.red_cell_px + 0.4
        self._focus_px = self._camera.focus_blur * spec.red_cell_px
        grain = rng.normal(0, self._camera.noise, (_GRAIN_PX, _GRAIN_PX, 3))
        often = spec.block_px // _GRAIN_PX
        self._grain = np.tile(np.rint(grain).astype(np.int16), (often, often, 1))

    def paint(self, left: Part, right: Part, variant: int, *, sharp: bool = True) -> Block:
        """Paint a block.

        Args:
            left: What there is at its left edge.
            right: What there is at its right edge; in between the one turns into the other.
            variant: Blocks of different numbers differ but for their edges.
            sharp: Whether it is in focus.
        """
        spec, side = self._spec, self._spec.block_px
        focus_px = self._focus_px if sharp else _OUT_OF_FOCUS * spec.red_cell_px
        margin = math.ceil(4 * (focus_px + self._halo_px)) + 2
        canvas = Canvas(-margin, -margin, side + 2 * margin, side + 2 * margin, self._scale)
        along = _Along(THICKNESS[left], THICKNESS[right], self._side_um)
        placed = self._whites(along, variant)
        stamps = [self._stamp(cell, placed, variant) for cell in placed]
        self._lay_reds(canvas, along, variant, placed)
        for made in stamps:
            canvas.lay_white(made)
        empty: F32 = np.zeros(canvas.red.shape, np.float32)
        image = develop(
            canvas.density(self._pigments, empty), self._camera, focus_px, self._halo_px
        )
        image = image[margin:-margin, margin:-margin]
        boxes = [made.box_px() for made in stamps]
        classes = [CLASS_OF[cell.kind] for cell in placed]
        truth = Detections.truth(boxes, classes) if boxes else Detections.empty()
        grained = cv2.add(image, self._grain, dtype=cv2.CV_8U)
        return Block(np.asarray(grained, np.uint8), truth)

    def _whites(self, along: _Along, variant: int) -> list[PlacedCell]:
        spec = self._spec
        squares = (self._side_um / _SQUARE_UM) ** 2
        rng = np.random.default_rng([spec.seed, 41, variant])
        means = {kind: share * spec.healthy for kind, share in _SHARES.items()}
        means |= {Kind.BLAST: spec.blasts, Kind.SMUDGE: spec.smudges}
        counts = {kind: int(rng.poisson(squares * mean)) for kind, mean in means.items()}
        field = FieldSpec(
            spec.block_px,
            spec.block_px,
            spec.red_cell_px,
            seed=spec.seed + 1009 * (variant + 1),
            blasts=counts[Kind.BLAST],
            neutrophils=counts[Kind.NEUTROPHIL],
            lymphocytes=counts[Kind.LYMPHOCYTE],
            monocytes=counts[Kind.MONOCYTE],
            eosinophils=counts[Kind.EOSINOPHIL],
            smudges=counts[Kind.SMUDGE],
        )
        laid = Layout(field).cells((0.0, 0.0, self._side_um, self._side_um))
        most = self._side_um
        within = [
            cell
            for cell in laid
            if cell.radius_um + _CLEAR_UM
            < min(cell.x_um, cell.y_um, most - cell.x_um, most - cell.y_um)
        ]
        kept = rng.random(len(within)) < along.at(np.array([c.x_um for c in within])).whites
        return [cell for cell, keep in zip(within, kept, strict=True) if keep]

    def _stamp(self, cell: PlacedCell, placed: list[PlacedCell], variant: int) -> Stamp:
        return stamp(
            cell.kind,
            cell.x_um * self._scale,
            cell.y_um * self._scale,
            cell.radius_um,
            self._scale,
            self._pigments,
            np.random.default_rng([self._spec.seed, 43, variant, *(n & 0xFFFF for n in cell.key)]),
            contacts(cell, [other for other in placed if other.key != cell.key]),
        )

    def _lay_reds(
        self, canvas: Canvas, along: _Along, variant: int, whites: list[PlacedCell]
    ) -> None:
        crowd: F64 = np.array([(c.x_um, c.y_um, 0.85 * c.radius_um) for c in whites], np.float64)
        apart = math.sqrt(0.75 / (4 * _COVERAGE)) * RED_CELL_UM
        layer = self._points(1, variant, _COVERAGE / _RED_AREA_UM2, apart)
        piled = self._points(2, variant, _PILED / _RED_AREA_UM2, 0.0)
        thickness, on_top = along.at(layer.x_um), along.at(piled.x_um)
        layer = layer[uniform(layer.word, 11) < thickness.reds]
        flat = uniform(layer.word, 12) < along.at(layer.x_um).flat
        piled = piled[uniform(piled.word, 11) < on_top.piled]
        platelets = self._points(3, variant, _PLATELETS_PER_UM2, 0.0)
        platelets = platelets[uniform(platelets.word, 11) < along.at(platelets.x_um).reds]
        for points, bank, weakest, strongest in (
            (layer[~flat], self._pale, 0.90, 1.10),
            (layer[flat], self._flat, 0.75, 0.95),
            (piled, self._pale, 0.90, 1.10),
        ):
            free = points[_clear_of(points, crowd, 0.4 * RED_CELL_UM)]
            canvas.lay_bank(canvas.red, bank, free, weakest, strongest)
        free = platelets[_clear_of(platelets, crowd, 0.8)]
        canvas.lay_bank(canvas.azure, self._platelets, free, 0.7, 1.2)

    def _points(self, stream: int, variant: int, per_um2: float, apart_um: float) -> Points:
        """Points of a block, and those beyond its edges that its neighbours have there."""
        side, grid = self._side_um, 1.22 * RED_CELL_UM
        bounds = (0.0, 0.0, side, side)

        def drawn(seed: int) -> tuple[Points, npt.NDArray[np.bool_]]:
            found = scatter(
                seed, 10 + stream, bounds, per_um2, separation_um=apart_um, grid_um=grid
            )
            edge = np.minimum(
                np.minimum(found.x_um, side - found.x_um), np.minimum(found.y_um, side - found.y_um)
            )
            return found, edge < _SHARED_UM

        shared, at_edge = drawn(self._spec.seed)
        own, own_at_edge = drawn(self._spec.seed + 7919 * (variant + 1))
        shared, own = shared[at_edge], own[~own_at_edge]
        xs, ys, words = [own.x_um], [own.y_um], [own.word]
        for dx in (-side, 0.0, side):
            for dy in (-side, 0.0, side):
                xs.append(shared.x_um + dx)
                ys.append(shared.y_um + dy)
                words.append(shared.word)
        every = Points(np.concatenate(xs), np.concatenate(ys), np.concatenate(words))
        near = (np.abs(every.x_um - side / 2) < side / 2 + _SHARED_UM) & (
            np.abs(every.y_um - side / 2) < side / 2 + _SHARED_UM
        )
        # The same order in all blocks: sums of floats depend on it in their last bit.
        every = every[near]
        return every[np.argsort(every.word, kind="stable")]


@dataclass(frozen=True, eq=False)
class _AtPoints:
    """`Thickness` at N points, each (N,)."""

    reds: F64
    piled: F64
    flat: F64
    whites: F64


@dataclass(frozen=True)
class _Along:
    """How the smear changes across a block: not at all where its edges are shared."""

    left: Thickness
    right: Thickness
    side_um: float

    def at(self, x_um: F64) -> _AtPoints:
        """The thickness at some places (N,)."""
        span = self.side_um - 2 * _SHARED_UM
        share = np.clip((np.asarray(x_um, np.float64) - _SHARED_UM) / span, 0, 1)

        def mixed(name: str) -> F64:
            first, last = getattr(self.left, name), getattr(self.right, name)
            return np.asarray(first + share * (last - first), np.float64)

        return _AtPoints(mixed("reds"), mixed("piled"), mixed("flat"), mixed("whites"))


def _clear_of(points: Points, crowd: F64, radius_um: float) -> npt.NDArray[np.bool_]:
    """Which points keep their distance from the white cells (x, y, radius)."""
    free = np.ones(len(points), dtype=bool)
    for x, y, radius in crowd.reshape(-1, 3):
        free &= (points.x_um - x) ** 2 + (points.y_um - y) ** 2 >= (radius_um + radius) ** 2
    return free
