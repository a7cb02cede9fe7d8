"""Pictures in memory, and copies in memory-mapped files, as slides."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from allcell.errors import SlideError
from allcell.formats.pixels import RGBImage
from allcell.slides.slide import OUTSIDE, Level, check_part, downsample_of


class ArraySlide:
    """A slide in arrays, one a level.

    Attributes:
        name: What it is called.
        size_px: Width and height of the finest level.
        mpp: Micrometres along a side of its pixels; None if unknown.
        levels: Its levels, the finest first.
    """

    def __init__(
        self,
        arrays: Sequence[npt.NDArray[np.uint8]],
        name: str = "picture",
        mpp: float | None = None,
    ) -> None:
        """Take RGB uint8 arrays (H, W, 3), the finest first; they are not copied.

        Raises:
            SlideError: If one is of another type or shape.
        """
        if not arrays:
            raise SlideError("A slide needs at least one level; got none.", "Give an array.")
        for array in arrays:
            if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
                raise SlideError(
                    f"A slide is RGB uint8 (height, width, 3); got {array.shape} {array.dtype}.",
                    "Convert the array first.",
                )
        self._arrays: tuple[npt.NDArray[np.uint8], ...] | None = tuple(arrays)
        height, width = arrays[0].shape[:2]
        self.name = name
        self.mpp = mpp
        self.size_px = (width, height)
        self.levels = tuple(
            Level(a.shape[1], a.shape[0], downsample_of(width, a.shape[1])) for a in arrays
        )

    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> RGBImage:
        """See `allcell.slides.slide.Slide.read`."""
        check_part(self, width, height, level)
        arrays = self._arrays
        if arrays is None:
            raise SlideError(f"'{self.name}' has been closed.", "Open it again.")
        array = arrays[level]
        part = np.full((height, width, 3), OUTSIDE, np.uint8)
        x1, y1 = max(x, 0), max(y, 0)
        x2, y2 = min(x + width, array.shape[1]), min(y + height, array.shape[0])
        if x1 < x2 and y1 < y2:
            part[y1 - y : y2 - y, x1 - x : x2 - x] = array[y1:y2, x1:x2]
        return part

    def close(self) -> None:
        """Let go of the arrays."""
        self._arrays = None


def halved(array: npt.NDArray[np.uint8]) -> RGBImage:
    """A picture (H, W, 3) at half its size, rounded down; each pixel is the mean of four."""
    height, width = array.shape[0] // 2, array.shape[1] // 2
    even = array[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def with_halves(array: npt.NDArray[np.uint8], longest_px: int = 1024) -> list[RGBImage]:
    """A picture (H, W, 3) and its halves, until no side is above `longest_px`."""
    levels = [array]
    while max(levels[-1].shape[:2]) > longest_px and min(levels[-1].shape[:2]) > 1:
        levels.append(halved(levels[-1]))
    return levels
