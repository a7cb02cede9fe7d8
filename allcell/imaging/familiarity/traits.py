"""What a picture looks like, in a few dozen numbers that do not depend on its size.

Colours come from a sample of single pixels, so that no scaling changes them; shapes are measured on
a copy in which a red cell is `COPY_RED_CELL_PX` across.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from allcell.detections import FloatArray
from allcell.imaging.lamp import slide_colour
from allcell.imaging.quality import lighting, sharpness

#: Diameter of a red cell in the copy that shapes are measured on.
COPY_RED_CELL_PX = 20.0
#: Long side of that copy at most; a larger picture is seen in its middle only.
_COPY_SIDE_PX = 480
#: Sampled pixels along the long side, for colours.
_SAMPLES = 144
#: Side of the piece in the middle whose single pixels are looked at.
_PIECE_PX = 256
#: Where a picture tells nothing about the size of its cells: so many fit into its short side.
_CELLS_ASIDE = 10.0
#: Widths of the bands of detail, as parts of a red cell.
_BANDS = (0.04, 0.08, 0.16, 0.32, 0.64, 1.28)
#: Optical density below which a pixel is empty slide.
_EMPTY = 0.06

_JPEG_BLOCK_PX = 8
_NOISE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)

NAMES = (
    *("light", "light_red", "light_blue", "light_share"),
    *(f"density_{percent}" for percent in (5, 25, 50, 75, 90, 95, 99)),
    *("pale_red", "pale_green", "pale_blue", "dense_red", "dense_green", "dense_blue"),
    *("pale_share", "dense_share"),
    *("hue_u_mean", "hue_v_mean", "hue_u_spread", "hue_v_spread", "pale_u", "pale_v"),
    *("dense_u", "dense_v", "colourful_10", "colourful_50", "colourful_90"),
    *("red_green", "green_blue", "red_blue", "colours", "commonest"),
    *(f"band_{n}" for n in range(len(_BANDS))),
    *("two_ways", "four_ways", "edges", "skew", "tails", "dark_discs", "bright_discs"),
    *("sharpness", "flat", "noise", "blocks", "background", "saturated"),
)
#: By these laboratories are told apart: stain, lamp and camera, nothing that depends on the size of
#: the picture or on its file.
LABORATORY_TRAITS = (
    *("light", "light_red", "light_blue"),
    *("pale_red", "pale_green", "pale_blue", "dense_red", "dense_green", "dense_blue"),
    *("hue_u_mean", "hue_v_mean", "hue_u_spread", "hue_v_spread"),
    *("pale_u", "pale_v", "dense_u", "dense_v"),
)


@dataclass(frozen=True)
class Traits:
    """The numbers of one picture.

    Attributes:
        values: In the order of `NAMES`, float64.
    """

    values: npt.NDArray[np.float64]

    def __getitem__(self, name: str) -> float:
        return float(self.values[NAMES.index(name)])


def measure(image: npt.NDArray[np.uint8], red_cell_px: float | None) -> Traits:
    """Measure a picture.

    Args:
        image: RGB uint8 (H, W, 3).
        red_cell_px: Diameter of its red cells in pixels; None if unknown.
    """
    values = [*_colours(image), *_shapes(image, red_cell_px), *_pixels(image)]
    return Traits(np.nan_to_num(np.array(values, np.float64), posinf=50.0, neginf=-50.0))


def measure_colours(image: npt.NDArray[np.uint8]) -> Traits:
    """What `measure` says of the colours, among them all of `LABORATORY_TRAITS`; the rest is 0.

    Args:
        image: RGB uint8 (H, W, 3).
    """
    values = np.zeros(len(NAMES))
    colours = _colours(image)
    values[: len(colours)] = np.nan_to_num(colours, posinf=50.0, neginf=-50.0)
    return Traits(values)


def _log(value: float) -> float:
    return math.log(max(value, 1e-4))


def _colours(image: npt.NDArray[np.uint8]) -> list[float]:
    step = max(1, max(image.shape[:2]) // _SAMPLES)
    sample = np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step])
    if not sample.size:
        sample = image
    level, _ = cv2.threshold(
        np.ascontiguousarray(sample[..., 1]), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU
    )
    pixels = sample.reshape(-1, 3)
    light = slide_colour(pixels[pixels[:, 1] >= level])
    density = -np.log((pixels.astype(np.float32) + 1) / (light + 1))
    total = np.maximum(density.mean(axis=1), 0)
    edge = max(_EMPTY, 0.5 * float(-np.log((level + 1) / (light[1] + 1))))
    stained = density[:, 1] > edge
    empty_share = float((~stained).mean())
    inside = density[stained] if stained.sum() >= 20 else density
    middle = float(np.median(inside[:, 1]))
    dense = inside[inside[:, 1] > max(1.8 * middle, middle + 0.15)]
    pale = inside[inside[:, 1] <= max(1.3 * middle, middle + 0.1)]
    pale_rgb = np.median(pale, axis=0) if len(pale) else np.zeros(3)
    dense_rgb = np.median(dense, axis=0) if len(dense) >= 10 else 2 * pale_rgb
    u, v = _hue(inside)
    (pale_u, dense_u), (pale_v, dense_v) = _hue(np.stack([pale_rgb, dense_rgb]).astype(np.float32))
    extremes = pixels.max(axis=1).astype(np.float32), pixels.min(axis=1).astype(np.float32)
    colourful = (extremes[0] - extremes[1]) / (extremes[0] + 8)
    with np.errstate(invalid="ignore", divide="ignore"):
        together = np.corrcoef(density.T)
    code = (pixels >> 3).astype(np.int32)
    counts = np.bincount(code[:, 0] << 10 | code[:, 1] << 5 | code[:, 2], minlength=1 << 15)
    return [
        _log(float(light.mean()) / 255),
        _log(float(light[0] + 1) / float(light[1] + 1)),
        _log(float(light[2] + 1) / float(light[1] + 1)),
        empty_share,
        *(_log(0.02 + float(max(0, p))) for p in np.percentile(total, (5, 25, 50, 75, 90, 95, 99))),
        *(_log(0.05 + max(0.0, float(x))) for x in (*pale_rgb, *dense_rgb)),
        len(pale) / len(density),
        len(dense) / len(density),
        *(float(np.mean(u)), float(np.mean(v)), float(np.std(u)), float(np.std(v))),
        *(float(pale_u), float(pale_v), float(dense_u), float(dense_v)),
        *(float(x) for x in np.percentile(colourful, (10, 50, 90))),
        *(float(np.nan_to_num(together[i, j])) for i, j in ((0, 1), (1, 2), (0, 2))),
        _log(float((counts > 0).sum()) / 1000),
        _log(float(counts.max()) / len(pixels)),
    ]


def _hue(density: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Red against green and blue against green, as parts of the whole density."""
    whole = np.abs(density).sum(axis=1) + 0.05
    return (density[:, 0] - density[:, 1]) / whole, (density[:, 2] - density[:, 1]) / whole


def shape_copy(
    image: npt.NDArray[np.uint8], red_cell_px: float | None
) -> tuple[npt.NDArray[np.uint8], float]:
    """The green channel with red cells of `COPY_RED_CELL_PX`, or smaller, and their diameter."""
    size = red_cell_px or min(image.shape[:2]) / _CELLS_ASIDE
    factor = min(1.0, COPY_RED_CELL_PX / size)
    height, width = image.shape[:2]
    side = max(32, round(_COPY_SIDE_PX / factor))
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    view = image[top : top + side, left : left + side, 1]
    step = max(1, int(0.5 / factor))
    green = np.ascontiguousarray(view[::step, ::step])
    factor *= step
    if factor < 1:
        wanted = (max(8, round(green.shape[1] * factor)), max(8, round(green.shape[0] * factor)))
        green = np.asarray(cv2.resize(green, wanted, interpolation=cv2.INTER_AREA), np.uint8)
    return green, size * min(1.0, COPY_RED_CELL_PX / size)


def _shapes(image: npt.NDArray[np.uint8], red_cell_px: float | None) -> list[float]:
    green, unit = shape_copy(image, red_cell_px)
    picture = green.astype(np.float32)
    contrast = float(picture.std()) + 0.5
    bands, last, factor = [], picture, 1.0
    for width in _BANDS:
        # A wide blur of a picture is a narrow one of its half.
        while width * unit * factor > 2.5 and min(last.shape) >= 16:
            half = (last.shape[1] // 2, last.shape[0] // 2)
            last = np.asarray(cv2.resize(last, half, interpolation=cv2.INTER_AREA), np.float32)
            factor /= 2
        smooth = np.asarray(
            cv2.GaussianBlur(last, (0, 0), max(0.3, width * unit * factor)), np.float32
        )
        bands.append(_log(float((last - smooth).std()) / contrast))
        last = smooth
    smooth = np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.0), np.float32)
    dx = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), np.float32)
    dy = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1), np.float32)
    strength = np.asarray(cv2.magnitude(dx, dy), np.float32)
    weight = float(strength.sum()) + 1e-3
    floor = np.maximum(strength, 1e-6)
    # Twice the direction of each edge, and four times it, as vectors of its strength.
    two_x, two_y = (dx * dx - dy * dy) / floor, 2 * dx * dy / floor
    four_x, four_y = (two_x * two_x - two_y * two_y) / floor, 2 * two_x * two_y / floor
    two = math.hypot(float(two_x.sum()), float(two_y.sum())) / weight
    four = math.hypot(float(four_x.sum()), float(four_y.sum())) / weight
    high = float(np.percentile(strength[::2, ::2], 99)) + 1e-3
    edges = float((strength > 0.35 * high).mean())
    centred = (picture - picture.mean()) / contrast
    square = centred * centred
    skew, tails = float((square * centred).mean()), float((square * square).mean())
    return [
        *bands,
        two,
        four,
        edges,
        float(np.clip(skew, -8, 8)),
        _log(tails),
        *_discs(dx, dy, strength, high, unit),
        _log(sharpness(green)),
    ]


def _discs(
    dx: FloatArray, dy: FloatArray, strength: FloatArray, high: float, unit: float
) -> tuple[float, float]:
    """How far edges meet in the middle of discs of a red cell's size: dark ones, bright ones."""
    # In one dimension: numpy takes ten times as long to find them in two.
    at = np.flatnonzero((strength > 0.25 * high) & (strength > 6))
    every = max(1, len(at) // 8000)
    y, x = np.divmod(at[::every], strength.shape[1])
    height, width = (side // 2 for side in strength.shape)
    if len(x) < 20 or min(height, width) < 8:
        return 0.0, 0.0
    nx, ny = dx[y, x] / strength[y, x], dy[y, x] / strength[y, x]
    found = []
    for sign in (-1.0, 1.0):
        best = 0.0
        for radius in (0.4 * unit, 0.5 * unit, 0.62 * unit):
            cx = ((x + sign * radius * nx) / 2).astype(np.int32)
            cy = ((y + sign * radius * ny) / 2).astype(np.int32)
            inside = (cx >= 0) & (cx < width) & (cy >= 0) & (cy < height)
            votes = np.bincount((cy * width + cx)[inside], minlength=height * width).reshape(
                height, width
            )
            field = cv2.GaussianBlur(votes.astype(np.float32), (0, 0), max(0.6, 0.11 * radius))
            # The share of votes that fell where many others did, against an even spread.
            best = max(best, float((field * votes).sum()) / len(x) * every / (0.15 * radius))
        found.append(_log(0.05 + best))
    return found[0], found[1]


def _pixels(image: npt.NDArray[np.uint8]) -> list[float]:
    height, width = image.shape[:2]
    top, left = max(0, (height - _PIECE_PX) // 2), max(0, (width - _PIECE_PX) // 2)
    green = np.ascontiguousarray(image[top : top + _PIECE_PX, left : left + _PIECE_PX, 1])
    background, saturated = lighting(green)
    if min(green.shape) < 24:
        return [1.0, _log(0.0), 0.0, background, saturated]
    piece = green.astype(np.float32)
    across = np.abs(np.diff(piece, axis=1))
    # Immerkaer, "Fast noise variance estimation", CVIU 1996: 64, 300.
    residue = np.abs(cv2.filter2D(piece, -1, _NOISE))
    return [
        float((across < 0.5).mean()),
        _log(0.05 + float(np.median(residue)) / 6),
        _log(blocks(across)),
        background,
        saturated,
    ]


def blocks(across: FloatArray) -> float:
    """How much more neighbours differ at the borders of JPEG's blocks, wherever these begin.

    Args:
        across: Differences of neighbours along a row, (H, W).

    Returns:
        1 for none; strongly compressed pictures have 3 and more.
    """
    columns = across.mean(axis=0)
    whole = len(columns) // _JPEG_BLOCK_PX * _JPEG_BLOCK_PX
    phase = columns[:whole].reshape(-1, _JPEG_BLOCK_PX).mean(axis=0)
    return float((phase.max() + 0.2) / (np.median(phase) + 0.2))
