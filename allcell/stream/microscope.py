"""The virtual microscope: an endless synthetic slide under a stage that moves by itself."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np

from allcell.formats.pixels import RGBImage
from allcell.stream.slide_canvas import (
    TILE_PX,
    SlideCanvas,
    SlideCell,
    cells_in,
    slide_spec,
    zoomed,
)
from allcell.stream.sources import SlideView, ThreadedSource
from allcell.stream.stage import Pose, Stage
from allcell.synth.slide import SyntheticSlide

ZOOMS = (0.5, 1.0, 2.0)
#: Sigma of the blur when fully out of focus, as a fraction of the red-cell diameter.
_DEFOCUS = 0.12


class VirtualMicroscope(ThreadedSource):
    """An endless synthetic slide that pans, refocuses and changes field by itself or on request.

    Args:
        width_px: Width of its frames.
        height_px: Height of its frames.
        seed: Seed of the slide.
        fps: Frames per second.
        auto: Whether the stage wanders by itself.
        speed: Speed of the wandering; 1 crosses a view in about six seconds.
    """

    def __init__(
        self,
        width_px: int = 1280,
        height_px: int = 720,
        *,
        seed: int = 11,
        fps: float = 30.0,
        auto: bool = True,
        speed: float = 1.0,
    ) -> None:
        super().__init__("Virtual microscope (synthetic)", fps)
        self.frame_px = self._size_px = (width_px, height_px)
        self._spec = slide_spec(width_px, height_px, seed)
        self._stage = Stage(auto=auto, speed=speed)
        self._zoom = 1.0
        self._canvas = self._wanted = SlideCanvas(self._spec, width_px, height_px)
        self._place = (0, 0)
        self._ahead = (0, 0)
        self._truth_lock = threading.Lock()
        self._truth: tuple[float, SyntheticSlide] | None = None
        self._painter = threading.Thread(target=self._paint, name="slide painter", daemon=True)
        self._painter.start()
        self._thread.start()

    # --- requests of the page ---------------------------------------------------------------------

    @property
    def auto(self) -> bool:
        """Whether the stage wanders by itself."""
        return self._stage.auto

    @auto.setter
    def auto(self, auto: bool) -> None:
        self._stage.auto = auto

    @property
    def zoom(self) -> float:
        """Magnification relative to the initial one; one of `ZOOMS`."""
        return self._zoom

    def move(self, right: float, down: float) -> None:
        """Glide by fractions of a view: `move(0.25, 0)` for the right arrow."""
        self._stage.nudge(right, down)

    def next_field(self) -> None:
        """Move to another field."""
        self._stage.next_field()

    def set_zoom(self, zoom: float) -> None:
        """Change the objective; the view changes once the new one is painted.

        Raises:
            ValueError: If there is no such zoom.
        """
        if zoom not in ZOOMS:
            raise ValueError(f"zoom: expected one of {ZOOMS}, got {zoom}")
        if zoom != self._zoom:
            self._zoom = zoom
            self._wanted = SlideCanvas(zoomed(self._spec, zoom), *self._size_px)

    def cells(self, view: SlideView) -> list[SlideCell]:
        """Ground truth of a frame: white cells and smudges whose centre is in its view."""
        with self._truth_lock:
            # A slide of its own: `SyntheticSlide` is not thread-safe.
            if self._truth is None or self._truth[0] != view.zoom:
                self._truth = (view.zoom, SyntheticSlide(zoomed(self._spec, view.zoom)))
            return cells_in(self._truth[1], view)

    def close(self) -> None:
        """See `FrameSource.close`."""
        super().close()
        self._painter.join(1.0)

    # --- the two threads --------------------------------------------------------------------------

    def _run(self) -> None:
        next_s = before_s = time.perf_counter()
        while not self._stop.is_set():
            now_s = time.perf_counter()
            moment, reached, pose = self._stage.peek(min(now_s - before_s, 0.1))
            before_s = now_s
            canvas = self._wanted
            place = _place(pose, canvas)
            self._ahead = place
            image = canvas.cut(*place)
            if image is not None:
                self._stage.take(moment, reached)
                self._canvas, self._place = canvas, place
                self._publish(*self._seen(image, canvas, place, pose.defocus))
            else:
                # The stage waits for the painter; the camera goes on.
                image = self._canvas.cut(*self._place)
                if image is not None:
                    self._publish(*self._seen(image, self._canvas, self._place, pose.defocus))
            next_s = max(next_s + 1 / self.fps, now_s)
            self._stop.wait(next_s - time.perf_counter())

    def _seen(
        self, image: RGBImage, canvas: SlideCanvas, place: tuple[int, int], defocus: float
    ) -> tuple[RGBImage, SlideView]:
        sigma_px = _DEFOCUS * defocus * canvas.spec.red_cell_px
        if sigma_px > 0.3:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), dtype=np.uint8)
        zoom = canvas.spec.red_cell_px / self._spec.red_cell_px
        return image, SlideView(*place, *self._size_px, zoom, sigma_px)

    def _paint(self) -> None:
        """Paint what the view needs, then what lies around it, then wait."""
        while not self._stop.is_set():
            canvas, (x, y) = self._wanted, self._ahead
            lacking = canvas.missing(x, y) or canvas.missing(x, y, TILE_PX // 2)
            if lacking:
                canvas.paint(lacking[0])
            else:
                self._stop.wait(0.02)


def _place(pose: Pose, canvas: SlideCanvas) -> tuple[int, int]:
    """Left and top of the view on the slide; under any objective its centre is the same."""
    return (
        round((pose.x + 0.5) * canvas.spec.width_px - canvas.width_px / 2),
        round((pose.y + 0.5) * canvas.spec.height_px - canvas.height_px / 2),
    )
