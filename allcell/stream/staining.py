"""The stain of a running stream: measured repeatedly, held steady in between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from allcell.formats.pixels import RGBImage
from allcell.imaging.stain import StainRuler, measure_stain
from allcell.stream.measurements import Measurements


class Staining:
    """Follows the colour of the red cells of one stream. Not thread-safe.

    One slide has one stain and one lamp, so the median of the latest measurements is used: a frame
    full of nuclei does not change the colours, and boxes do not flicker.
    """

    def __init__(self) -> None:
        self._measured: Measurements[StainRuler] = Measurements()
        self._in_use: StainRuler | None = None

    def start_over(self) -> None:
        """Forget what was measured: the source has changed."""
        self._measured.start_over()
        self._in_use = None

    def look_again(self) -> None:
        """Measure the next frame: another field is in view."""
        self._measured.look_again()

    def follow(self, frame: RGBImage, red_cell_px: float | None, now_s: float) -> StainRuler | None:
        """The stain in use, measured anew if that is due; None while none could be measured.

        Args:
            frame: RGB uint8 (H, W, 3).
            red_cell_px: Diameter of its red cells in pixels; None if unknown.
            now_s: Seconds of a monotonic clock.
        """
        if self._measured.due(now_s):
            measured = measure_stain(frame, red_cell_px)
            self._measured.note(measured, now_s)
            if measured is not None:
                self._in_use = _median(self._measured.latest)
        return self._in_use


def _median(rulers: Sequence[StainRuler]) -> StainRuler:
    """Light and densities are medians; the lamp's shade is the latest one's."""
    light = np.median([ruler.light for ruler in rulers], axis=0)
    density = np.median([ruler.density for ruler in rulers], axis=0)
    seen = [ruler.nuclei for ruler in rulers if ruler.nuclei is not None]
    nuclei = np.median(seen, axis=0) if seen else None
    return StainRuler(
        (float(light[0]), float(light[1]), float(light[2])),
        (float(density[0]), float(density[1]), float(density[2])),
        rulers[-1].red_cells,
        None if nuclei is None else (float(nuclei[0]), float(nuclei[1])),
        rulers[-1].shade,
    )
