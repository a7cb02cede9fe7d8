"""Parts of a slide at any scale."""

from __future__ import annotations

import math

import cv2
import numpy as np
from scipy.sparse import csr_array

from allcell.errors import SlideError
from allcell.formats.pixels import RGBImage
from allcell.slides.slide import MAX_READ_PX, OUTSIDE, Level, Slide

#: Pixels of a level that are held at once while a larger part of it is made smaller.
_BAND_PX = 8_000_000
#: A level may be enlarged by as much where the next finer one would be read only to be shrunk.
_NEARLY = 1.02


def best_level(slide: Slide, scale: float) -> int:
    """The coarsest level that is at least as fine as a scale, in output pixels per finest one."""
    fine = [n for n, at in enumerate(slide.levels) if at.downsample * scale <= _NEARLY]
    return max(fine, default=0)


def read_scaled(
    slide: Slide, x: float, y: float, width: float, height: float, scale: float
) -> RGBImage:
    """A part of a slide at any scale.

    Args:
        slide: The slide.
        x: Left edge in pixels of the finest level; may lie outside.
        y: Top edge.
        width: Width in pixels of the finest level, above 0.
        height: Height.
        scale: Pixels of the answer along a side of one pixel of the finest level, above 0.

    Returns:
        RGB uint8 (round(height * scale), round(width * scale), 3), at least 1x1.

    Raises:
        SlideError: As `Slide.read`; also if the answer were larger than `MAX_READ_PX`.
        ValueError: If a size or the scale is not positive.
    """
    if not (width > 0 and height > 0 and scale > 0):
        raise ValueError(f"expected positive numbers, got {width} x {height} at {scale}")
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    if columns * rows > MAX_READ_PX:
        raise SlideError(
            f"A view of {columns} x {rows} pixels is too large to read at once.",
            "Ask for a smaller one, or at a smaller scale.",
        )
    number = best_level(slide, scale)
    level = slide.levels[number]
    step_x, step_y = width / level.downsample / columns, height / level.downsample / rows
    left, top = x / level.downsample, y / level.downsample
    if step_x == step_y == 1 and left == int(left) and top == int(top):
        return slide.read(int(left), int(top), columns, rows, number)
    answer = np.empty((rows, columns, 3), np.uint8)
    at_once = max(1, int(_BAND_PX / max(columns * step_x * step_y, 1)))
    for first in range(0, rows, at_once):
        last = min(first + at_once, rows)
        answer[first:last] = _band(
            slide, number, (left, top + first * step_y), (step_x, step_y), (columns, last - first)
        )
    return answer


def _band(
    slide: Slide,
    number: int,
    start: tuple[float, float],
    step: tuple[float, float],
    size: tuple[int, int],
) -> RGBImage:
    """Rows of an answer: of so many columns and rows, each pixel so many of the level's wide."""
    level: Level = slide.levels[number]
    # A filter looks beyond a pixel's own square.
    around = 2 + math.ceil(max(step))
    x0, y0 = math.floor(start[0]) - around, math.floor(start[1]) - around
    x1 = math.ceil(start[0] + size[0] * step[0]) + around
    y1 = math.ceil(start[1] + size[1] * step[1]) + around
    # What lies outside is white, and a view of nothing but glass around the slide need not be read.
    cx0, cy0 = max(x0, -around), max(y0, -around)
    cx1, cy1 = min(x1, level.width_px + around), min(y1, level.height_px + around)
    if cx0 >= cx1 or cy0 >= cy1:
        return np.full((size[1], size[0], 3), OUTSIDE, np.uint8)
    read = slide.read(cx0, cy0, cx1 - cx0, cy1 - cy0, number)
    offset = (start[0] - cx0, start[1] - cy0)
    if max(step) > 1:
        return _averaged(read, offset, step, size)
    move = np.array(
        [
            [step[0], 0, offset[0] + 0.5 * step[0] - 0.5],
            [0, step[1], offset[1] + 0.5 * step[1] - 0.5],
        ]
    )
    white = (OUTSIDE, OUTSIDE, OUTSIDE)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    made = cv2.warpAffine(
        read, move, size, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=white
    )
    return np.asarray(made, np.uint8)


def _averaged(
    image: RGBImage, offset: tuple[float, float], step: tuple[float, float], size: tuple[int, int]
) -> RGBImage:
    """Each pixel the mean of the area that it covers, wherever that begins.

    OpenCV's area averaging begins at whole pixels only, so that tiles would not fit each other.
    """
    columns, rows = size
    down = _shares(offset[1], step[1], rows, image.shape[0])
    across = _shares(offset[0], step[0], columns, image.shape[1])
    low = down @ image.reshape(image.shape[0], -1).astype(np.float32)
    turned = np.ascontiguousarray(low.reshape(rows, -1, 3).transpose(1, 0, 2))
    made = (across @ turned.reshape(image.shape[1], -1)).reshape(columns, rows, 3)
    within = np.outer(np.asarray(across.sum(axis=1)), np.asarray(down.sum(axis=1)))
    if within.min() < 1 - 1e-4:
        made += (OUTSIDE * (1 - within))[..., None].astype(np.float32)
    np.rint(made, out=made)
    return np.ascontiguousarray(made.astype(np.uint8).transpose(1, 0, 2))


def _shares(start: float, step: float, count: int, length: int) -> csr_array:
    """How much of each of `count` stretches of `step` pixels lies in each of `length` pixels."""
    left = start + step * np.arange(count)[:, None]
    pixel = np.floor(left) + np.arange(math.ceil(step) + 1)
    share = (np.minimum(left + step, pixel + 1) - np.maximum(left, pixel)).clip(0, None) / step
    kept = (pixel >= 0) & (pixel < length) & (share > 0)
    row = np.broadcast_to(np.arange(count)[:, None], pixel.shape)[kept]
    column = pixel[kept].astype(np.int64)
    shape = (count, length)
    return csr_array((share[kept].astype(np.float32), (row, column)), shape=shape)


def thumbnail(slide: Slide, longest_px: int) -> RGBImage:
    """The whole slide, small.

    Args:
        slide: The slide.
        longest_px: Its longer side in the answer, 1 or more; no more than the slide has.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        SlideError: As `read_scaled`.
    """
    width, height = slide.size_px
    return read_scaled(slide, 0, 0, width, height, min(1.0, longest_px / max(width, height)))
