"""The light of the empty slide: its colour, and how evenly the lamp lights it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.imaging.sampling import brightness, coloured, medians

Image = npt.NDArray[np.uint8]

#: A lamp that is so uneven, brightest against darkest part of the slide, is evened out; what is
#: more uneven, or its colours among each other, is a large cell and no lamp.
_UNEVEN, _MOST_UNEVEN, _MOST_COLOURED = 1.12, 2.0, 1.7
#: Left, top, right and bottom of a whole picture, as fractions of it.
WHOLE = (0.0, 0.0, 1.0, 1.0)


def slide_colour(bright: npt.NDArray[Any]) -> FloatArray:
    """Colour (3,) of the empty slide: the median of the brighter half of bright pixels (N, 3)."""
    luminance = brightness(bright)
    brighter = coloured(bright, luminance >= np.median(luminance))
    return np.asarray(medians(brighter), np.float32)


def terms(width: int, height: int, box: tuple[float, float, float, float]) -> FloatArray:
    """Values (height, width, 6) of 1, x, y, x^2, xy, y^2 in a part of the picture.

    Args:
        width: Of the result, in pixels.
        height: Of the result, in pixels.
        box: The part as fractions of the picture, in which x and y go from -1 to 1; see `WHOLE`.
    """
    left, top, right, bottom = box
    x = (left + (np.arange(width, dtype=np.float32) + 0.5) / width * (right - left)) * 2 - 1
    y = (top + (np.arange(height, dtype=np.float32) + 0.5) / height * (bottom - top)) * 2 - 1
    x, y = np.broadcast_arrays(x[None, :], y[:, None])
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2).astype(np.float32)


@lru_cache(maxsize=8)
def _block_terms(width: int, height: int, side: int) -> npt.NDArray[np.float64]:
    """Mean (blocks, 6) of `terms` in each block of `side` pixels, row by row."""
    rows, columns = height // side, width // side
    every = terms(width, height, WHOLE)[: rows * side, : columns * side]
    blocks = every.reshape(rows, side, columns, side, 6).swapaxes(1, 2)
    return np.asarray(blocks.reshape(rows * columns, side * side, 6).mean(axis=1), np.float64)


def _bright_medians(blocks: Image) -> npt.NDArray[np.float64]:
    """Median colours (n, 3) of the brightest fifth of the pixels of each block (n, pixels, 3)."""
    luminance = brightness(blocks)
    bright = luminance >= np.percentile(luminance, 80, axis=1)[:, None]
    # Counted, as grey values are few: 256 for each channel of each block.
    first = 768 * (np.flatnonzero(bright) // blocks.shape[1])[:, None] + 256 * np.arange(3)
    counts = np.bincount((first + coloured(blocks, bright)).ravel(), minlength=768 * len(blocks))
    upto = counts.reshape(len(blocks), 3, 256).cumsum(axis=2)
    number = upto[:, :, -1:]
    lower = (upto > (number - 1) // 2).argmax(axis=2)
    upper = (upto > number // 2).argmax(axis=2)
    return np.asarray(0.5 * (lower + upper), np.float64)


def measure_shade(small: Image) -> FloatArray | None:
    """How an uneven lamp lights the slide.

    Args:
        small: RGB uint8 (H, W, 3).

    Returns:
        Coefficients (3, 6) of `terms` for each channel, of the logarithm of the light; None if the
        lamp is even or cannot be told.
    """
    height, width = small.shape[:2]
    # Blocks, so that a part with much empty slide does not outweigh the others.
    side = max(4, max(height, width) // 12)
    rows, columns = height // side, width // side
    if rows < 3 or columns < 3:
        return None
    blocks = small[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    # The brighter part of a block is slide, wherever the lamp puts the whole block.
    values = _bright_medians(blocks.swapaxes(1, 2).reshape(rows * columns, side * side, 3))
    matrix = _block_terms(width, height, side)
    log = np.log(values + 1)
    weight = np.ones(len(log))
    for _ in range(6):
        scaled = matrix * weight[:, None]
        fit, *_rest = np.linalg.lstsq(scaled, log * weight[:, None], rcond=None)
        # A block without empty slide is darker than its neighbours: it counts less and less.
        below = np.minimum((log - matrix @ fit).mean(axis=1), 0)
        weight = np.exp(below / 0.03)
    surface = matrix @ fit
    span = np.exp(np.percentile(surface, 95, axis=0) - np.percentile(surface, 5, axis=0))
    if not _UNEVEN <= span.mean() <= _MOST_UNEVEN or span.max() > _MOST_COLOURED * span.min():
        return None
    return np.asarray(fit.T, np.float32)


def of_whole(
    shade: FloatArray, part: tuple[int, int, int, int], width: int, height: int
) -> FloatArray:
    """What `measure_shade` found in a part of a picture, as coefficients (3, 6) for all of it.

    Args:
        shade: Coefficients (3, 6) of `terms` across the part.
        part: Its left, top, right and bottom in pixels.
        width: Of the whole picture, in pixels.
        height: Of the whole picture, in pixels.
    """
    left, top, right, bottom = part
    # In the part, x goes from -1 to 1 where it goes from (left to right) / width in the whole.
    ax, bx = width / (right - left), (width - left - right) / (right - left)
    ay, by = height / (bottom - top), (height - top - bottom) / (bottom - top)
    one, x, y, xx, xy, yy = np.asarray(shade, np.float64).T
    return np.stack(
        [
            one + bx * x + by * y + bx * bx * xx + bx * by * xy + by * by * yy,
            ax * (x + 2 * bx * xx + by * xy),
            ay * (y + bx * xy + 2 * by * yy),
            ax * ax * xx,
            ax * ay * xy,
            ay * ay * yy,
        ],
        axis=1,
    ).astype(np.float32)
