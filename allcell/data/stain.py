"""What is stained in one field: white cells and their nuclei, not red cells or background.

Romanowsky stains colour the white cell's nucleus purple: it absorbs red and green light.
Haemoglobin absorbs blue most. So optical density in red minus that in blue shows nuclei and
basophilic cytoplasm, green minus blue also the pale cytoplasm of granulocytes, and red cells vanish
from both.
All lengths are given in red-cell diameters, because magnification differs between fields.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from allcell.detections import BoolArray, FloatArray
from allcell.errors import DataError

#: The field is scaled to this red-cell diameter first: fine enough to place boxes to 2 % of a cell.
WORKING_RED_CELL_PX = 45.0
#: Optical density, red minus blue, from which a pixel is white-cell stain.
STAIN_DENSITY = 0.06
#: The same for green minus blue, which shows pale cytoplasm too.
PALE_DENSITY = 0.04
#: Any stained pixel absorbs at least this much green light.
GREEN_DENSITY = 0.05
#: Red minus blue below which a pixel is a red cell, not pale cytoplasm.
HAEMOGLOBIN_DENSITY = -0.012
#: Least density of a nucleus, as a fraction of that of the field's darkest nuclei.
NUCLEUS_FRACTION = 0.45
#: Nucleus area, in squared red-cell diameters, below which an object is a platelet or debris.
MIN_NUCLEUS_AREA = 0.22


@dataclass(frozen=True, eq=False)
class StainedField:
    """The stain of one field, at a working scale.

    Attributes:
        image_shape: Height and width of the image in pixels.
        scale: Working pixels per pixel of the image, at most 1.
        unit_px: Red-cell diameter in working pixels.
        density: Optical density, red minus blue, at the working scale (h, w).
        stained: Mask (h, w) of whole white cells, without platelets.
        nucleus: Mask (h, w) of their nuclei.
        depth_px: Distance to the edge of the stain (h, w), in working pixels; 0 outside it.
        darkest: Optical density of the field's darkest nuclei.
    """

    image_shape: tuple[int, int]
    scale: float
    unit_px: float
    density: FloatArray
    stained: BoolArray
    nucleus: BoolArray
    depth_px: FloatArray
    darkest: float


def disc(radius_px: float) -> npt.NDArray[np.uint8]:
    """A round structuring element of at least 3x3 pixels."""
    side = 2 * max(1, round(radius_px)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)


def opened(mask: BoolArray, radius_px: float) -> BoolArray:
    """A mask (H, W) without the parts that are narrower than a disc of this radius."""
    mask_px = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc(radius_px))
    return np.asarray(mask_px > 0)


def _level(values: FloatArray, threshold: float, sigma_px: float) -> BoolArray:
    """Where the smoothed values exceed a threshold.

    They are first clipped to 0 to twice the threshold, so that smoothing moves no edge.
    """
    limited = np.clip(values, 0.0, 2 * threshold)
    return np.asarray(cv2.GaussianBlur(limited, (0, 0), sigma_px) > threshold)


def stained_field(image: npt.NDArray[np.uint8], red_cell_px: float) -> StainedField:
    """Find the stain of white cells.

    Args:
        image: RGB, (H, W, 3), uint8.
        red_cell_px: Red-cell diameter of this image in pixels, above 2.

    Raises:
        DataError: If the image or the diameter has the wrong form.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(
            f"Expected RGB uint8 (H, W, 3), got {image.dtype} {image.shape}.",
            "Read it with allcell.imaging.images.",
        )
    if not red_cell_px > 2:
        raise DataError(
            f"The red-cell diameter must be above 2 pixels, got {red_cell_px}.",
            "Measure it with allcell.imaging.scale.estimate_red_cell, or give it by hand.",
        )
    shape = (image.shape[0], image.shape[1])
    scale = min(1.0, WORKING_RED_CELL_PX / red_cell_px)
    unit = red_cell_px * scale
    if scale < 1.0:
        image = np.asarray(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    od = optical_density(image)
    red_blue, green_blue = od[..., 0] - od[..., 2], od[..., 1] - od[..., 2]
    # Granules are smoothed over: it is their average that marks a granulocyte's pale cytoplasm.
    pale = _level(green_blue - np.median(green_blue), PALE_DENSITY, 0.055 * unit)
    red_cell = cv2.GaussianBlur(red_blue, (0, 0), 0.04 * unit) < HAEMOGLOBIN_DENSITY
    stained = (pale & ~red_cell) | _level(red_blue, STAIN_DENSITY, 0.03 * unit)
    # The lens leaves blue and red fringes next to white cells, where little green is absorbed;
    # those around red cells are thin, and the opening removes them.
    stained &= _level(od[..., 1], GREEN_DENSITY, 0.03 * unit)
    stained = np.asarray(ndimage.binary_fill_holes(opened(stained, 0.09 * unit)), dtype=np.bool_)

    density = cv2.GaussianBlur(red_blue, (0, 0), 0.03 * unit)
    inside = density[stained & (density > 2 * STAIN_DENSITY)]
    darkest = float(np.percentile(inside, 85)) if inside.size else 1.0
    nucleus = density > max(STAIN_DENSITY, NUCLEUS_FRACTION * darkest)
    _, parts, stats, _ = cv2.connectedComponentsWithStats((stained | nucleus).astype(np.uint8))
    keep = stats[:, cv2.CC_STAT_AREA] >= MIN_NUCLEUS_AREA * unit**2
    keep[0] = False
    stained = np.asarray(keep[parts], dtype=np.bool_)
    depth = cv2.distanceTransform(stained.astype(np.uint8), cv2.DIST_L2, 5)
    return StainedField(
        image_shape=shape,
        scale=scale,
        unit_px=unit,
        density=np.asarray(density, np.float32),
        stained=stained,
        nucleus=nucleus & stained,
        depth_px=np.asarray(depth, np.float32),
        darkest=darkest,
    )


def optical_density(image: npt.NDArray[np.uint8]) -> FloatArray:
    """Optical density of each channel, relative to the light that passes outside the cells.

    That light is estimated locally (a high percentile of wide blocks), so that vignetting and the
    colour of the lamp cancel out.

    Args:
        image: RGB, (H, W, 3), uint8.

    Returns:
        (H, W, 3), float32, 0 where light passes freely.
    """
    height, width = image.shape[:2]
    small = cv2.resize(
        image, (40, max(4, round(40 * height / width))), interpolation=cv2.INTER_AREA
    )
    light = np.stack(
        [ndimage.percentile_filter(small[..., c], 85, size=15, mode="nearest") for c in range(3)],
        axis=-1,
    )
    light = cv2.GaussianBlur(light.astype(np.float32), (0, 0), 4.0)
    light = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.log10((light + 1.0) / (image.astype(np.float32) + 1.0)), dtype=np.float32)
