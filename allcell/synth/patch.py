"""A small raster around one cell, in micrometres: outlines, textures, soft edges."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from allcell.synth.palette import PIGMENTS
from allcell.synth.scatter import F32

#: Flattens an outline where other cells press against it.
Press = Callable[[F32], F32]

#: Coverage (n, n), 0 to 1, and pigment concentrations (PIGMENTS, n, n) at full coverage.
Painted = tuple[F32, F32]

_TURN_STEPS = 720


class Patch:
    """The pixels around one cell.

    Attributes:
        x_um: Shape (n, n): distance of each pixel centre to the right of the cell's centre.
        y_um: Shape (n, n): its distance below the cell's centre.
        px_per_um: Scale.
        left_px: Column of the first pixel on the slide.
        top_px: Row of the first pixel on the slide.
        rng: Source of the cell's own randomness.
    """

    def __init__(
        self,
        x_px: float,
        y_px: float,
        half_um: float,
        px_per_um: float,
        rng: np.random.Generator,
    ) -> None:
        """Lay a raster around a point of the slide (pixels) that reaches half_um each way."""
        half_px = half_um * px_per_um
        self.left_px = math.floor(x_px - half_px)
        self.top_px = math.floor(y_px - half_px)
        size = math.ceil(2 * half_px) + 2
        steps = np.arange(size) + 0.5
        x = ((steps + self.left_px - x_px) / px_per_um).astype(np.float32)
        y = ((steps + self.top_px - y_px) / px_per_um).astype(np.float32)
        self.x_um: F32 = np.broadcast_to(x[None, :], (size, size))
        self.y_um: F32 = np.broadcast_to(y[:, None], (size, size))
        self.px_per_um = px_per_um
        self.rng = rng

    @property
    def size_px(self) -> int:
        """Side of the raster."""
        return int(self.x_um.shape[0])

    def ink(self) -> F32:
        """Pigment concentrations (PIGMENTS, n, n), all 0."""
        return np.zeros((PIGMENTS, self.size_px, self.size_px), dtype=np.float32)

    def shift(self, distance_um: float) -> tuple[float, float]:
        """A step of that length in a random direction, in micrometres."""
        turn = self.rng.uniform(0, 2 * math.pi)
        return distance_um * math.cos(turn), distance_um * math.sin(turn)

    def edge(self, inside_um: F32, softness_um: float = 0.0) -> F32:
        """Coverage 0 to 1 from a distance inside an outline; never sharper than a pixel."""
        width_um = max(1 / self.px_per_um, softness_um)
        return np.asarray(np.clip(inside_um / width_um + 0.5, 0, 1), dtype=np.float32)

    def blob(
        self,
        x_um: float,
        y_um: float,
        radius_um: float,
        *,
        stretch: float = 1.0,
        turn: float | None = None,
        wobble: float = 0.05,
        lowest: int = 2,
        highest: int = 6,
    ) -> F32:
        """Distance in micrometres inside a wobbly ellipse (negative outside).

        Args:
            x_um: Centre, from the patch's centre.
            y_um: Centre, downwards.
            radius_um: Mean radius.
            stretch: Long axis over short axis.
            turn: Direction of the long axis in radians; drawn if None.
            wobble: Relative depth of the dents.
            lowest: Fewest dents around the outline.
            highest: Most dents around the outline.
        """
        rng = self.rng
        turn = rng.uniform(0, math.pi) if turn is None else turn
        angle = np.arange(_TURN_STEPS) * (2 * math.pi / _TURN_STEPS)
        orders = np.arange(lowest, highest + 1)
        depth = wobble * rng.normal(0, 1, len(orders)) * (lowest / orders) ** 1.1
        phase = rng.uniform(0, 2 * math.pi, len(orders))
        radii = 1 + (depth[:, None] * np.cos(np.outer(orders, angle) + phase[:, None])).sum(axis=0)
        axes = math.sqrt(stretch)
        c, s = np.cos(angle - turn), np.sin(angle - turn)
        radii = radius_um * radii / np.sqrt((c / axes) ** 2 + (s * axes) ** 2)
        rho, theta = cv2.cartToPolar(self.x_um - np.float32(x_um), self.y_um - np.float32(y_um))
        # One step more than a turn: rounding may give an angle of exactly 2 pi.
        table = np.append(radii, radii[0]).astype(np.float32)
        theta *= np.float32(_TURN_STEPS / (2 * math.pi))
        inside = table[theta.astype(np.int32)]
        inside -= rho
        return np.asarray(inside, dtype=np.float32)

    def capsule(
        self, a: tuple[float, float], b: tuple[float, float], ra_um: float, rb_um: float
    ) -> F32:
        """Distance inside a rod from a to b (micrometres) whose radius goes from ra to rb."""
        dx, dy = b[0] - a[0], b[1] - a[1]
        length2 = max(dx * dx + dy * dy, 1e-9)
        px, py = self.x_um - np.float32(a[0]), self.y_um - np.float32(a[1])
        along = np.clip((px * dx + py * dy) / length2, 0, 1)
        radius = ra_um + (rb_um - ra_um) * along
        gap = np.hypot(px - along * dx, py - along * dy)
        return np.asarray(radius - gap, dtype=np.float32)

    def noise(self, feature_um: float, *, along_um: float | None = None, turn: float = 0.0) -> F32:
        """Smooth noise (n, n), mean 0, standard deviation about 1.

        Args:
            feature_um: Size of a grain. Grains smaller than a pixel fade, as in a real image.
            along_um: Length of a grain, if it is elongated.
            turn: Direction of its long axis, in radians.
        """
        n = self.size_px
        pitch_px = max(feature_um * self.px_per_um, 0.5)
        fade = min(1.0, feature_um * self.px_per_um)
        if along_um is None:
            nodes = math.ceil(n / pitch_px) + 2
            lattice = self.rng.standard_normal((nodes, nodes), dtype=np.float32)
            side = max(n, math.ceil(nodes * pitch_px))
            fine = cv2.resize(lattice, (side, side), interpolation=cv2.INTER_CUBIC)
            start = (side - n) // 2
            return np.asarray(fine[start : start + n, start : start + n] * (1.35 * fade))
        long_px = max(along_um * self.px_per_um, 0.5)
        reach = n * 0.75
        shape = (2 * math.ceil(reach / pitch_px) + 4, 2 * math.ceil(reach / long_px) + 4)
        lattice = self.rng.standard_normal(shape, dtype=np.float32)
        c, s = math.cos(turn), math.sin(turn)
        # From patch pixels to lattice nodes: turn about the middle, then squeeze.
        m = np.array([[c / long_px, s / long_px, 0.0], [-s / pitch_px, c / pitch_px, 0.0]])
        m[:, 2] = np.array([shape[1] / 2, shape[0] / 2]) - m[:, :2] @ np.array([n / 2, n / 2])
        fine = cv2.warpAffine(
            lattice,
            m,
            (n, n),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        return np.asarray(fine * np.float32(1.35 * fade))

    def cut(self, inside_um: F32, x: float, y: float, offset_um: float) -> F32:
        """Flatten an outline along a line, with a rounded corner.

        Args:
            inside_um: Distance inside the outline.
            x: Unit normal of the line, pointing out of the cell.
            y: Unit normal, downwards.
            offset_um: Distance of the line from the cell's centre.
        """
        line = np.float32(offset_um) - (self.x_um * np.float32(x) + self.y_um * np.float32(y))
        return soft_min(inside_um, line, 0.5)


def bell(distance_um: F32, width_um: float) -> F32:
    """1 at distance 0, falling off like a bell."""
    return np.asarray(np.exp(-np.square(distance_um / np.float32(width_um))), dtype=np.float32)


def soft_min(a: F32, b: F32, width: float) -> F32:
    """The smaller of two distances, rounded where they meet (never above either)."""
    h = np.clip(width - np.abs(a - b), 0, None) / width
    return np.asarray(np.minimum(a, b) - h * h * (width / 4), dtype=np.float32)


def soft_max(a: F32, b: F32, width: float) -> F32:
    """The larger of two distances, rounded where they meet (never below either)."""
    return -soft_min(-a, -b, width)


def bounding_box(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom (exclusive) of the pixels that are set, or None."""
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    if len(columns) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
