"""Stained white cells of one field -> boxes, by classical image processing.

Touching cells are split where the path between their centres (the experts' centroids, where given)
is expensive: across pale seams, and through cytoplasm. All lengths are given in red-cell diameters,
because magnification differs between fields.

The thresholds, here and in `allcell.data.stain`, were set on ALL-IDB1: on draft boxes of the
training fields and on the expert masks of the first ten fields. They are for annotating only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from allcell.boxes import clip
from allcell.data.stain import (
    MIN_NUCLEUS_AREA,
    STAIN_DENSITY,
    StainedField,
    disc,
    opened,
    stained_field,
)
from allcell.detections import BoolArray, FloatArray, IntArray
from allcell.errors import DataError

Suggestion = Literal["healthy", "smudge", "cut"]

#: Area (squared red-cell diameters) from which an object with too little nucleus is a smudge.
MIN_PALE_AREA = 1.6
#: Two bumps of one blob are two cells if the neck is below this fraction of the thinner bump.
NECK = 0.75
#: Added path cost of cytoplasm, and of a pale seam; dark nucleus costs 1.
PALE_COST, SEAM_COST = 4.0, 30.0
#: Smudges: a nucleus paler than this (1 = the field's darkest) and an outline less round,
SMUDGE_DARKNESS, SMUDGE_ROUNDNESS = 0.65, 0.76
#: or a deeply notched outline (area over area of the convex hull),
SMUDGE_SOLIDITY = 0.88
#: or an area (squared red-cell diameters) above that of any whole cell.
SMUDGE_AREA = 4.5
#: A box this near the border belongs to a cut cell.
BORDER_PX = 2.0


@dataclass(frozen=True, eq=False)
class WhiteCell:
    """A white cell that segmentation found and no expert called a blast.

    Attributes:
        xyxy: Shape (4,), float32: its box in pixels of the image.
        suggestion: `healthy`, `smudge` (pale and ragged, or very large) or `cut` (by the border).
        darkness: Staining of its nucleus relative to the darkest nuclei of the field, about 0 to 1.
        roundness: 4 pi area / perimeter squared, 0 to 1.
        solidity: Area over area of the convex hull, 0 to 1.
        area: Area in squared red-cell diameters.
    """

    xyxy: FloatArray
    suggestion: Suggestion
    darkness: float
    roundness: float
    solidity: float
    area: float


@dataclass(frozen=True, eq=False)
class _CutOut:
    """The pixels of one cell inside a window of the working image, and its box in the image."""

    body: BoolArray
    window: tuple[slice, slice]
    xyxy: FloatArray


def segment_blasts(
    image: npt.NDArray[np.uint8], centroids: npt.ArrayLike, red_cell_px: float
) -> FloatArray:
    """A box round the whole cell (nucleus and cytoplasm) of each expert centroid.

    Args:
        image: RGB, (H, W, 3), uint8.
        centroids: (N, 2), x and y in pixels; outside the image they count as on its edge.
        red_cell_px: Red-cell diameter of this image in pixels.

    Returns:
        (N, 4) x1 y1 x2 y2 in pixels of the image, in the order of the centroids. A centroid on bare
        background gets a tiny box.

    Raises:
        DataError: If an input has the wrong form, or two centroids coincide.
    """
    points = _as_points(centroids)
    field = stained_field(image, red_cell_px)
    cells = _split(field, points)[: len(points)]
    return np.array([cell.xyxy for cell in cells], np.float32).reshape(-1, 4)


def segment_white_cells(
    image: npt.NDArray[np.uint8],
    red_cell_px: float,
    *,
    blast_centroids: npt.ArrayLike | None = None,
    other_centroids: npt.ArrayLike | None = None,
) -> list[WhiteCell]:
    """White cells other than the experts' blasts, each with a suggested class to check by eye.

    Args:
        image: RGB, (H, W, 3), uint8.
        red_cell_px: Red-cell diameter of this image in pixels.
        blast_centroids: (N, 2), x and y in pixels: cells that are taken already.
        other_centroids: (M, 2): further cells or platelets; those that fall on a stained cell help
            to split it from its neighbours, the others are ignored.

    Returns:
        The cells, darkest nuclei first.

    Raises:
        DataError: If an input has the wrong form, or two centroids coincide.
    """
    blasts, others = _as_points(blast_centroids), _as_points(other_centroids)
    field = stained_field(image, red_cell_px)
    kept: list[FloatArray] = []
    for other in others:
        apart = [float(np.hypot(*(p - other))) > 0.6 * red_cell_px for p in (*blasts, *kept)]
        if all(apart) and _depth_at(field, other * field.scale) > 0.25 * field.unit_px:
            kept.append(other)
    points = np.concatenate([blasts, np.array(kept, np.float32).reshape(-1, 2)])
    found = [_describe(field, cell) for cell in _split(field, points)[len(blasts) :]]
    return sorted((cell for cell in found if cell is not None), key=lambda cell: -cell.darkness)


def _as_points(values: npt.ArrayLike | None) -> FloatArray:
    points = np.asarray([] if values is None else values, dtype=np.float32)
    if points.size == 0:
        return np.zeros((0, 2), np.float32)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise DataError(
            f"Centroids: expected finite numbers of shape (n, 2), got shape {points.shape}.",
            "Give one x and y in pixels for each cell.",
        )
    return points


def _depth_at(field: StainedField, point: FloatArray) -> float:
    """How deep inside a stained cell a point (x, y, working pixels) lies; 0 outside all cells."""
    height, width = field.depth_px.shape
    x, y = round(float(point[0])), round(float(point[1]))
    return float(field.depth_px[y, x]) if 0 <= x < width and 0 <= y < height else 0.0


def _one_body(field: StainedField, a: FloatArray, b: FloatArray) -> bool:
    """Whether the straight path from a to b (x, y) never gets narrow: one cell, not two."""
    steps = np.linspace(0.0, 1.0, max(2, int(np.hypot(*(a - b)))))[:, None]
    path = np.rint(a + (b - a) * steps).astype(np.int64)
    along = field.depth_px[path[:, 1], path[:, 0]]
    return bool(along.min() > NECK * min(along[0], along[-1]))


def _seeds(field: StainedField, given: FloatArray) -> FloatArray:
    """Given centroids first, then the centres of further cells; (N, 2) x, y, working pixels."""
    smooth = cv2.GaussianBlur(field.depth_px, (0, 0), 0.06 * field.unit_px)
    highest = cv2.dilate(smooth, disc(0.3 * field.unit_px))
    y, x = np.nonzero((smooth >= highest) & field.stained & (smooth > 0.22 * field.unit_px))
    order = np.argsort(-smooth[y, x], kind="stable")
    seeds = list(given)
    for peak in np.stack([x, y], axis=1).astype(np.float32)[order]:
        away = [float(np.hypot(*(seed - peak))) / field.unit_px for seed in seeds]
        same = (
            r < 0.6 or (r < 2.5 and _one_body(field, seed, peak))
            for r, seed in zip(away, seeds, strict=True)
        )
        if not any(same):
            seeds.append(peak)
    return np.array(seeds, np.float32).reshape(-1, 2)


def _regions(field: StainedField, seeds: FloatArray) -> IntArray:
    """Label image (h, w): region k + 1 belongs to seed k, 0 is background.

    Each stained pixel goes to the seed with the cheapest path to it.
    """
    labels = np.zeros(field.depth_px.shape, np.int64)
    if len(seeds) == 0:
        return labels
    dark = cv2.GaussianBlur(field.density, (0, 0), 0.04 * field.unit_px)
    around = np.maximum(cv2.dilate(dark, disc(0.45 * field.unit_px)), 2 * STAIN_DENSITY)
    paleness = np.clip(1.0 - dark / around, 0.0, 1.0)
    closed = cv2.morphologyEx(dark, cv2.MORPH_CLOSE, disc(0.16 * field.unit_px))
    seam = np.clip((closed - dark) / around, 0.0, 1.0)
    cost = np.asarray(1.0 + PALE_COST * paleness + SEAM_COST * seam, np.float32)

    x, y = np.rint(seeds).astype(np.int64).T
    mask = field.stained.copy()
    mask[y, x] = True
    index = np.full(mask.shape, -1, np.int64)
    index[mask] = np.arange(int(mask.sum()))
    _, _, nearest = csgraph.dijkstra(
        _grid_graph(index, cost),
        directed=False,
        indices=index[y, x],
        min_only=True,
        return_predecessors=True,
    )
    owner = np.zeros(len(nearest), np.int64)
    owner[index[y, x]] = np.arange(len(seeds)) + 1
    labels[mask] = np.where(nearest >= 0, owner[np.maximum(nearest, 0)], 0)
    return labels


def _grid_graph(index: IntArray, cost: FloatArray) -> sparse.csr_array[np.float32]:
    """Graph of the 8-connected pixels; an edge weighs their mean cost times their distance."""
    height, width = index.shape
    starts, ends, weights = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = (slice(0, height - down), slice(max(0, -right), width - max(0, right)))
        b = (slice(down, height), slice(max(0, right), width + min(0, right)))
        both = (index[a] >= 0) & (index[b] >= 0)
        starts.append(index[a][both])
        ends.append(index[b][both])
        weights.append(0.5 * np.hypot(down, right) * (cost[a] + cost[b])[both])
    count = int(index.max()) + 1
    pairs = (np.concatenate(starts), np.concatenate(ends))
    return sparse.csr_array((np.concatenate(weights), pairs), shape=(count, count))


def _split(field: StainedField, points: FloatArray) -> list[_CutOut]:
    """One cell for each given point (pixels of the image), then the further cells."""
    height, width = field.depth_px.shape
    inside = np.clip(points * field.scale, 0, np.array([width - 1, height - 1], np.float32))
    seeds = _seeds(field, inside)
    labels = _regions(field, seeds)
    cells = []
    for k, window in enumerate(ndimage.find_objects(labels, max_label=len(seeds))):
        if window is None:
            raise DataError(
                f"Two centroids coincide: {(seeds[k] / field.scale).round().tolist()}.",
                "Remove the duplicate.",
            )
        rows, columns = window
        corner = np.array([columns.start, rows.start], np.float32)
        body = _main_part(labels[window] == k + 1, seeds[k] - corner, field.unit_px)
        y, x = np.nonzero(body)
        box = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]], np.float32)
        box = (box + np.tile(corner, 2)) / np.float32(field.scale)
        cells.append(
            _CutOut(body, (rows, columns), clip(box, field.image_shape[1], field.image_shape[0])[0])
        )
    return cells


def _main_part(region: BoolArray, seed: FloatArray, unit: float) -> BoolArray:
    """The compact part of a region that holds (or is nearest to) its seed; tails are dropped."""
    compact = opened(region, 0.18 * unit)
    if not compact.any():
        return region
    _, parts = cv2.connectedComponents(compact.astype(np.uint8))
    y, x = np.nonzero(compact)
    nearest = int(np.argmin(np.hypot(x - seed[0], y - seed[1])))
    return np.asarray(parts == parts[y[nearest], x[nearest]])


def _describe(field: StainedField, cell: _CutOut) -> WhiteCell | None:
    """Measures and suggestion; None for platelets and debris."""
    nucleus = cell.body & field.nucleus[cell.window]
    area, nucleus_area = (float(part.sum()) / field.unit_px**2 for part in (cell.body, nucleus))
    if nucleus_area < MIN_NUCLEUS_AREA and area < MIN_PALE_AREA:
        return None
    density = field.density[cell.window][nucleus if nucleus.any() else cell.body]
    darkness = float(np.median(density)) / field.darkest
    contours, _ = cv2.findContours(
        cell.body.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    outline = max(contours, key=len)
    size_px = float(cell.body.sum())
    solidity = min(1.0, size_px / max(1.0, cv2.contourArea(cv2.convexHull(outline))))
    roundness = min(1.0, 4 * np.pi * size_px / max(1.0, cv2.arcLength(outline, True)) ** 2)

    x1, y1, x2, y2 = (float(value) for value in cell.xyxy)
    height, width = field.image_shape
    suggestion: Suggestion = "healthy"
    if min(x1, y1) < BORDER_PX or x2 > width - BORDER_PX or y2 > height - BORDER_PX:
        suggestion = "cut"
    elif (
        nucleus_area < MIN_NUCLEUS_AREA
        or (darkness < SMUDGE_DARKNESS and roundness < SMUDGE_ROUNDNESS)
        or solidity < SMUDGE_SOLIDITY
        or area > SMUDGE_AREA
    ):
        suggestion = "smudge"
    return WhiteCell(cell.xyxy, suggestion, darkness, roundness, solidity, area)
