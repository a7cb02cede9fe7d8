"""Image -> network inputs: scale, padding and the tiles of a very large field."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from allcell.boxes import Letterbox, letterbox
from allcell.detections import BoolArray
from allcell.imaging.lamp import WHOLE
from allcell.imaging.stain import StainRuler, measure_stain, normalise
from allcell.models.registry import ModelSpec

#: Grey level of the padding, the one that YOLOs are trained with.
PADDING = 114
#: Neighbouring tiles share this many red-cell diameters: more than the largest white cell.
OVERLAP_RED_CELLS = 4.0
#: A box this close (input pixels) to a cut is a piece of a cell that another tile holds whole.
_CUT_MARGIN_PX = 2.0
#: Down to this scale, the four pixels interpolated from are all that fall into one.
_INTERPOLATES_DOWN_TO = 0.45
#: A field is not enlarged beyond this: there is no more detail to be seen.
_MAX_ENLARGEMENT = 4.0


def input_scale(spec: ModelSpec, width_px: int, height_px: int, red_cell_px: float | None) -> float:
    """Input pixels per source pixel.

    Args:
        spec: The model.
        width_px: Width of the source image.
        height_px: Height of the source image.
        red_cell_px: Red-cell diameter in the source; None uses the model's default size.
    """
    if spec.fixed_input_px is not None:
        width, height = spec.fixed_input_px
        return min(width / width_px, height / height_px)
    if red_cell_px is None:
        return spec.default_long_side_px / max(width_px, height_px)
    return min(spec.red_cell_px / max(red_cell_px, 1e-6), _MAX_ENLARGEMENT)


def input_fit(
    spec: ModelSpec, width_px: int, height_px: int, red_cell_px: float | None
) -> Letterbox:
    """How a whole image lies in the network's input, untiled.

    Args:
        spec: The model.
        width_px: Width of the source image.
        height_px: Height of the source image.
        red_cell_px: See `input_scale`.
    """
    scale = input_scale(spec, width_px, height_px, red_cell_px)
    if spec.fixed_input_px is None:
        return letterbox(width_px, height_px, scale, spec.stride_px)
    inner = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    return Letterbox(width_px, height_px, *inner, *spec.fixed_input_px)


def empty_input(fit: Letterbox) -> npt.NDArray[np.uint8]:
    """A network input, uint8 (H, W, 3), that is all padding."""
    return np.full((fit.input_height_px, fit.input_width_px, 3), PADDING, np.uint8)


def block_px(fit: Letterbox, height_px: int, width_px: int) -> int:
    """Side of the blocks of source pixels that are averaged before interpolation; 1 for none.

    Averaging whole blocks and then interpolating is as smooth as averaging by area and several
    times faster. The pixels left over are less than one of the input.

    Args:
        fit: How the picture lies in the network's input.
        height_px: Its height; a strip of a picture may be lower than a block.
        width_px: Its width.
    """
    if fit.scale_x >= _INTERPOLATES_DOWN_TO:
        return 1
    return min(int(1 / fit.scale_x), height_px, width_px)


def place(buffer: npt.NDArray[np.uint8], image: npt.NDArray[np.uint8], fit: Letterbox) -> None:
    """Scale an image (h, w, 3) into the top left of a network input made by `empty_input`."""
    height, width = fit.height_px, fit.width_px
    block = block_px(fit, *image.shape[:2])
    if block > 1:
        rows, columns = image.shape[0] // block, image.shape[1] // block
        whole = image[: rows * block, : columns * block]
        image = np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA))
    cv2.resize(image, (width, height), dst=buffer[:height, :width], interpolation=cv2.INTER_LINEAR)


def stain_for(
    spec: ModelSpec, image: npt.NDArray[np.uint8], red_cell_px: float | None
) -> StainRuler | None:
    """The stain of an image as far as a model wants to know it; None if it cannot be measured.

    Args:
        spec: The model.
        image: RGB uint8 (H, W, 3).
        red_cell_px: See `allcell.imaging.stain.measure_stain`.
    """
    return measure_stain(image, red_cell_px) if spec.normalise_stain else None


def bring_to_reference(
    buffer: npt.NDArray[np.uint8],
    fit: Letterbox,
    ruler: StainRuler,
    box: tuple[float, float, float, float] = WHOLE,
) -> None:
    """Normalise the stain of the image in a network input that `place` filled.

    Args:
        buffer: RGB uint8 (h, w, 3).
        fit: How the image lies in it.
        ruler: Measured on the whole source image.
        box: See `allcell.imaging.stain.normalise`.
    """
    inner = buffer[: fit.height_px, : fit.width_px]
    normalise(inner, ruler, box, out=inner)


def network_input(
    spec: ModelSpec,
    image: npt.NDArray[np.uint8],
    red_cell_px: float | None,
    stain: StainRuler | None = None,
) -> npt.NDArray[np.uint8]:
    """A whole image as the network sees it, untiled.

    Args:
        spec: The model.
        image: RGB uint8 (H, W, 3).
        red_cell_px: See `input_scale`.
        stain: See `Detector.detect`.

    Returns:
        RGB uint8 (h, w, 3), its sides multiples of the stride or `spec.fixed_input_px`.
    """
    height, width = image.shape[:2]
    fit = input_fit(spec, width, height, red_cell_px)
    buffer = empty_input(fit)
    place(buffer, image, fit)
    if spec.normalise_stain and stain is not None:
        bring_to_reference(buffer, fit, stain)
    return buffer


@lru_cache(maxsize=64)
def plan_tiles(
    spec: ModelSpec, width_px: int, height_px: int, red_cell_px: float | None
) -> tuple[Letterbox, tuple[tuple[int, int], ...]]:
    """How each tile lies in the network's input, and where the tiles start (x, y) in source pixels.

    One tile for all but very large fields; all tiles have the same size.

    Args:
        spec: The model.
        width_px: Width of the source image.
        height_px: Height of the source image.
        red_cell_px: See `input_scale`.
    """
    if spec.fixed_input_px is not None:
        return input_fit(spec, width_px, height_px, None), ((0, 0),)
    scale = input_scale(spec, width_px, height_px, red_cell_px)
    side = int(spec.max_input_px / scale)
    overlap = int(OVERLAP_RED_CELLS * spec.red_cell_px / scale)
    xs, w = cuts(width_px, side, overlap)
    ys, h = cuts(height_px, side, overlap)
    return letterbox(w, h, scale, spec.stride_px), tuple((x, y) for y in ys for x in xs)


def cuts(length: int, side: int, overlap: int) -> tuple[list[int], int]:
    """Starts of equal pieces that cover a length, and how long each is.

    Args:
        length: What is to be covered, in pixels like the rest.
        side: How long a piece is at most.
        overlap: What neighbours share, at least.
    """
    if length <= side or side <= overlap:
        return [0], length
    count = -(-(length - overlap) // (side - overlap))
    piece = -(-(length + (count - 1) * overlap) // count)
    starts = [round(i * (length - piece) / (count - 1)) for i in range(count)]
    return starts, piece


def uncut(
    xyxy: npt.NDArray[np.float32],
    tile: tuple[int, int, int, int],
    image_size: tuple[int, int],
    scale: float,
) -> BoolArray:
    """Which boxes of a tile do not touch a cut between tiles.

    Args:
        xyxy: Boxes (N, 4) in pixels of the tile.
        tile: Its left, top, width and height in the source image.
        image_size: Width and height of the source image.
        scale: Input pixels per source pixel.

    Returns:
        Mask (N,).
    """
    x, y, w, h = tile
    width, height = image_size
    margin_px = _CUT_MARGIN_PX / scale
    cut = np.zeros(len(xyxy), dtype=bool)
    if x > 0:
        cut |= xyxy[:, 0] <= margin_px
    if y > 0:
        cut |= xyxy[:, 1] <= margin_px
    if x + w < width:
        cut |= xyxy[:, 2] >= w - margin_px
    if y + h < height:
        cut |= xyxy[:, 3] >= h - margin_px
    return ~cut
