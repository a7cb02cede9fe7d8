"""Red cells and platelets: many and similar, so a bank of stamps is painted once for each slide."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from allcell.synth.patch import Patch, bell
from allcell.synth.scatter import F32
from allcell.synth.spec import RED_CELL_UM

RED_SHAPES = 36
PLATELET_SHAPES = 24

#: No red cell reaches further than this from its centre, in micrometres.
RED_REACH_UM = 0.8 * RED_CELL_UM
PLATELET_REACH_UM = 3.2


@dataclass(frozen=True, eq=False)
class Bank:
    """Ready-made stamps of one size.

    Attributes:
        stamps: Shape (8 * N, n, n), float32: pigment concentration; each of N shapes in its
            eight rotations and mirror images.
    """

    stamps: F32

    @classmethod
    def of(cls, shapes: list[F32]) -> Bank:
        """All rotations and mirror images of square stamps."""
        turned = [np.rot90(s, k) for s in shapes for k in range(4)]
        return cls(np.ascontiguousarray(np.stack([*turned, *(np.fliplr(s) for s in turned)])))

    def __len__(self) -> int:
        return len(self.stamps)


def _red_cell(patch: Patch, pallor: float) -> F32:
    """Haemoglobin of one red cell: a plateau, a pale dimple, a soft rim."""
    rng = patch.rng
    radius = RED_CELL_UM / 2 * float(np.clip(rng.normal(1, 0.07), 0.82, 1.2))
    odd = rng.random()
    stretch = 1 + abs(rng.normal(0, 0.09)) + (0.25 if odd < 0.05 else 0.0)
    turn = rng.uniform(0, math.pi)
    outline = patch.blob(
        0,
        0,
        radius,
        stretch=stretch,
        turn=turn,
        wobble=0.055 if odd > 0.9 else 0.022,
        highest=9 if odd > 0.95 else 5,
    )
    depth = float(np.clip(pallor * rng.uniform(0.5, 1.35), 0, 0.95))
    if 0.05 < odd < 0.12:
        depth *= 0.1  # spherocytes have no pale centre
    dimple_um = radius * rng.uniform(0.36, 0.58)
    away = rng.uniform(0, 0.14) * radius
    dimple = patch.blob(
        away * math.cos(turn),
        away * math.sin(turn),
        dimple_um,
        stretch=2.2 if 0.12 < odd < 0.16 else stretch * rng.uniform(0.95, 1.15),
        turn=turn,
        wobble=0.07,
    )
    slope_um = radius * rng.uniform(0.3, 0.6)
    pale = np.clip(dimple / slope_um + 0.5, 0, 1)
    pale = pale * pale * (3 - 2 * pale)
    thickness = 1 - depth * pale + 0.10 * bell(outline - 0.35, 0.45)
    if 0.16 < odd < 0.19:
        thickness += 0.6 * depth * bell(np.hypot(patch.x_um, patch.y_um), 0.16 * radius)
    thickness += 0.018 * patch.noise(0.6) + 0.03 * patch.noise(2.4)
    # The rim of a dried cell falls off within some tenths of a micrometre.
    rim = np.clip(outline / 0.55 + 0.35, 0, 1)
    return np.asarray(thickness * patch.edge(outline) * (0.55 + 0.45 * rim), dtype=np.float32)


def red_bank(rng: np.random.Generator, px_per_um: float, pallor: float) -> Bank:
    """Red cells; concentration 1 is the rim of a typical one.

    Args:
        rng: The slide's randomness.
        px_per_um: Scale.
        pallor: Depth of the pale centre, 0 to 1.
    """
    shapes = [
        _red_cell(Patch(rng.random(), rng.random(), RED_REACH_UM, px_per_um, rng), pallor)
        for _ in range(RED_SHAPES)
    ]
    return Bank.of(shapes)


def _platelet(patch: Patch) -> F32:
    """A small ragged body with a granular middle."""
    rng = patch.rng
    radius = float(rng.triangular(0.7, 1.1, 1.9))
    outline = patch.blob(0, 0, radius, stretch=rng.uniform(1, 1.45), wobble=0.07, highest=7)
    outline += 0.05 * patch.noise(0.7)
    middle = patch.edge(outline - 0.35 * radius, 0.7 * radius)
    grains = np.clip(1 + 0.3 * patch.noise(0.4), 0.3, 1.8)
    body = rng.uniform(0.2, 0.4) + rng.uniform(0.2, 0.7) * middle * grains
    return np.asarray(patch.edge(outline, 0.5) * body, dtype=np.float32)


def _speck(patch: Patch) -> F32:
    """A grain of dye that fell out of solution: tiny and nearly black."""
    outline = patch.blob(0, 0, patch.rng.uniform(0.2, 0.5), stretch=1.4, wobble=0.1)
    return np.asarray(2.2 * patch.edge(outline), dtype=np.float32)


def platelet_bank(rng: np.random.Generator, px_per_um: float) -> Bank:
    """Platelets (and one in twelve a speck of dye); concentration of the azure pigment.

    Args:
        rng: The slide's randomness.
        px_per_um: Scale.
    """
    shapes = []
    for n in range(PLATELET_SHAPES):
        patch = Patch(rng.random(), rng.random(), PLATELET_REACH_UM, px_per_um, rng)
        shapes.append(_speck(patch) if n % 12 == 0 else _platelet(patch))
    return Bank.of(shapes)
