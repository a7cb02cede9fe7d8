"""What all sources of frames other than a browser share; each source has its own file.

Each source keeps the newest frame in a thread of its own, so readers never wait for the device.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from allcell.errors import AllcellError
from allcell.formats.pixels import RGBImage

log = logging.getLogger(__name__)

#: Frames per second where a device or file does not state them.
USUAL_FPS = 25.0


@dataclass(frozen=True)
class SlideView:
    """Which part of a synthetic slide a frame shows.

    Attributes:
        x_px: Left edge on the slide, in pixels of this zoom.
        y_px: Top edge.
        width_px: Width of the frame.
        height_px: Height of the frame.
        zoom: Magnification relative to the initial one.
        focus_blur: Sigma of the blur of defocus, in pixels.
    """

    x_px: int
    y_px: int
    width_px: int
    height_px: int
    zoom: float
    focus_blur: float


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture and when it was taken.

    Attributes:
        image: RGB uint8 (H, W, 3).
        number: Counts the frames of its source from 1; gaps are frames nobody read.
        taken_s: Time of `time.perf_counter`, in seconds.
        view: Where on the slide; from the virtual microscope only.
    """

    image: RGBImage
    number: int
    taken_s: float
    view: SlideView | None = None


class FrameSource(Protocol):
    """A running source of frames."""

    @property
    def name(self) -> str:
        """Display name; never an address, which may hold a password."""
        ...

    @property
    def frame_px(self) -> tuple[int, int]:
        """Width and height of its frames."""
        ...

    @property
    def fps(self) -> float:
        """Frames per second that it sends."""
        ...

    @property
    def ended(self) -> bool:
        """Whether no more frames will come."""
        ...

    @property
    def error(self) -> str:
        """Why it ended, in a sentence; empty if it is running or ended normally."""
        ...

    def read(self, timeout_s: float = 0.0) -> Frame | None:
        """The newest unread frame, or None if there is none within the time."""
        ...

    def close(self) -> None:
        """Stop, and release the device or file."""
        ...


class ThreadedSource(ABC):
    """A source whose thread publishes frames; see `FrameSource` for its interface.

    Args:
        name: See `FrameSource.name`.
        fps: See `FrameSource.fps`.
    """

    def __init__(self, name: str, fps: float) -> None:
        self.name = name
        self.fps = fps
        self.frame_px = (0, 0)
        self.error = ""
        self.ended = False
        self._stop = threading.Event()
        self._fresh = threading.Condition()
        self._newest: Frame | None = None
        self._number = 0
        self._thread = threading.Thread(target=self._guarded, name=f"source {name}", daemon=True)

    @abstractmethod
    def _run(self) -> None:
        """Publish frames until `_stop` is set or there are no more; runs in the thread."""

    def read(self, timeout_s: float = 0.0) -> Frame | None:
        """See `FrameSource.read`."""
        with self._fresh:
            if self._newest is None and not self.ended and timeout_s > 0:
                self._fresh.wait_for(lambda: self._newest is not None or self.ended, timeout_s)
            frame, self._newest = self._newest, None
            return frame

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            # A camera that hangs is left to its own timeout.
            self._thread.join(1.0)
        with self._fresh:
            self.ended = True
            self._newest = None
            self._fresh.notify_all()

    def _publish(self, image: RGBImage, view: SlideView | None = None) -> None:
        with self._fresh:
            self._number += 1
            self.frame_px = (image.shape[1], image.shape[0])
            self._newest = Frame(image, self._number, time.perf_counter(), view)
            self._fresh.notify_all()

    def _guarded(self) -> None:
        try:
            self._run()
        except AllcellError as error:
            self.error = str(error)
        except Exception as error:  # whatever a decoder raises ends this source and nothing else
            log.warning("The source %s failed.", self.name, exc_info=error)
            self.error = f"{self.name} failed ({type(error).__name__})."
        with self._fresh:
            self.ended = True
            self._fresh.notify_all()


def rgb(bgr: np.ndarray) -> RGBImage:
    """A BGR frame of OpenCV's, uint8 (H, W, 3), as RGB."""
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
