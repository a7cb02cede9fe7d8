"""What colour red cells and nuclei are: the ruler of stain and lamp that every smear brings along.

Haemoglobin and eosin colour the red cells of every laboratory, and azure its nuclei, but each
stains, lights and photographs them in its own way. Their optical density against the empty slide,
channel by channel, tells how: the densities are brought to those of a reference, first the red
cells', then what is denser by the nuclei's. White cells then look as if all laboratories were one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from allcell.detections import BoolArray, FloatArray
from allcell.imaging.lamp import WHOLE, measure_shade, of_whole, slide_colour, terms
from allcell.imaging.rim import part_within
from allcell.imaging.sampling import coloured, every_so_many, medians

Image = npt.NDArray[np.uint8]

#: Colour of the empty slide (RGB, 0 to 255) and optical density of red cells that every smear is
#: brought to. The densities are about the medians of ALL-IDB1's training fields.
REFERENCE_LIGHT = (205.0, 200.0, 192.0)
REFERENCE_DENSITY = (0.11, 0.26, 0.23)
#: Optical density of nuclei in R and G that every smear is brought to: between laboratories that
#: stain strongly (ALL-IDB1, PBC) and weakly (Taleqani, BCCD). Nuclei let blue light pass.
REFERENCE_NUCLEI = (0.50, 1.15)
#: A channel's density is multiplied by no less and no more, that of red cells and, beyond it, of
#: nuclei.
GAIN_LIMITS = (0.4, 2.5)
NUCLEI_LIMITS = (0.5, 2.5)
#: Red cells are measured at this diameter, in pixels.
_WORKING_RED_CELL_PX = 12.0
#: Long side of what is measured, at most.
_WORKING_SIDE_PX = 640
#: Diameter of a red cell where nobody knows it, in pixels of what is measured.
_USUAL_RED_CELL_PX = 14.0
#: Shares of the picture that must be red cells, and empty slide.
_LEAST_RED_CELLS = 0.02
_LEAST_GROUND = 0.03
#: Rows of a picture whose colours are changed at once.
_STRIP_ROWS = 128
#: Nuclei absorb so many times as much green light as red cells do, at least.
_NUCLEUS_FACTOR = 1.5
#: Nuclei are measured where they cover this many squared red-cell diameters, at least.
_LEAST_NUCLEI = 0.15
#: What red cells can be: optical density in green, and that in blue as a share of it. Nuclei let
#: blue pass and are denser.
_GREEN_DENSITY = (0.05, 0.75)
_LEAST_BLUE = 0.12
#: Where nineteen in twenty of the stained pixels absorb less blue, the channel tells nothing.
_DEAD_BLUE = 0.16
#: A picture whose channels differ less than this (median, 0 to 255) has no colour to measure.
_GREY = 4.0


@dataclass(frozen=True, eq=False)
class StainRuler:
    """How red cells and the empty slide look in one picture.

    Attributes:
        light: Colour of the empty slide in the middle of the picture, RGB, 0 to 255.
        density: Median optical density of red cells in R, G and B (natural logarithm).
        red_cells: Share of the picture that their inner parts cover, 0 to 1.
        nuclei: Median optical density of the darker part of nuclei in R and G; None if there are
            too few.
        shade: Brightness of the empty slide relative to `light`, in the logarithm: coefficients
            (3, 6) of 1, x, y, x^2, xy, y^2 for each channel, x and y from -1 to 1 across the
            picture; None if the lamp is even.
    """

    light: tuple[float, float, float]
    density: tuple[float, float, float]
    red_cells: float
    nuclei: tuple[float, float] | None = None
    shade: FloatArray | None = None


def is_grey(image: Image) -> bool:
    """Whether a picture, RGB uint8 (H, W, 3), has no colour."""
    step = max(1, max(image.shape[:2]) // 256)
    red, green, blue = (image[::step, ::step, c] for c in range(3))
    least = np.minimum(np.minimum(red, green), blue)
    spread = np.maximum(np.maximum(red, green), blue) - least
    return bool(np.percentile(spread, 90) < _GREY)


def _two_groups(values: FloatArray) -> float:
    """Where Otsu cuts some values, 0 to 1, into two groups."""
    low, high = np.percentile(values, (1, 99))
    scaled = np.clip((values - low) / max(float(high - low), 1e-6) * 255, 0, 255).astype(np.uint8)
    cut, _ = cv2.threshold(scaled[:, None], 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return float(low + (cut + 0.5) / 255 * (high - low))


def measure_stain(image: Image, red_cell_px: float | None = None) -> StainRuler | None:
    """Measure the stain of a field, within its dark rim if it has one: 10 to 20 ms.

    Args:
        image: RGB uint8 (H, W, 3).
        red_cell_px: Diameter of its red cells in pixels, if known.

    Returns:
        None where there are too few red cells or too little empty slide, or no colour to measure.
    """
    whole = image.shape[:2]
    image, part = part_within(image)
    factor = min(1.0, _WORKING_SIDE_PX / max(image.shape[:2]))
    if red_cell_px:
        factor = min(factor, _WORKING_RED_CELL_PX / red_cell_px)
    unit = red_cell_px * factor if red_cell_px else _USUAL_RED_CELL_PX
    small = image
    if factor < 1:
        # Every so-many-th pixel is enough before the last step.
        some = every_so_many(image, max(1, int(0.5 / factor)))
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        small = np.asarray(cv2.resize(some, size, interpolation=cv2.INTER_AREA), np.uint8)
    if min(small.shape[:2]) < 24 or is_grey(small):
        return None
    green = np.ascontiguousarray(small[..., 1])
    level, _ = cv2.threshold(green, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    shade = measure_shade(small)
    if shade is None:
        even = small.astype(np.float32) + 1
    else:
        surface = terms(small.shape[1], small.shape[0], WHOLE) @ shade.T
        middle = shade[:, 0]
        even = (small.astype(np.float32) + 1) * np.exp(middle - surface)
        green = np.clip(even[..., 1], 0, 255).astype(np.uint8)
        level, _ = cv2.threshold(green, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    # The slide is the brightest that there is much of: above the cut, and its brighter half.
    ground = green > level
    if ground.mean() < _LEAST_GROUND:
        return None
    light = slide_colour(coloured(even, ground))
    if light.min() < 20:
        return None
    density = np.log(light / even).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(density, (0, 0), max(0.5, 0.06 * unit)), np.float32)
    found = _red_cells(smooth, unit)
    if found is None:
        return None
    inside = coloured(density, found)
    red = medians(inside)
    low, high = _GREEN_DENSITY
    lets_blue_pass = red[2] < _LEAST_BLUE * red[1] and not _blue_is_dead(inside[:, 2])
    if not low <= red[1] <= high or lets_blue_pass or red[0] < 0.01:
        return None
    if shade is not None:
        if part is not None:
            shade = of_whole(shade, part, whole[1], whole[0])
        shade = shade.copy()
        shade[:, 0] = 0
    return StainRuler(
        (float(light[0] - 1), float(light[1] - 1), float(light[2] - 1)),
        (float(red[0]), float(red[1]), float(red[2])),
        float(found.mean()),
        _nuclei(density, smooth, red, unit),
        shade,
    )


def _blue_is_dead(density: FloatArray) -> bool:
    """Whether what is stained, densities (N,), does not absorb blue: the camera saturates."""
    return float(np.percentile(density, 95)) < _DEAD_BLUE


def _inner(mask: BoolArray, margin_px: float) -> BoolArray:
    """The parts of a mask (h, w) that lie at least so far from its edge, and a pixel."""
    side = 2 * max(1, round(margin_px)) + 1
    return cv2.erode(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def _red_cells(smooth: FloatArray, unit_px: float) -> BoolArray | None:
    """Mask (h, w) of the inner parts of red cells in a smoothed optical density (h, w, 3)."""
    green = np.ascontiguousarray(smooth[..., 1])
    stained = green > 0.5 * max(0.08, min(0.3, float(np.percentile(green, 70))))
    inner = _inner(stained, 0.1 * unit_px)
    if inner.mean() < _LEAST_RED_CELLS:
        return None
    # Nuclei let blue light pass, haemoglobin does not: its share tells them apart in every stain.
    # Where the camera's blue is saturated, only the density is left.
    places = np.flatnonzero(inner)
    inside, blue = green.ravel()[places], smooth[..., 2].ravel()[places]
    share = np.asarray(blue / np.maximum(inside, 0.05), np.float32)
    sign = -inside if _blue_is_dead(blue) else share
    paler = sign > _two_groups(sign)
    if paler.any() and not paler.all():
        ratio = float(np.median(inside[~paler]) / max(float(np.median(inside[paler])), 1e-3))
        if ratio > _NUCLEUS_FACTOR:
            places, inside = places[paler], inside[paler]
    # What is left of nuclei and clumps is denser than most.
    found = np.zeros(green.shape, bool)
    found.ravel()[places[inside <= 1.6 * np.median(inside)]] = True
    return found if found.mean() >= _LEAST_RED_CELLS else None


def _nuclei(
    density: FloatArray, smooth: FloatArray, red: FloatArray, unit_px: float
) -> tuple[float, float] | None:
    """Density in R and G of nuclei, far denser than red cells, densities (3,), and less blue."""
    green = smooth[..., 1]
    less_blue = smooth[..., 2] < 0.7 * max(float(red[2] / red[1]), 0.3) * np.maximum(green, 0.05)
    inner = _inner((green > _NUCLEUS_FACTOR * red[1]) & less_blue, 0.2 * unit_px)
    if inner.sum() < _LEAST_NUCLEI * unit_px * unit_px:
        return None
    inside = coloured(density, inner)
    # Cytoplasm that stains strongly is the paler part.
    darker = inside[inside[:, 1] >= np.percentile(inside[:, 1], 40)]
    middle = medians(darker)
    return float(middle[0]), float(middle[1])


def stain_table(ruler: StainRuler) -> Image:
    """New values (256, 3) for the old ones of each channel, once the lamp is even."""
    gain = np.clip(
        np.array(REFERENCE_DENSITY, np.float32)
        / np.maximum(np.array(ruler.density, np.float32), 0.02),
        *GAIN_LIMITS,
    )
    light = np.array(ruler.light, np.float32) + 1
    density = gain * np.log(light / (np.arange(256, dtype=np.float32)[:, None] + 1))
    for c, nuclei in enumerate(ruler.nuclei or ()):
        red = REFERENCE_DENSITY[c]
        span = max(nuclei * float(gain[c]) - red, 1e-3)
        slope = np.clip((REFERENCE_NUCLEI[c] - red) / span, *NUCLEI_LIMITS)
        beyond = density[:, c] > red
        density[beyond, c] = red + slope * (density[beyond, c] - red)
    new = (np.array(REFERENCE_LIGHT, np.float32) + 1) * np.exp(-density) - 1
    return np.asarray(np.clip(np.rint(new), 0, 255), np.uint8)


def normalise(
    image: Image,
    ruler: StainRuler,
    box: tuple[float, float, float, float] = WHOLE,
    *,
    out: Image | None = None,
) -> Image:
    """The image as the laboratory of reference would show it, RGB uint8 (H, W, 3).

    Args:
        image: RGB uint8 (H, W, 3): the picture that was measured, or a part of it, at any size.
        ruler: Measured on the whole picture.
        box: Left, top, right and bottom of the part, as fractions of the picture.
        out: Where it is put, of the same size; the image itself is allowed.
    """
    if ruler.shade is not None:
        height, width = image.shape[:2]
        # The lamp changes slowly: a coarse grid, enlarged, is the same to a tenth of a grey value.
        coarse = np.exp(-(terms(32, 32, box) @ ruler.shade.T))
        even = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        image = np.asarray(cv2.multiply(image, even, dtype=cv2.CV_8U), np.uint8)
    tables = np.ascontiguousarray(stain_table(ruler).T)
    out = np.empty_like(image) if out is None else out
    # A table for each channel, and strips that the processor's cache holds, take two thirds of the
    # time of one table for all three.
    for top in range(0, len(image), _STRIP_ROWS):
        planes = cv2.split(image[top : top + _STRIP_ROWS])
        for plane, table in zip(planes, tables, strict=True):
            cv2.LUT(plane, table, dst=plane)
        cv2.merge(planes, dst=out[top : top + _STRIP_ROWS])
    return out
