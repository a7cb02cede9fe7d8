"""A synthetic slide painted ahead of the view, so that a frame is only cut out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from allcell.formats.pixels import RGBImage
from allcell.stream.sources import SlideView
from allcell.synth.slide import SyntheticSlide
from allcell.synth.spec import CLASS_OF, FieldSpec

#: The slide is painted in squares of this side.
TILE_PX = 320
_KEPT_TILES = 96
#: A slide caches the cells it paints, up to hundreds of MB; it is replaced after this many tiles.
_TILES_A_SLIDE = 48

Tile = tuple[int, int]


class SlideCanvas:
    """A synthetic slide painted in tiles ahead of time; views are cut from them. Thread-safe.

    Args:
        spec: The slide.
        width_px: Width of a view.
        height_px: Height of a view.
    """

    def __init__(self, spec: FieldSpec, width_px: int, height_px: int) -> None:
        self.spec = spec
        self.width_px = width_px
        self.height_px = height_px
        self._lock = threading.Lock()
        self._tiles: OrderedDict[Tile, RGBImage] = OrderedDict()
        self._painting = threading.Lock()
        self._slide = SyntheticSlide(spec)
        self._painted = 0

    def missing(self, x_px: int, y_px: int, margin_px: int = 0) -> list[Tile]:
        """Unpainted tiles of a view and a margin around it, those nearest its centre first."""
        width, height = self.width_px, self.height_px
        columns = range((x_px - margin_px) // TILE_PX, (x_px + width + margin_px) // TILE_PX + 1)
        rows = range((y_px - margin_px) // TILE_PX, (y_px + height + margin_px) // TILE_PX + 1)
        centre = (x_px + width / 2) / TILE_PX - 0.5, (y_px + height / 2) / TILE_PX - 0.5
        with self._lock:
            lacking = [(c, r) for r in rows for c in columns if (c, r) not in self._tiles]
        return sorted(lacking, key=lambda t: (t[0] - centre[0]) ** 2 + (t[1] - centre[1]) ** 2)

    def paint(self, tile: Tile) -> None:
        """Paint one tile; takes some 30 ms."""
        with self._painting:
            if self._painted >= _TILES_A_SLIDE:
                self._slide, self._painted = SyntheticSlide(self.spec), 0
            self._painted += 1
            column, row = tile
            seen = self._slide.view(column * TILE_PX, row * TILE_PX, TILE_PX, TILE_PX)
        with self._lock:
            self._tiles[tile] = seen.image
            while len(self._tiles) > _KEPT_TILES:
                self._tiles.popitem(last=False)

    def cut(self, x_px: int, y_px: int) -> RGBImage | None:
        """The view at a place on the slide, RGB uint8 (H, W, 3); None if a tile is not painted."""
        width, height = self.width_px, self.height_px
        view = np.empty((height, width, 3), np.uint8)
        with self._lock:
            for row in range(y_px // TILE_PX, (y_px + height - 1) // TILE_PX + 1):
                for column in range(x_px // TILE_PX, (x_px + width - 1) // TILE_PX + 1):
                    tile = self._tiles.get((column, row))
                    if tile is None:
                        return None
                    self._tiles.move_to_end((column, row))
                    left, top = column * TILE_PX - x_px, row * TILE_PX - y_px
                    x1, y1 = max(left, 0), max(top, 0)
                    x2, y2 = min(left + TILE_PX, width), min(top + TILE_PX, height)
                    view[y1:y2, x1:x2] = tile[y1 - top : y2 - top, x1 - left : x2 - left]
        return view

    def view(self, x_px: int, y_px: int) -> RGBImage:
        """As `cut`, but missing tiles are painted first."""
        while (found := self.cut(x_px, y_px)) is None:
            for tile in self.missing(x_px, y_px):
                self.paint(tile)
        return found


@dataclass(frozen=True)
class SlideCell:
    """A white cell or smudge in a view.

    Attributes:
        key: Identifies the cell on its slide.
        class_id: As in `models.registry`.
        x_px: Centre, in pixels of the view.
        y_px: Centre.
        radius_px: Nominal radius.
    """

    key: tuple[int, int, int]
    class_id: int
    x_px: float
    y_px: float
    radius_px: float


def slide_spec(width_px: int, height_px: int, seed: int) -> FieldSpec:
    """A patient's smear under a 50x objective: blasts among healthy cells, some smudges."""
    return FieldSpec(
        width_px=width_px,
        height_px=height_px,
        red_cell_px=width_px / 32,
        seed=seed,
        blasts=6,
        neutrophils=2,
        lymphocytes=3,
        monocytes=1,
        smudges=1,
        platelets=18,
        red_coverage=0.36,
        clumping=0.15,
    )


def zoomed(spec: FieldSpec, zoom: float) -> FieldSpec:
    """The same slide under another objective: its specified field is scaled with its cells."""
    return replace(
        spec,
        width_px=round(zoom * spec.width_px),
        height_px=round(zoom * spec.height_px),
        red_cell_px=zoom * spec.red_cell_px,
    )


def cells_in(slide: SyntheticSlide, view: SlideView) -> list[SlideCell]:
    """White cells and smudges whose centre lies in a view of a slide."""
    scale = slide.spec.px_per_um
    return [
        SlideCell(
            cell.key,
            CLASS_OF[cell.kind],
            cell.x_um * scale - view.x_px,
            cell.y_um * scale - view.y_px,
            cell.radius_um * scale,
        )
        for cell in slide.white_cells(view.x_px, view.y_px, view.width_px, view.height_px)
    ]
