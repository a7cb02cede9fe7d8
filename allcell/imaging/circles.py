"""Round things that are darker than what surrounds them, of every size, in an image.

A radial-symmetry vote (Loy and Zelinsky, IEEE TPAMI 2003): each edge point that is brighter outside
than inside votes for a centre one radius inwards. Pallor, overlap and cut cells leave the outer arc
of a cell as it is, which is why arcs vote and areas do not. Small cells need the full resolution,
large ones a wide view: each octave of radii is voted for at its own resolution, in a few windows of
the image where that has more pixels than the octave needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray

#: Radii in an octave.
STEPS = 6
#: Smallest radius of a level, in pixels of that level; the next level halves the image.
LEVEL_RADIUS_PX = 9.0
#: Radii below that which the finest level looks for as well: red cells of 10 px and less.
FINER = 7
#: Radii that a level shares with the next one, so that no size falls between two levels.
SHARED = 3
#: No larger radius is looked for, in pixels of the image: red cells of 200 px and some more.
LARGEST_RADIUS_PX = 130.0
#: In a smaller image nothing is looked for.
SMALLEST_SIDE_PX = 24
#: Pixels that are looked at on one level; a larger level is seen through windows.
LEVEL_PIXELS = 200_000
#: Side of such a window, in pixels of the level.
WINDOW_PX = 224
#: Votes are counted on a grid this much coarser than the edges: the blur hides the difference.
GRID_PX = 2
#: Edge points that vote on a level; in a busier picture every second or third one does.
MAX_VOTES = 20_000
#: No edge weaker than this votes (sum of both Sobel gradients, of a lightly blurred level).
LEAST_EDGE = 24.0
#: An edge of this strength always votes, as a fraction of the light of the empty slide: among many
#: nuclei, whose edges are far stronger, the rims of red cells would be lost.
FAINT_RIM = 0.35
#: Circles of one radius that are looked at more closely; the first ones stand for all.
MAX_CIRCLES = 240
#: Width of a vote (standard deviation) as a fraction of the radius: cells are not quite round.
VOTE_BLUR = 0.22
#: Fraction of a full circle's votes that makes a circle.
CIRCLE_FRACTION = 0.3

_TURNS = np.arange(16) * (2 * math.pi / 16)
_RING = np.stack([np.cos(_TURNS), np.sin(_TURNS)])
#: Where a circle is looked at, in radii: below the rim, outside a red cell's pale centre.
_INSIDE = np.asarray(0.65 * _RING[:, ::2], dtype=np.float32)
#: Where its surroundings are looked at.
_OUTSIDE = np.concatenate([1.3 * _RING[:, ::2], 1.6 * _RING[:, 1::2]], axis=1, dtype=np.float32)
_TWICE = np.concatenate([2 * _TURNS[::2], 2 * _TURNS[1::2]])
_LEAN = np.stack([np.cos(_TWICE), np.sin(_TWICE)]).astype(np.float32) / len(_TWICE)
_LOG = np.log(np.arange(1, 257, dtype=np.float32))


@dataclass(frozen=True, eq=False)
class Circles:
    """Round dark things; one thing may be found at several neighbouring radii.

    Attributes:
        radius_px: Shape (R,): the radii that were looked for, rising, in pixels of the image.
        index: Shape (N,): which radius each circle has.
        centre_px: Shape (2, N): x, y of the centres in pixels of the image.
        strength: Shape (N,): fraction of a full circle's votes, 0 to 1.
        weight: Shape (N,): how many circles it stands for; less than 1 where two levels looked for
            the same radius.
        seen_px: Shape (N,): area of the image in which circles of that radius were looked for.
        density: Shape (3, N): how much more red, green and blue light is absorbed inside than
            around it, in natural-log optical density.
        solid: Shape (N,): fraction of places below the rim that are about as dense as the rest.
        apart: Shape (N,): fraction of places around it that are far less dense.
        lean: Shape (2, N): cosine and sine of twice the direction in which they lie, averaged over
            the places: an elongated thing leans, and the threads of a fabric lean alike.
    """

    radius_px: FloatArray
    index: npt.NDArray[np.int64]
    centre_px: FloatArray
    strength: FloatArray
    weight: FloatArray
    seen_px: FloatArray
    density: FloatArray
    solid: FloatArray
    apart: FloatArray
    lean: FloatArray


def _uint8(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """For mypy: OpenCV keeps the type of its input, but its stubs do not say so."""
    return np.asarray(image, dtype=np.uint8)


def _edge_points(gray: npt.NDArray[np.uint8], most: int) -> tuple[FloatArray, FloatArray, float]:
    """Positions (2, N) as x, y, unit normals (2, N) to the brighter side, and points per vote."""
    smooth = cv2.GaussianBlur(gray, (5, 5), 1.0)
    dx = cv2.Sobel(smooth, cv2.CV_16S, 1, 0)
    dy = cv2.Sobel(smooth, cv2.CV_16S, 0, 1)
    strength = np.abs(dx[::3, ::3]) + np.abs(dy[::3, ::3])
    faintest = max(LEAST_EDGE, FAINT_RIM * float(np.percentile(gray[::3, ::3], 90)))
    high = float(np.clip(np.percentile(strength, 88), LEAST_EDGE, faintest))
    edges = cv2.Canny(dx, dy, 0.5 * high, high)
    if not edges.any():
        return np.zeros((2, 0), np.float32), np.zeros((2, 0), np.float32), 1.0
    places = cv2.findNonZero(edges)
    every = -(-len(places) // most)
    x, y = places.reshape(-1, 2)[::every].T
    normal = np.stack([dx[y, x], dy[y, x]]).astype(np.float32)
    normal /= np.maximum(np.hypot(normal[0], normal[1]), 1e-6)
    return np.stack([x, y]).astype(np.float32), normal, float(every)


def _centres(
    points: FloatArray, normals: FloatArray, weight: float, radius_px: float, shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Centres (2, N) of the circles of one radius, in pixels of the level, and their strength."""
    height, width = shape[0] // GRID_PX, shape[1] // GRID_PX
    x, y = ((points - radius_px * normals) * (1.0 / GRID_PX)).astype(np.int32)
    # A margin takes the votes from beyond the edges: faster than sorting them out.
    margin = math.ceil(radius_px / GRID_PX) + 1
    across, down = width + 2 * margin, height + 2 * margin
    cast = np.bincount((y + margin) * across + (x + margin), minlength=across * down)
    votes = cast.reshape(down, across)[margin:-margin, margin:-margin].astype(np.float32)
    blur = VOTE_BLUR * radius_px / GRID_PX
    field = cv2.GaussianBlur(votes, (0, 0), blur)
    full_circle = 2 * math.pi * radius_px / (2 * math.pi * blur * blur * weight)
    reach = 2 * round(0.7 * radius_px / GRID_PX) + 1
    summit = cv2.dilate(field, np.ones((reach, reach), np.uint8))
    place = np.flatnonzero((field >= summit) & (field > CIRCLE_FRACTION * full_circle))
    strength = np.minimum(field.ravel()[place] / full_circle, 1.0)
    row, column = np.divmod(place, width)
    return (np.stack([column, row]).astype(np.float32) + 0.5) * GRID_PX, strength


def _level(
    image: npt.NDArray[np.uint8], left: int, top: int, right: int, bottom: int, shrink: int
) -> npt.NDArray[np.uint8]:
    """The green channel of a part of the image, `shrink` times smaller."""
    # Every so-many-th pixel is enough: the blur below is wider than what that aliases.
    step = max(1, shrink // 2)
    green = np.ascontiguousarray(image[top:bottom:step, left:right:step, 1])
    if shrink == 1:
        return green
    size = (max(1, green.shape[1] // 2), max(1, green.shape[0] // 2))
    return _uint8(cv2.resize(green, size, interpolation=cv2.INTER_AREA))


def _windows(width: int, height: int, shrink: int) -> list[tuple[int, int, int, int]]:
    """Parts of the image (left, top, right, bottom) to look at on one level."""
    if width * height <= LEVEL_PIXELS * shrink**2:
        return [(0, 0, width, height)]
    side = WINDOW_PX * shrink
    count = LEVEL_PIXELS / WINDOW_PX**2
    columns = max(1, min(round(math.sqrt(count * width / height)), width // side or 1))
    rows = max(1, min(round(count / columns), height // side or 1))
    parts = []
    for row in range(rows):
        for column in range(columns):
            x = round((column + 0.5) * width / columns - side / 2)
            y = round((row + 0.5) * height / rows - side / 2)
            x, y = max(0, min(x, width - side)), max(0, min(y, height - side))
            parts.append((x, y, min(width, x + side), min(height, y + side)))
    return parts


def _light(
    image: npt.NDArray[np.uint8], centre_px: FloatArray, radius_px: FloatArray, where: FloatArray
) -> FloatArray:
    """Logarithm of the light (P, N, 3) at P places of each circle, or at the pixel next to it."""
    height, width = image.shape[:2]
    x, y = centre_px[:, None] + where[:, :, None] * radius_px
    x = np.clip(x, 0, width - 1).astype(np.intp)
    y = np.clip(y, 0, height - 1).astype(np.intp)
    if image.flags.c_contiguous:  # one index is twice as fast as two
        return np.asarray(_LOG.take(image.reshape(-1, 3).take(y * width + x, axis=0)))
    return np.asarray(_LOG[image[y, x]])


def _third_largest(values: FloatArray) -> FloatArray:
    """The third largest along the first axis of at least three; sorting takes ten times as long."""
    first = np.full(values.shape[1:], -np.inf, np.float32)
    second, third = first.copy(), first.copy()
    for value in values:
        lower = np.minimum(first, value)
        np.maximum(first, value, out=first)
        lowest = np.minimum(second, lower)
        np.maximum(second, lower, out=second)
        np.maximum(third, lowest, out=third)
    return third


def _levels(width: int, height: int) -> list[tuple[int, int, FloatArray, FloatArray]]:
    """How far each level shrinks the image, its first radius' index, its radii and weights."""
    if min(width, height) < SMALLEST_SIDE_PX:
        return []
    largest = min(LARGEST_RADIUS_PX, 0.25 * max(width, height))
    shrinks = [1]
    while (
        2 * shrinks[-1] * LEVEL_RADIUS_PX <= largest
        and min(width, height) >= 8 * shrinks[-1] * LEVEL_RADIUS_PX
    ):
        shrinks.append(2 * shrinks[-1])
    levels = []
    for n, shrink in enumerate(shrinks):
        step = np.arange(-FINER if n == 0 else 0, STEPS + SHARED)
        weight = np.ones(len(step), np.float32)
        rise = np.arange(1, SHARED + 1, dtype=np.float32) / (SHARED + 1)
        if n > 0:
            weight[:SHARED] = rise
        if n < len(shrinks) - 1:
            weight[-SHARED:] = rise[::-1]
        radius = (LEVEL_RADIUS_PX * 2.0 ** (step / STEPS)).astype(np.float32)
        kept = radius * shrink <= largest
        first = 0 if n == 0 else FINER + n * STEPS
        levels.append((shrink, first, radius[kept], weight[kept]))
    return levels


def find_circles(image: npt.NDArray[np.uint8]) -> Circles:
    """All round dark things of an image.

    Args:
        image: RGB, (H, W, 3), uint8.

    Returns:
        None are found in an image of less than 24 pixels a side.
    """
    height, width = image.shape[:2]
    radii: dict[int, float] = {}
    index, centre, strength, weight, seen = [], [], [], [], []
    for shrink, first, level_radii, level_weights in _levels(width, height):
        parts = _windows(width, height, shrink)
        area = sum((right - left) * (bottom - top) for left, top, right, bottom in parts)
        for part in parts:
            level = _level(image, *part, shrink)
            points, normals, worth = _edge_points(level, MAX_VOTES // len(parts))
            corner = np.array(part[:2], np.float32)[:, None]
            for i, radius in enumerate(level_radii.tolist()):
                places, strong = _centres(points, normals, worth, radius, level.shape[:2])
                # Neighbours stay together: whether they stand in rank is asked later.
                most = MAX_CIRCLES // len(parts)
                each = level_weights[i] * max(1.0, len(strong) / most)
                places, strong = places[:, :most], strong[:most]
                index.append(np.full(len(strong), first + i))
                centre.append(corner + places * shrink)
                strength.append(strong)
                weight.append(np.full(len(strong), each, np.float32))
                seen.append(np.full(len(strong), area, np.float32))
        radii.update({first + i: r * shrink for i, r in enumerate(level_radii.tolist())})
    none = np.zeros(0, np.float32)
    radius_px = np.array([radii[n] for n in sorted(radii)], np.float32)
    which = np.concatenate([np.zeros(0, np.int64), *index])
    centre_px = np.concatenate([np.zeros((2, 0), np.float32), *centre], axis=1)
    size = radius_px[which]
    outside = _light(image, centre_px, size, _OUTSIDE)
    inside = _light(image, centre_px, size, _INSIDE)
    # Neighbours lie around most cells; the light between them is the reference.
    light = _third_largest(outside)
    density = light - inside.mean(axis=0)
    half = light[:, 1] - 0.5 * density[:, 1]
    apart = outside[:, :, 1] > half
    return Circles(
        radius_px,
        which,
        centre_px,
        np.concatenate([none, *strength]),
        np.concatenate([none, *weight]),
        np.concatenate([none, *seen]),
        density.T,
        (inside[:, :, 1] < half).mean(axis=0, dtype=np.float32),
        apart.mean(axis=0, dtype=np.float32),
        _LEAN @ apart.astype(np.float32),
    )
