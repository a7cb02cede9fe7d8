"""The red-cell size of a running stream: measured repeatedly, stable in between."""

from __future__ import annotations

import statistics

from allcell.formats.pixels import RGBImage
from allcell.imaging.scale import estimate_red_cell
from allcell.models.registry import ModelSpec
from allcell.stream.measurements import Measurements

#: The size in use changes only when the measured one differs by this fraction: each new input size
#: has to be compiled, and boxes should not pulsate.
_HYSTERESIS = 0.12


class Magnification:
    """Follows the red-cell diameter of one stream. Not thread-safe."""

    def __init__(self) -> None:
        self._measured: Measurements[float] = Measurements()
        self._frame_size: tuple[int, int] | None = None
        self._in_use: float | None = None

    @property
    def measured_px(self) -> float | None:
        """Median of the latest measurements in pixels of the frame; None if nothing was seen."""
        latest = self._measured.latest
        return statistics.median(latest) if latest else None

    def start_over(self) -> None:
        """Forget what was measured: the view has changed, perhaps the objective too."""
        self._measured.start_over()

    def known_px(self, frame: RGBImage) -> float | None:
        """The diameter in use, in pixels of a frame; None if none was measured at its size."""
        size = (frame.shape[1], frame.shape[0])
        if size != self._frame_size:
            self._frame_size, self._in_use = size, None
            self.start_over()
        return self._in_use

    def follow(self, frame: RGBImage, now_s: float) -> float | None:
        """Measure if a measurement is due.

        Args:
            frame: RGB uint8 (H, W, 3).
            now_s: Seconds of a monotonic clock.

        Returns:
            See `known_px`.
        """
        self.known_px(frame)
        if self._measured.due(now_s):
            # 0 where no red cell was seen.
            self._measured.note(estimate_red_cell(frame).diameter_px or None, now_s)
        found = self.measured_px
        if found is not None and (
            self._in_use is None or abs(found / self._in_use - 1) > _HYSTERESIS
        ):
            self._in_use = found
        return self._in_use


def working_size_px(
    spec: ModelSpec,
    width_px: int,
    height_px: int,
    red_cell_px: float | None,
    long_side_px: int | None,
) -> float | None:
    """The red-cell size to give the detector for a live frame.

    Args:
        spec: The model.
        width_px: Width of the frame.
        height_px: Height of the frame.
        red_cell_px: Diameter in the frame; None if unknown.
        long_side_px: Long side of the network's input if the user chose one, else None.

    Returns:
        The diameter in pixels of the frame that leads to the wanted input size; never one that
        would need tiles, which are too slow for live video. None for the model's default.
    """
    longest = max(width_px, height_px)
    if long_side_px is not None:
        return spec.red_cell_px * longest / min(long_side_px, spec.max_input_px)
    if red_cell_px is None:
        return None
    return max(red_cell_px, spec.red_cell_px * longest / spec.max_input_px)
