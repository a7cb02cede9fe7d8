"""Whether a frame is good enough to count cells in: sharp, well lit, at a scale the model knows."""

from __future__ import annotations

from allcell.formats.pixels import RGBImage
from allcell.imaging.quality import Quality, look_at
from allcell.models.registry import ModelSpec

#: A frame with less than this fraction of the recent best sharpness is blurred.
BLURRED_BELOW = 0.35
#: The best sharpness halves in this time, so that a new field sets its own standard.
_BEST_HALVES_S = 40.0
#: Measuring takes up to a millisecond; focus does not change faster than this.
_LOOKS_AGAIN_S = 0.1
#: Cells may be this many times larger or smaller than in training.
_SCALE_FACTOR = 1.5


class Watch:
    """Judges the frames of one stream. Not thread-safe."""

    def __init__(self) -> None:
        self._best = 0.0
        self._red_cell_px: float | None = None
        self._last_s: float | None = None
        self._objection = ""

    def objection(self, frame: RGBImage, now_s: float, red_cell_px: float | None = None) -> str:
        """Why cells should not be counted in the frame, in a sentence; empty if it is fine.

        Args:
            frame: RGB uint8 (H, W, 3).
            now_s: Seconds of a monotonic clock.
            red_cell_px: The diameter in use, in pixels of the frame. Another value means another
                objective, which sets its own standard of sharpness.
        """
        if red_cell_px != self._red_cell_px:
            self._red_cell_px, self._best = red_cell_px, 0.0
        if self._last_s is not None:
            if now_s - self._last_s < _LOOKS_AGAIN_S:
                return self._objection
            self._best *= 0.5 ** ((now_s - self._last_s) / _BEST_HALVES_S)
        self._last_s = now_s
        self._objection = self._judge(look_at(frame))
        return self._objection

    def _judge(self, seen: Quality) -> str:
        if seen.dark:
            return "The picture is too dark: turn up the lamp or the exposure."
        if seen.burnt:
            return "The picture is overexposed: turn down the lamp or the exposure."
        self._best = max(self._best, seen.sharpness)
        if seen.sharpness < BLURRED_BELOW * self._best or seen.sharpness == 0.0:
            return "The picture is blurred: refocus, or hold the stage still."
        return ""


def scale_objection(spec: ModelSpec, measured_px: float | None, input_px_per_px: float) -> str:
    """Why the magnification does not fit the model, in a sentence; empty if it does.

    A model with a fixed input size accepts any magnification.

    Args:
        spec: The model.
        measured_px: Red-cell diameter in the frame, measured or given; None if unknown.
        input_px_per_px: Pixels of the network's input per pixel of the frame.
    """
    if spec.fixed_input_px is not None:
        return ""
    if measured_px is None:
        return "No red cells are seen, so the magnification is unknown."
    factor = measured_px * input_px_per_px / spec.red_cell_px
    if factor > _SCALE_FACTOR:
        return (
            f"The model sees the cells {factor:.1f} times as large as in its training: choose a "
            "smaller input or a lower magnification."
        )
    if factor < 1 / _SCALE_FACTOR:
        return (
            f"The model sees the cells {1 / factor:.1f} times as small as in its training: choose "
            "a larger input or a higher magnification."
        )
    return ""
