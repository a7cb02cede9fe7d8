"""How large the red cells are: the ruler built into every smear.

A red cell is 7 to 8 um across in every healthy person, and a smear is full of them. Their diameter
in pixels tells the magnification, and so the size at which a detector should see the image.

The estimate is a radial-symmetry vote (Loy and Zelinsky, IEEE TPAMI 2003) over an image pyramid:
each edge point that is brighter outside than inside votes for a centre one radius inwards. Central
pallor, overlap and cropping leave part of a cell's outer arc intact, which is why arcs vote and
areas do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray

#: Long side in pixels of the finest pyramid level.
WORKING_SIDE_PX = 1280
#: Radii voted for at each level, in pixels of that level; the next level halves the image.
LEVEL_RADII_PX = np.geomspace(8.0, 16.0, 8, endpoint=False)
LEVELS = 5
#: Votes are counted on a grid this much coarser than the edges: the blur hides the difference.
GRID_PX = 2
#: Most edge points that vote at a level; in a busier picture only every second or third one does.
MAX_VOTES = 24_000
#: Width of a vote (standard deviation) as a fraction of the radius: cells are not quite round.
VOTE_BLUR = 0.22
#: Fraction of a full circle's votes that makes a cell.
CIRCLE_FRACTION = 0.25
#: Below this the estimate is weak and should be shown to the user as such.
CONFIDENT = 0.1


@dataclass(frozen=True)
class RedCellEstimate:
    """The size of the red cells of one image.

    Attributes:
        diameter_px: Median red-cell diameter in pixels of the image; 0 when none was seen.
        confidence: 0 (nothing round was seen) to 1 (many circles of one size).
    """

    diameter_px: float
    confidence: float

    @property
    def reliable(self) -> bool:
        """Whether many circles of one size were seen."""
        return self.confidence >= CONFIDENT


def _uint8(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """For mypy: OpenCV keeps the type of its input, but its stubs do not say so."""
    return np.asarray(image, dtype=np.uint8)


def _edge_points(gray: npt.NDArray[np.uint8]) -> tuple[FloatArray, FloatArray, float]:
    """Positions (2, N) as x, y, unit normals (2, N) to the brighter side, and points per vote."""
    smooth = cv2.GaussianBlur(gray, (5, 5), 1.0)
    dx = cv2.Sobel(smooth, cv2.CV_16S, 1, 0)
    dy = cv2.Sobel(smooth, cv2.CV_16S, 0, 1)
    strength = np.abs(dx[::3, ::3]) + np.abs(dy[::3, ::3])
    high = float(np.clip(np.percentile(strength, 88), 24, 4000))
    edges = cv2.Canny(dx, dy, 0.5 * high, high)
    if not edges.any():
        return np.zeros((2, 0), np.float32), np.zeros((2, 0), np.float32), 1.0
    places = cv2.findNonZero(edges)
    every = -(-len(places) // MAX_VOTES)
    x, y = places.reshape(-1, 2)[::every].T
    normal = np.stack([dx[y, x], dy[y, x]]).astype(np.float32)
    normal /= np.maximum(np.hypot(normal[0], normal[1]), 1e-6)
    return np.stack([x, y]).astype(np.float32), normal, float(every)


def _score(
    points: FloatArray,
    normals: FloatArray,
    weight: float,
    radius_px: float,
    shape: tuple[int, int],
) -> tuple[float, int]:
    """Share of the image covered by circles of this radius, and how many there are."""
    height, width = shape[0] // GRID_PX, shape[1] // GRID_PX
    x, y = ((points - radius_px * normals) * (1.0 / GRID_PX)).astype(np.int32)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    votes = np.bincount((y * width + x)[inside], minlength=width * height)
    blur = VOTE_BLUR * radius_px / GRID_PX
    field = cv2.GaussianBlur(votes.reshape(height, width).astype(np.float32), (0, 0), blur)
    full_circle = 2 * math.pi * radius_px / (2 * math.pi * blur * blur * weight)
    reach = 2 * round(0.7 * radius_px / GRID_PX) + 1
    summit = cv2.dilate(field, np.ones((reach, reach), np.uint8))
    peak = (field >= summit) & (field > CIRCLE_FRACTION * full_circle)
    strength = np.minimum(field[peak] / full_circle, 1.0)
    covered = float((strength**2).sum()) * math.pi * radius_px**2 / (shape[0] * shape[1])
    return covered, len(strength)


def estimate_red_cell(image: npt.NDArray[np.uint8]) -> RedCellEstimate:
    """Measure the red cells of a field.

    Args:
        image: RGB, (H, W, 3), uint8, bright field (light background).

    Returns:
        Diameter in pixels of `image` and a confidence.
    """
    height, width = image.shape[:2]
    # Subsampling without a filter is enough: the blur below is wider than its aliasing.
    step = max(1, int(max(height, width) / WORKING_SIDE_PX))
    green = np.ascontiguousarray(image[::step, ::step, 1])
    factor = min(1.0, WORKING_SIDE_PX / max(green.shape))
    if factor < 0.8:
        green = _uint8(cv2.resize(green, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
    px_per_px = max(height, width) / max(green.shape)

    radii: list[float] = []
    scores: list[float] = []
    counts: list[int] = []
    level = green
    for n in range(LEVELS):
        if min(level.shape) < 24:
            break
        points, normals, weight = _edge_points(level)
        size = (level.shape[0], level.shape[1])
        for radius in LEVEL_RADII_PX:
            score, count = _score(points, normals, weight, float(radius), size)
            radii.append(float(radius) * 2**n)
            scores.append(score)
            counts.append(count)
        level = _uint8(cv2.pyrDown(level))
    if not scores or max(scores) <= 0:
        return RedCellEstimate(0.0, 0.0)

    raw = np.array(scores)
    smooth = np.convolve(np.pad(raw, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    best = int(np.argmax(smooth))
    radius = radii[best]
    if 0 < best < len(radii) - 1:
        left, mid, right = smooth[best - 1 : best + 2]
        bend = left - 2 * mid + right
        shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
        radius *= (radii[best + 1] / radii[best]) ** shift
    far = np.abs(np.log(np.array(radii) / radius)) > math.log(1.5)
    rival = float(smooth[far].max()) if far.any() else 0.0
    prominence = 1.0 - rival / float(smooth[best])
    enough = 1.0 - math.exp(-counts[best] / 4.0)
    coverage = min(1.0, float(smooth[best]) / 0.05)
    confidence = max(0.0, prominence) * enough * coverage
    return RedCellEstimate(float(2.0 * radius * px_per_px), float(confidence))


@dataclass(frozen=True)
class Scale:
    """The red-cell size that a detection used, and where it came from.

    Attributes:
        red_cell_px: Diameter in source pixels; None for the model's default size.
        origin: Measured on the image, given by the user, or the model's default.
        estimate: What was measured, if anything was.
    """

    red_cell_px: float | None
    origin: Literal["measured", "given", "default"]
    estimate: RedCellEstimate | None = None


def resolve_scale(image: npt.NDArray[np.uint8], given_px: float | None = None) -> Scale:
    """The scale to use for a still image: the user's value, else a measurement, else the default.

    Args:
        image: RGB, (H, W, 3), uint8.
        given_px: Red-cell diameter in pixels that the user gave, if any.
    """
    estimate = estimate_red_cell(image)
    if given_px is not None:
        # Measured all the same: a size far from the measured one is worth a warning.
        return Scale(given_px, "given", estimate)
    # A weak estimate is usually off by less than the model's default: on close-ups of the PBC set
    # every false blast came from the default. (Seen on its held-out part, as the card says.)
    if estimate.diameter_px > 0:
        return Scale(estimate.diameter_px, "measured", estimate)
    return Scale(None, "default", estimate)
