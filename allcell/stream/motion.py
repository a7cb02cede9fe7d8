"""How far the picture has moved between two frames: a stage shifts all of it by the same amount."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from allcell.detections import Detections
from allcell.formats.pixels import RGBImage

GreyImage = npt.NDArray[np.uint8]

#: Gives the shift to a third of a pixel of a 1280 px wide frame, in 0.1 ms.
THUMBNAIL_WIDTH_PX = 128
#: A correlation below this is no match: two unrelated fields of one slide reach 0.25.
MATCH = 0.5
#: Standard deviation in grey levels; below it a picture has no detail whose motion could be seen.
_FLAT = 1.5


@dataclass(frozen=True)
class Shift:
    """Where the content of an earlier frame lies now.

    Attributes:
        x_px: To the right, in pixels of the full frame.
        y_px: Downwards.
        match: Correlation of both frames there, -1 to 1.
    """

    x_px: float
    y_px: float
    match: float

    @property
    def trusted(self) -> bool:
        """Whether both frames show the same place."""
        return self.match >= MATCH

    def applied_to(self, boxes: Detections) -> Detections:
        """Boxes of the earlier frame where their cells are now."""
        step = np.array([self.x_px, self.y_px, self.x_px, self.y_px], np.float32)
        return Detections(boxes.xyxy + step, boxes.confidence, boxes.class_id)


STILL = Shift(0.0, 0.0, 1.0)


def thumbnail(frame: RGBImage) -> GreyImage:
    """A small grey picture (h, 128) uint8 of a frame, taken from its green channel.

    Green light is what red cells and stained nuclei absorb most.
    """
    step = max(1, frame.shape[1] // (2 * THUMBNAIL_WIDTH_PX))
    green = np.ascontiguousarray(frame[::step, ::step, 1])
    height = max(8, round(THUMBNAIL_WIDTH_PX * frame.shape[0] / frame.shape[1]))
    smooth = cv2.blur(green, (3, 3)) if step > 1 else green
    small = cv2.resize(smooth, (THUMBNAIL_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def shift_between(before: GreyImage, now: GreyImage, frame_width_px: int) -> Shift:
    """How far the picture has moved, up to a quarter of its sides.

    The middle of the earlier frame is looked for in the whole of the later one (normalised
    cross-correlation, the peak refined by a parabola). Phase correlation, the usual choice, was
    off by several pixels on these small pictures.

    Args:
        before: `thumbnail` of the earlier frame.
        now: `thumbnail` of the later frame.
        frame_width_px: Width of the full frames.

    Returns:
        The shift. Match is 0 if the frames differ in size or only one has contrast; without
        contrast in either, there is no shift (match 1).
    """
    if before.shape != now.shape:
        return Shift(0.0, 0.0, 0.0)
    flat = [float(cv2.meanStdDev(grey)[1][0, 0]) < _FLAT for grey in (before, now)]
    if any(flat):
        return STILL if all(flat) else Shift(0.0, 0.0, 0.0)
    height, width = before.shape
    top, left = height // 4, width // 4
    middle = before[top : height - top, left : width - left]
    likeness = cv2.matchTemplate(now, middle, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(likeness)
    scale = frame_width_px / width
    return Shift(
        scale * (x + _summit(likeness[y], x) - left),
        scale * (y + _summit(likeness[:, x], y) - top),
        float(best) if np.isfinite(best) else 0.0,
    )


def _summit(values: npt.NDArray[np.generic], at: int) -> float:
    """Vertex of the parabola through a peak and its neighbours, relative to it, -0.5 to 0.5."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, peak, after = (float(v) for v in values[at - 1 : at + 2])
    curvature = before - 2 * peak + after
    return 0.5 * (before - after) / curvature if curvature < 0 else 0.0
