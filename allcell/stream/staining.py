"""The stain of a running stream: measured repeatedly, held steady in between."""

from __future__ import annotations

from collections import deque

import numpy as np

from allcell.formats.pixels import RGBImage
from allcell.imaging.stain import StainRuler, measure_stain

#: The first few measurements follow quickly, later ones rarely: each costs some 10 ms.
_SOON_S = 0.7
_LATER_S = 3.0
_KEPT = 7


class Staining:
    """Follows the colour of the red cells of one stream. Not thread-safe.

    One slide has one stain and one lamp, so the median of the latest measurements is used: a frame
    full of nuclei does not change the colours, and boxes do not flicker.
    """

    def __init__(self) -> None:
        self._measured: deque[StainRuler] = deque(maxlen=_KEPT)
        self._next_s = 0.0
        self._in_use: StainRuler | None = None

    def start_over(self) -> None:
        """Forget what was measured: the source has changed."""
        self._measured.clear()
        self._in_use = None
        self._next_s = 0.0

    def look_again(self) -> None:
        """Measure the next frame: another field is in view."""
        self._next_s = 0.0

    def follow(self, frame: RGBImage, red_cell_px: float | None, now_s: float) -> StainRuler | None:
        """The stain in use, measured anew if that is due; None while none could be measured.

        Args:
            frame: RGB uint8 (H, W, 3).
            red_cell_px: Diameter of its red cells in pixels; None if unknown.
            now_s: Seconds of a monotonic clock.
        """
        if now_s >= self._next_s:
            measured = measure_stain(frame, red_cell_px)
            if measured is not None:
                self._measured.append(measured)
                self._in_use = _median(self._measured)
            settled = len(self._measured) == _KEPT
            self._next_s = now_s + (_LATER_S if settled else _SOON_S)
        return self._in_use


def _median(rulers: deque[StainRuler]) -> StainRuler:
    """Light and density are medians; the lamp's shade is the latest one's."""
    light = np.median([ruler.light for ruler in rulers], axis=0)
    density = np.median([ruler.density for ruler in rulers], axis=0)
    return StainRuler(
        (float(light[0]), float(light[1]), float(light[2])),
        (float(density[0]), float(density[1]), float(density[2])),
        rulers[-1].red_cells,
        rulers[-1].shade,
    )
