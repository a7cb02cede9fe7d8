"""How sharp a picture is and how it was lit; the same for stills and for the frames of Live."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from allcell.formats.pixels import RGBImage

#: Side of the square in the middle of a frame that is measured.
_PIECE_PX = 320
#: Grey level of the background (90th percentile) below which a picture is too dark to judge.
DARK = 60
#: Fraction of the picture that may be fully saturated; an empty background often is.
SATURATED_PART = 0.6
_SATURATED = 254


@dataclass(frozen=True)
class Quality:
    """Measurements of one picture.

    Attributes:
        sharpness: Fine detail relative to contrast; comparable only between pictures whose cells
            have the same size in pixels.
        background: 90th percentile of the grey level, 0 to 255.
        saturated: Fraction of the pixels that are saturated, 0 to 1.
    """

    sharpness: float
    background: float
    saturated: float

    @property
    def dark(self) -> bool:
        """Whether it is too dark to see cells in it."""
        return self.background < DARK

    @property
    def burnt(self) -> bool:
        """Whether so much is saturated that cells may be, too."""
        return self.saturated > SATURATED_PART


def look_at(frame: RGBImage) -> Quality:
    """Measure the middle of a frame, RGB uint8 (H, W, 3)."""
    height, width = frame.shape[:2]
    top, left = max(0, (height - _PIECE_PX) // 2), max(0, (width - _PIECE_PX) // 2)
    green = frame[top : top + _PIECE_PX, left : left + _PIECE_PX, 1]
    return Quality(sharpness(green), *lighting(green))


def lighting(green: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """`Quality.background` and `.saturated` of a picture (H, W), uint8."""
    coarse = green[::4, ::4]
    return float(np.percentile(coarse, 90)), float((coarse >= _SATURATED).mean())


def sharpness(green: npt.NDArray[np.uint8]) -> float:
    """Fine detail relative to contrast in a picture (H, W), uint8; 0 where there is no contrast."""
    # The variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) over that of the picture, so
    # that more cells do not count as sharper. Smoothed first, so that noise is no detail; not
    # in whole grey levels, whose steps would be detail in a blurred picture.
    smooth = cv2.GaussianBlur(green.astype(np.float32), (0, 0), 1.0)
    contrast = float(cv2.meanStdDev(smooth)[1][0, 0]) ** 2
    detail = float(cv2.meanStdDev(cv2.Laplacian(smooth, cv2.CV_32F))[1][0, 0]) ** 2
    return detail / contrast if contrast > 1.0 else 0.0
