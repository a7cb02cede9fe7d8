"""The dark rim that is no part of a field: a black border or caption bar, an eyepiece's outside.

A rim takes light, size and stain out of proportion, so all that measures a picture measures what
lies within it. A picture without dark corners costs four pixels, and is measured whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from allcell.detections import BoolArray, FloatArray
from allcell.imaging.sampling import every_so_many

Image = npt.NDArray[np.uint8]

#: Brightest channel of a rim, 0 to 255, and how far its pixels differ from its corner.
_DARK, _PLAIN = 56, 10
#: Blocks along the long side in which the rim is looked for.
_BLOCKS = 256
#: Share of an outermost row or column that is rim where the rim is straight.
_STRAIGHT = 0.9
#: Corners that lie outside an eyepiece, at least.
_LEAST_CORNERS = 2
#: Share of the picture, and pixels a side, that have to be left within the rim.
_LEAST_WITHIN, _LEAST_SIDE_PX = 0.12, 32
#: Share of the picture beyond which the rim is all that there is.
_ALL = 0.95
#: Width of the soft edge, as a part of the short side: an eyepiece's is out of focus, and of a
#: border a resized or compressed picture keeps a trace.
_SOFT_ROUND, _SOFT_STRAIGHT = 0.02, 0.004
#: Share of a box that lies on the rim from which on it cannot be a cell of the field.
_MOSTLY = 0.5


@dataclass(frozen=True, eq=False)
class Rim:
    """A dark rim.

    Attributes:
        within: Left, top, right and bottom, in pixels, of a part of the picture without rim; None
            if none is large enough.
        outside: Blocks (h, w) that hold rim, its soft edge included; they cover the picture evenly.
        level: Brightest channel of its pixels, 0 to 255.
    """

    within: tuple[int, int, int, int] | None
    outside: BoolArray
    level: int

    def on_it(self, xyxy: FloatArray, shape: tuple[int, ...]) -> BoolArray:
        """Whether boxes (N, 4), in pixels of a picture (H, W), lie mostly on it: (N,)."""
        rows, columns = self.outside.shape
        height_px, width_px = shape
        total = _summed(self.outside)
        scale = np.array([columns / width_px, rows / height_px] * 2)
        limit = np.array([columns, rows] * 2)
        x0, y0, x1, y1 = np.clip(np.rint(xyxy * scale), 0, limit).astype(int).T
        x0, y0 = np.minimum(x0, columns - 1), np.minimum(y0, rows - 1)
        x1, y1 = np.maximum(x1, x0 + 1), np.maximum(y1, y0 + 1)
        covered = total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0]
        return np.asarray(covered > _MOSTLY * (x1 - x0) * (y1 - y0), bool)

    def painted(self, image: Image, value: int) -> Image:
        """A copy of the picture, RGB uint8 (H, W, 3), whose rim has one grey value (0 to 255)."""
        height, width = image.shape[:2]
        near = cv2.resize(
            self.outside.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
        )
        mask = cv2.bitwise_and(_as_dark(image, self.level), 255 * near)
        return np.asarray(cv2.copyTo(np.full_like(image, value), mask, image.copy()), np.uint8)


def _as_dark(image: Image, level: int) -> Image:
    """Where (H, W) no channel of a picture is brighter: 255, elsewhere 0."""
    return np.asarray(cv2.inRange(image, np.zeros(3), np.full(3, float(level))), np.uint8)


def _in_blocks(dark: Image, size: tuple[int, int]) -> Image:
    """Whether blocks, so many across and down, hold anything dark of (H, W): 1 or 0."""
    return np.asarray(cv2.resize(dark, size, interpolation=cv2.INTER_AREA) > 2, np.uint8)


def _outermost(picture: Image) -> tuple[Image, Image, Image, Image]:
    """Views of the first and last row and column of a picture (H, W, ...)."""
    return picture[:1], picture[-1:], picture[:, :1], picture[:, -1:]


def _summed(mask: BoolArray) -> npt.NDArray[np.int64]:
    """Sums (h + 1, w + 1) of all of a mask (h, w) that lies above and to the left."""
    total = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    total[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)
    return total


def find_rim(image: Image) -> Rim | None:
    """The dark rim of a picture: 5 ms where a corner is dark, else nothing.

    Args:
        image: RGB uint8 (H, W, 3).

    Returns:
        None if there is no rim, or nothing else.
    """
    height, width = image.shape[:2]
    corners = image[[0, 0, -1, -1], [0, -1, 0, -1]].max(axis=1)
    if corners.min() > _DARK or min(height, width) < _LEAST_SIDE_PX:
        return None
    level = int(corners[corners <= _DARK].max()) + _PLAIN
    scale = min(1.0, _BLOCKS / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Four pixels of each block's side are enough.
    some = every_so_many(image, max(1, round(0.25 / scale)))
    blocks = _in_blocks(_as_dark(some, level), size)
    lines = [_as_dark(np.ascontiguousarray(line), level) for line in _outermost(image)]
    # A border of one pixel lies between those that were looked at.
    for edge, line in zip(_outermost(blocks), lines, strict=True):
        edge |= _in_blocks(line, edge.shape[1::-1])
    _, label = cv2.connectedComponents(blocks, connectivity=4)
    at_corners = label[[0, 0, -1, -1], [0, -1, 0, -1]]
    outside = np.isin(label, at_corners[at_corners > 0])
    straight = any(float((line > 0).mean()) >= _STRAIGHT for line in lines)
    if not straight and (corners <= level).sum() < _LEAST_CORNERS:
        return None
    if outside.mean() > _ALL:
        return None
    return Rim(_within(outside, width, height), _with_soft_edge(outside), level)


def _with_soft_edge(outside: BoolArray) -> BoolArray:
    reach = 2 * max(1, round(_SOFT_ROUND * min(outside.shape))) + 1
    return np.asarray(cv2.dilate(outside.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0)


def _within(outside: BoolArray, width: int, height: int) -> tuple[int, int, int, int] | None:
    """A large rectangle without rim: the side that has most of it gives way until there is none."""
    total = _summed(outside)
    left, top, right, bottom = 0, 0, outside.shape[1], outside.shape[0]
    is_round = False

    def share(x0: int, y0: int, x1: int, y1: int) -> float:
        covered = total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0]
        return float(covered) / ((x1 - x0) * (y1 - y0))

    while left < right and top < bottom and share(left, top, right, bottom) > 0:
        shares = (
            share(left, top, left + 1, bottom),
            share(left, top, right, top + 1),
            share(right - 1, top, right, bottom),
            share(left, bottom - 1, right, bottom),
        )
        most = max(range(4), key=lambda side: shares[side])
        is_round |= shares[most] < 0.5
        left, top = left + (most == 0), top + (most == 1)
        right, bottom = right - (most == 2), bottom - (most == 3)
    if left >= right or top >= bottom:
        return None
    soft = max(1, round((_SOFT_ROUND if is_round else _SOFT_STRAIGHT) * min(width, height)))
    across, down = width / outside.shape[1], height / outside.shape[0]
    # Sides where there was no rim stay as they are.
    x0 = int(np.ceil(left * across)) + soft if left else 0
    y0 = int(np.ceil(top * down)) + soft if top else 0
    x1 = int(right * across) - soft if right < outside.shape[1] else width
    y1 = int(bottom * down) - soft if bottom < outside.shape[0] else height
    if min(x1 - x0, y1 - y0) < _LEAST_SIDE_PX:
        return None
    if (x1 - x0) * (y1 - y0) < _LEAST_WITHIN * width * height:
        return None
    return x0, y0, x1, y1


def part_within(image: Image) -> tuple[Image, tuple[int, int, int, int] | None]:
    """The part of a picture within its rim, and where it lies; the picture itself without a rim.

    Args:
        image: RGB uint8 (H, W, 3).

    Returns:
        RGB uint8 (h, w, 3) and left, top, right and bottom in pixels, None for all of it.
    """
    rim = find_rim(image)
    if rim is None or rim.within is None:
        return image, None
    left, top, right, bottom = rim.within
    # Contiguous, as what measures it is much faster so.
    return np.ascontiguousarray(image[top:bottom, left:right]), rim.within
