"""Single cells cut out of a field, and the field as the browser gets it."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from allcell.formats.pixels import RGBImage
from allcell.imaging.crop import MARGIN, crop
from allcell.imaging.images import encode_jpeg

__all__ = ["MARGIN", "MAX_SIDE_PX", "crop", "data_uri", "display_jpeg"]

#: Long side of the picture in the browser: enough to see single cells, small enough for a phone.
MAX_SIDE_PX = 2600


def display_jpeg(image: RGBImage) -> bytes:
    """A field, RGB uint8 (H, W, 3), as a JPEG file; its long side is at most `MAX_SIDE_PX`."""
    factor = MAX_SIDE_PX / max(image.shape[:2])
    if factor < 1:
        image = np.asarray(
            cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8
        )
    return encode_jpeg(image, quality=88)


def data_uri(image: RGBImage) -> str:
    """A picture, RGB uint8 (H, W, 3), as a JPEG in a data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image, quality=85)).decode()
