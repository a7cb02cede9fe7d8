"""A slide's overview with the density of its cells over it."""

from __future__ import annotations

import cv2
import numpy as np

from allcell.formats.pixels import RGBImage
from allcell.scanning.density import density
from allcell.scanning.seen import SeenCells
from allcell.slides.reading import thumbnail
from allcell.slides.slide import Slide

#: Longer side of the picture, in pixels.
_LONGEST_PX = 640
#: Dark enough to show on a pale slide, unlike those of the boxes.
_WHITE_CELLS, _BLASTS = (31, 119, 180), (214, 39, 40)
#: How pale the slide is under the colour, and how much paler where it was not seen.
_PALE, _UNSEEN = 0.55, 0.5
#: Smoothing, in bins.
_SIGMA = 0.8
#: The colour is never stronger, so that the slide stays visible.
_STRONGEST = 0.85


def density_picture(slide: Slide, seen: SeenCells, *, blasts: bool = False) -> RGBImage:
    """Draw the map.

    Args:
        slide: The slide.
        seen: What was found on it.
        blasts: Whether of blasts alone.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        SlideError: If the slide cannot be read.
    """
    picture = thumbnail(slide, _LONGEST_PX).astype(np.float32)
    size = (picture.shape[1], picture.shape[0])
    found = density(seen)
    counted = (found.blasts if blasts else found.white_cells).astype(np.float32)
    smooth = cv2.GaussianBlur(counted, (0, 0), _SIGMA)
    most = float(smooth.max())
    relative = np.asarray(smooth / (most or 1.0), np.float32)
    strength = cv2.resize(relative, size)[..., None]
    known = cv2.resize(found.seen, size)[..., None]
    pale = 255 - (255 - picture) * (1 - _PALE) * (1 - _UNSEEN * (1 - known))
    colour = np.array(_BLASTS if blasts else _WHITE_CELLS, np.float32)
    # The square root: a single cell shows beside a crowd.
    alpha = _STRONGEST * np.sqrt(np.clip(strength, 0, 1))
    return np.asarray(np.clip(pale * (1 - alpha) + colour * alpha, 0, 255), np.uint8)
