"""What a small picture of the whole slide tells: where there is glass, and where to look."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.formats.pixels import RGBImage
from allcell.slides.reading import thumbnail
from allcell.slides.slide import Slide

#: Longer side of the picture that patches are chosen on.
_OVERVIEW_PX = 1024
#: Patches are chosen among squares of so many pixels of it.
_SQUARE_PX = 12
#: Grey level of what a scanner fills in around what it scanned: no colour of glass.
_FILLED = 254
#: Mean optical density of a square with cells, at least.
_LEAST_DENSITY = 0.02


def glass_colour(image: RGBImage) -> FloatArray:
    """Colour (3,) of the empty slide in a picture (H, W, 3) of it, 0 to 255."""
    colours = image.reshape(-1, 3)
    scanned = colours[(colours < _FILLED).any(axis=1)]
    if len(scanned) < 16:
        return np.array([255.0, 255.0, 255.0], np.float32)
    # Mixed pixels, half glass and half cell, are darker: the brightest tenth is glass throughout.
    bright = scanned[scanned.sum(axis=1, dtype=np.int32) >= np.percentile(scanned.sum(axis=1), 90)]
    return np.asarray(np.median(bright, axis=0), np.float32)


def green_density(green: npt.NDArray[np.uint8], light: float) -> FloatArray:
    """Optical density (H, W) of the green (H, W) of a picture, natural logarithm, 0 or more."""
    table = np.log((light + 1) / (np.arange(256, dtype=np.float32) + 1))
    return np.asarray(np.maximum(table, 0)[green], np.float32)


def places_with_cells(slide: Slide, number: int) -> list[tuple[float, float]]:
    """Centres of squares that look as if single cells lay on them, spread over the slide.

    Those of middling density come first: a monolayer, neither its thin end nor where cells lie on
    top of each other.

    Args:
        slide: The slide.
        number: How many.

    Returns:
        In pixels of the finest level; fewer, or none, on an empty slide.
    """
    small = thumbnail(slide, _OVERVIEW_PX)
    density = green_density(small[..., 1], float(glass_colour(small)[1]))
    rows, columns = (max(1, side // _SQUARE_PX) for side in density.shape)
    high, wide = density.shape[0] / rows, density.shape[1] / columns
    means = np.array(
        [
            [
                density[int(r * high) : int((r + 1) * high), int(c * wide) : int((c + 1) * wide)]
                .mean()
                .item()
                for c in range(columns)
            ]
            for r in range(rows)
        ]
    )
    stained = np.argwhere(means > _LEAST_DENSITY)
    if not len(stained):
        return []
    values = means[stained[:, 0], stained[:, 1]]
    off = np.abs(np.log(values / np.median(values)))
    order = np.argsort(off, kind="stable")
    chosen: list[tuple[float, float]] = []
    scale_x, scale_y = slide.size_px[0] / columns, slide.size_px[1] / rows
    # Apart from each other as far as there is room: their number on an even grid, and half of that.
    apart = 0.5 * math.sqrt(len(stained) * scale_x * scale_y / number)
    for row, column in stained[order]:
        x, y = (column + 0.5) * scale_x, (row + 0.5) * scale_y
        if all(math.hypot(x - other[0], y - other[1]) >= apart for other in chosen):
            chosen.append((x, y))
            if len(chosen) == number:
                break
    return chosen
