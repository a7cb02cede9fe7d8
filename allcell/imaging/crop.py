"""Single cells cut out of a field."""

from __future__ import annotations

import cv2
import numpy as np

from allcell.formats.pixels import RGBImage

#: Margin around a cell, as a share of its box's longer side: neighbours show the scale.
MARGIN = 0.25
_PADDING = 128


def crop(image: RGBImage, x1: float, y1: float, x2: float, y2: float, side_px: int) -> RGBImage:
    """A square crop around a box, (side_px, side_px, 3); grey outside the field.

    Args:
        image: RGB uint8 (H, W, 3).
        x1: Left of the box in pixels.
        y1: Top.
        x2: Right.
        y2: Bottom.
        side_px: Side of the result in pixels.
    """
    side = max(2, round((1 + 2 * MARGIN) * max(x2 - x1, y2 - y1)))
    left, top = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2)
    inner = image[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
    square = np.full((side, side, 3), _PADDING, np.uint8)
    if inner.size:
        y, x = max(0, -top), max(0, -left)
        square[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
    shrinks = side > side_px
    return np.asarray(
        cv2.resize(
            square,
            (side_px, side_px),
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC,
        ),
        np.uint8,
    )
