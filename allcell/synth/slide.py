"""An endless synthetic slide that is painted only where one looks."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from allcell.detections import Detections
from allcell.synth.canvas import Canvas, develop
from allcell.synth.cells import REACH, Stamp, stamp
from allcell.synth.layout import Layout, PlacedCell, contacts
from allcell.synth.palette import absorbance
from allcell.synth.scatter import F32, F64, Points, Waves, scatter, uniform
from allcell.synth.small_cells import (
    PLATELET_REACH_UM,
    RED_REACH_UM,
    Bank,
    platelet_bank,
    red_bank,
)
from allcell.synth.spec import CLASS_OF, RADIUS_UM, RED_CELL_UM, FieldSpec, Kind

#: A cell cut by the edge counts if at least this fraction of it is in view.
MIN_VISIBLE = 0.40

_RED_AREA_UM2 = math.pi / 4 * RED_CELL_UM**2
_LARGEST_UM = max(high for _, _, high in RADIUS_UM.values())
_KEPT_STAMPS = 512


@dataclass(frozen=True, eq=False)
class SyntheticField:
    """A painted field and what is in it.

    Attributes:
        image: RGB uint8 (H, W, 3).
        truth: Boxes of blasts, healthy white cells and smudges, classes as in `models.registry`.
            A box bounds the pixels in view that its cell covers at least half; cells of which
            less than 40 % is in view have none.
        red_cell_px: Red-cell diameter in pixels.
    """

    image: npt.NDArray[np.uint8]
    truth: Detections
    red_cell_px: float


class SyntheticSlide:
    """The smear around a field: the same seed shows the same cells, wherever the view lies.

    Overlapping views agree pixel for pixel. A view has the colour, brightness and focus of the
    camera; what moves with the frame and not with the slide (vignette, gradient, noise,
    compression) is left to `camera.expose`. Not thread-safe.
    """

    def __init__(self, spec: FieldSpec) -> None:
        """Prepare the slide whose region (0, 0, width, height) is the specified field."""
        self.spec = spec
        self._layout = Layout(spec)
        self._pigments = absorbance(spec.stain)
        rng = np.random.default_rng([spec.seed, 5])
        self._haze = Waves.draw(rng, 9.0, 9.0, 70.0)
        self._crowding = Waves.draw(rng, 22.0)
        self._stamps: OrderedDict[tuple[int, int, int], Stamp] = OrderedDict()

    def view(
        self,
        x_px: int,
        y_px: int,
        width_px: int | None = None,
        height_px: int | None = None,
        *,
        focus_blur: float | None = None,
    ) -> SyntheticField:
        """Paint a region of the slide.

        Args:
            x_px: Left edge on the slide, any integer.
            y_px: Top edge on the slide, any integer.
            width_px: Width of the view; that of the specification if None.
            height_px: Height of the view; that of the specification if None.
            focus_blur: Sigma of the blur as a fraction of the red-cell diameter, 0 to 0.25; that of
                the camera if None.

        Returns:
            The view and its ground truth.

        Raises:
            ValueError: If a size is not positive or the blur outside its range.
        """
        width = self.spec.width_px if width_px is None else width_px
        height = self.spec.height_px if height_px is None else height_px
        if width < 1 or height < 1:
            raise ValueError(f"expected a positive view, got {width}x{height}")
        blur = self.spec.camera.focus_blur if focus_blur is None else focus_blur
        if not 0 <= blur <= 0.25:
            raise ValueError(f"focus_blur: expected 0 to 0.25, got {blur!r}")
        focus_px = blur * self.spec.red_cell_px
        halo_px = 0.05 * self.spec.red_cell_px + 0.4
        margin = math.ceil(4 * (focus_px + halo_px)) + 2
        canvas = Canvas(
            x_px - margin,
            y_px - margin,
            width + 2 * margin,
            height + 2 * margin,
            self.spec.px_per_um,
        )
        placed = self.white_cells(*canvas.grown_px(_LARGEST_UM * REACH))
        stamps = [self._stamp(cell) for cell in placed]
        self._lay_small(canvas, placed)
        for made in stamps:
            canvas.lay_white(made)
        density = canvas.density(self._pigments, self._haze_over(canvas))
        image = develop(density, self.spec.camera, focus_px, halo_px)
        image = np.ascontiguousarray(image[margin:-margin, margin:-margin])
        truth = _truth(placed, stamps, (x_px, y_px, x_px + width, y_px + height))
        return SyntheticField(image, truth, self.spec.red_cell_px)

    # Painted on first use: a slide without red cells or platelets needs none.
    @cached_property
    def _reds(self) -> Bank:
        rng = np.random.default_rng([self.spec.seed, 6])
        return red_bank(rng, self.spec.px_per_um, self.spec.stain.pallor)

    @cached_property
    def _platelets(self) -> Bank:
        return platelet_bank(np.random.default_rng([self.spec.seed, 7]), self.spec.px_per_um)

    def white_cells(
        self, x_px: float, y_px: float, width_px: float, height_px: float
    ) -> list[PlacedCell]:
        """White cells and smudges whose centre lies in a region of the slide, in fixed order."""
        scale = self.spec.px_per_um
        return self._layout.cells(
            (x_px / scale, y_px / scale, (x_px + width_px) / scale, (y_px + height_px) / scale)
        )

    def _stamp(self, cell: PlacedCell) -> Stamp:
        known = self._stamps.get(cell.key)
        if known is None:
            spec, (column, row, number) = self.spec, cell.key
            around = 2 * REACH * _LARGEST_UM
            others = self._layout.cells(
                (
                    cell.x_um - around,
                    cell.y_um - around,
                    cell.x_um + around,
                    cell.y_um + around,
                )
            )
            known = stamp(
                cell.kind,
                cell.x_um * spec.px_per_um,
                cell.y_um * spec.px_per_um,
                cell.radius_um,
                spec.px_per_um,
                self._pigments,
                np.random.default_rng(
                    [spec.seed, 13, column & 0xFFFFFFFF, row & 0xFFFFFFFF, number]
                ),
                contacts(cell, others),
            )
            self._stamps[cell.key] = known
            while len(self._stamps) > _KEPT_STAMPS:
                self._stamps.popitem(last=False)
        return known

    def _lay_small(self, canvas: Canvas, white: list[PlacedCell]) -> None:
        """Red cells and platelets, in the room that the white cells leave."""
        spec = self.spec
        crowd = np.array([(c.x_um, c.y_um, c.radius_um) for c in white]).reshape(-1, 3)
        # A smudge spreads over the red cells; the others push them away.
        crowd = crowd[np.array([c.kind is not Kind.SMUDGE for c in white], dtype=bool)]
        if spec.red_coverage > 0:
            self._lay_red(canvas, crowd)
        field_um2 = spec.width_px * spec.height_px / spec.px_per_um**2
        if spec.platelets > 0:
            bounds = canvas.bounds_um(PLATELET_REACH_UM)
            single = scatter(spec.seed, 2, bounds, spec.platelets / field_um2, grid_um=24.0)
            single = single[_clear_of(single, crowd, 0.8)]
            canvas.lay_bank(canvas.azure, self._platelets, single, 0.7, 1.2)
        for clump in self._clumps(canvas, spec.platelet_clumps / field_um2):
            canvas.lay_bank(canvas.azure, self._platelets, clump, 0.45, 0.9)

    def _lay_red(self, canvas: Canvas, crowd: F64) -> None:
        """Red cells, looser here and denser there; a few are young and bluish."""
        spec = self.spec
        spread = min(0.86, math.sqrt(0.75 / (4 * spec.red_coverage)))
        reds = scatter(
            spec.seed,
            1,
            canvas.bounds_um(RED_REACH_UM),
            spec.red_coverage / _RED_AREA_UM2,
            separation_um=spread * RED_CELL_UM,
            grid_um=1.22 * RED_CELL_UM,
        )
        sparse = 0.10 * (1 + self._crowding.at(reds.x_um, reds.y_um))
        reds = reds[uniform(reds.word, 4) >= sparse]
        reds = reds[_clear_of(reds, crowd, 0.80 * RED_CELL_UM / 2)]
        canvas.lay_bank(canvas.red, self._reds, reds, 0.90, 1.10)
        young = reds[uniform(reds.word, 5) < 0.015]
        canvas.lay_bank(canvas.blue, self._reds, young, 0.06, 0.16)

    def _clumps(self, canvas: Canvas, per_um2: float) -> list[Points]:
        """Heaps of 6 to 30 platelets."""
        found = []
        seeds = scatter(self.spec.seed, 3, canvas.bounds_um(20.0), per_um2, grid_um=60.0)
        for x, y, word in zip(seeds.x_um, seeds.y_um, seeds.word, strict=True):
            rng = np.random.default_rng(int(word))
            number = int(rng.integers(6, 31))
            spread = 1.15 * math.sqrt(number)
            found.append(
                Points(
                    x + rng.normal(0, 0.55 * spread, number),
                    y + rng.normal(0, 0.42 * spread, number),
                    rng.integers(0, 2**63, number, dtype=np.int64).astype(np.uint64),
                )
            )
        return found

    def _haze_over(self, canvas: Canvas) -> F32:
        """Stained plasma: a little everywhere, unevenly."""
        haze = 0.06 + 0.022 * self._haze.over(*canvas.raster_um())
        haze *= np.float32(self.spec.stain.haze)
        return np.clip(haze, 0, None, out=haze)


def _clear_of(points: Points, crowd: F64, radius_um: float) -> npt.NDArray[np.bool_]:
    """Which points keep their distance from the white cells (x, y, radius)."""
    if len(crowd) == 0 or len(points) == 0:
        return np.ones(len(points), dtype=bool)
    gap2 = (points.x_um[:, None] - crowd[:, 0]) ** 2 + (points.y_um[:, None] - crowd[:, 1]) ** 2
    return np.asarray((gap2 >= (radius_um + crowd[:, 2]) ** 2).all(axis=1), dtype=bool)


def _truth(
    placed: list[PlacedCell], stamps: list[Stamp], view: tuple[int, int, int, int]
) -> Detections:
    """Boxes of the cells that are sufficiently in view, in pixels of the view."""
    boxes, classes = [], []
    left, top, right, bottom = view
    for cell, made in zip(placed, stamps, strict=True):
        mask = made.cover >= 0.5
        x, y = made.left_px, made.top_px
        seen = mask[max(top - y, 0) : max(bottom - y, 0), max(left - x, 0) : max(right - x, 0)]
        if np.count_nonzero(seen) < max(MIN_VISIBLE * np.count_nonzero(mask), 1):
            continue
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        x0, y0 = max(x, left) - left, max(y, top) - top
        boxes.append((x0 + columns[0], y0 + rows[0], x0 + columns[-1] + 1, y0 + rows[-1] + 1))
        classes.append(CLASS_OF[cell.kind])
    return Detections.truth(boxes, classes) if boxes else Detections.empty()
