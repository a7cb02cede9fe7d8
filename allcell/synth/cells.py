"""Single cells: what a painter made, as a stamp that can be laid on a slide or on a photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allcell.synth.palette import absorbance
from allcell.synth.patch import Patch, bounding_box
from allcell.synth.scatter import F32
from allcell.synth.spec import RADIUS_UM, RED_CELL_UM, Kind, Stain
from allcell.synth.white_cells import PAINTERS

#: A cell's outline may reach as far as this many nominal radii.
REACH = 1.5

#: Fraction of a red cell that a white one on top pushes away; a smudge lets it show through.
_OPACITY = {kind: 0.35 if kind is Kind.SMUDGE else 0.92 for kind in Kind}

#: A neighbour that flattens a cell: unit normal towards it and distance of the line (um).
Contact = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Stamp:
    """One painted cell on the pixel raster of a slide.

    Attributes:
        left_px: Column of the stamp's first pixel on the slide.
        top_px: Row of the stamp's first pixel on the slide.
        density: Shape (3, n, n), float32: natural-log optical density of red, green, blue.
        cover: Shape (n, n), float32, 0 to 1: how much of each pixel the cell covers.
        opacity: Fraction of what lies under the cell that it hides, 0 to 1.
    """

    left_px: int
    top_px: int
    density: F32
    cover: F32
    opacity: float

    def box_px(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom on the slide of the pixels that are at least half covered.

        Raises:
            ValueError: If there is no such pixel.
        """
        box = bounding_box(self.cover >= 0.5)
        if box is None:
            raise ValueError("the stamp is empty")
        x, y = self.left_px, self.top_px
        return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def draw_radius_um(kind: Kind, rng: np.random.Generator) -> float:
    """A plausible radius in micrometres for a cell of that kind."""
    return float(rng.triangular(*RADIUS_UM[kind]))


def stamp(
    kind: Kind,
    x_px: float,
    y_px: float,
    radius_um: float,
    px_per_um: float,
    pigments: F32,
    rng: np.random.Generator,
    contacts: tuple[Contact, ...] = (),
) -> Stamp:
    """Paint one cell.

    Args:
        kind: What to paint.
        x_px: Centre on the slide, to subpixel precision.
        y_px: Centre on the slide.
        radius_um: Nominal radius.
        px_per_um: Scale.
        pigments: Optical density (PIGMENTS, 3), see `palette.absorbance`.
        rng: The cell's own randomness.
        contacts: Neighbours that press against it.
    """
    patch = Patch(x_px, y_px, radius_um * REACH, px_per_um, rng)

    def press(inside_um: F32) -> F32:
        for x, y, offset_um in contacts:
            inside_um = patch.cut(inside_um, x, y, offset_um)
        return inside_um

    cover, ink = PAINTERS[kind](patch, radius_um, press)
    natural = pigments * np.float32(np.log(10))
    density = np.zeros((3, *cover.shape), dtype=np.float32)
    for pigment, amount in enumerate(ink):
        if amount.any():
            covered = np.clip(amount, 0, None) * cover
            for channel in range(3):
                density[channel] += covered * natural[pigment, channel]
    return Stamp(patch.left_px, patch.top_px, density, cover, _OPACITY[kind])


def render_cell(
    kind: Kind, red_cell_px: float, rng: np.random.Generator, stain: Stain | None = None
) -> tuple[F32, tuple[int, int, int, int]]:
    """One cell to paste into a photograph.

    To paste it so that light is absorbed as under a microscope:
    `photo * (1 - alpha) + background * rgb * alpha`, with the colour of the photograph's empty
    background (0 to 255).

    Args:
        kind: What to paint.
        red_cell_px: Red-cell diameter of the photograph in pixels.
        rng: Source of randomness.
        stain: The dyes; a typical stain if None.

    Returns:
        The cell (n, n, 4), float32, 0 to 1: straight (not premultiplied) colour on a white
        background, then alpha; and its box x1, y1, x2, y2 in pixels of that raster.

    Raises:
        ValueError: If the red-cell diameter is not positive.
    """
    if not red_cell_px > 0:
        raise ValueError(f"red_cell_px: expected a positive diameter, got {red_cell_px!r}")
    offset_x, offset_y = rng.random(2)
    made = stamp(
        kind,
        float(offset_x),
        float(offset_y),
        draw_radius_um(kind, rng),
        red_cell_px / RED_CELL_UM,
        absorbance(stain or Stain()),
        rng,
    )
    # The painter weights the density by the coverage; alpha does that here.
    full = made.density / np.maximum(made.cover, 0.05)
    rgba = np.dstack([*np.exp(-full), made.cover]).astype(np.float32)
    x1, y1, x2, y2 = made.box_px()
    x, y = made.left_px, made.top_px
    return rgba, (x1 - x, y1 - y, x2 - x, y2 - y)
