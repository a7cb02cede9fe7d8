"""The annotated video as a file, written in a thread of its own so that the stream never waits."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from allcell.detections import Detections
from allcell.errors import ImageError
from allcell.formats.pixels import RGBImage
from allcell.imaging.draw import draw
from allcell.settings import settings

log = logging.getLogger(__name__)

#: Codecs that this OpenCV writes, by suffix. MP4 (MPEG-4 part 2) plays in media players, WebM (VP8)
#: in browsers too, at about five times the cost: 38 instead of 8 ms of a core per 1280x720 frame.
CODECS = {".mp4": "mp4v", ".webm": "VP80"}
RECORDING_FPS = 15.0


class Recorder:
    """Writes the newest shown frame at a steady rate, whatever the rate it is shown at.

    Args:
        path: The file, .mp4 or .webm; its folder must exist.
        fps: Frames per second in the file.

    Raises:
        ImageError: If the suffix is neither of these.
    """

    def __init__(self, path: Path, *, fps: float = RECORDING_FPS) -> None:
        if path.suffix.lower() not in CODECS:
            raise ImageError(
                f"Videos are not written as {path.suffix or 'a file without suffix'!r}.",
                "Choose a name that ends in .mp4 or .webm.",
            )
        self.path = path
        self.fps = fps
        #: Why it stopped by itself; empty while all is well.
        self.error = ""
        self._frames = 0
        self._newest: RGBImage | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def show(self, frame: RGBImage) -> None:
        """The frame to write from now on; returns at once.

        Args:
            frame: RGB uint8 (H, W, 3), not written to afterwards.
        """
        self._newest = frame

    @property
    def seconds(self) -> float:
        """Length of the recording so far."""
        return self._frames / self.fps

    @property
    def running(self) -> bool:
        """Whether frames are still being written."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Finish the file."""
        self._stop.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        try:
            self._write()
        except Exception as error:  # a full disk or a codec must not stop the stream
            log.warning("The recording stopped.", exc_info=error)
            self.error = f"The recording stopped ({error})."

    def _write(self) -> None:
        while self._newest is None:
            if self._stop.wait(0.02):
                return
        sheet = _Sheet(self._newest)
        writer = cv2.VideoWriter(
            str(self.path),
            cv2.VideoWriter.fourcc(*CODECS[self.path.suffix.lower()]),
            self.fps,
            sheet.size_px,
        )
        try:
            if not writer.isOpened():
                raise ImageError("The file cannot be written.", "Choose another folder.")
            start_s, most = time.perf_counter(), settings().max_recording_s * self.fps
            while not self._stop.is_set():
                if self._frames >= most:
                    self.error = "The recording has reached its maximum length."
                    return
                # A late writer repeats the frame, so that the video keeps its duration.
                due = int((time.perf_counter() - start_s) * self.fps) + 1
                picture = sheet.laid_out(self._newest)
                while self._frames < due:
                    writer.write(picture)
                    self._frames += 1
                self._stop.wait(start_s + self._frames / self.fps - time.perf_counter())
        finally:
            writer.release()


class _Sheet:
    """Frames above the research-use notice, all at the size of the first; BGR for the writer."""

    def __init__(self, first: RGBImage) -> None:
        # Codecs require even sides.
        self._height, self._width = (side // 2 * 2 for side in first.shape[:2])
        blank = np.zeros((1, self._width, 3), np.uint8)
        strip = draw(blank, Detections.empty(), ())[1:]
        strip = strip[: len(strip) // 2 * 2]
        self.size_px = (self._width, self._height + len(strip))
        self._page = np.empty((self._height + len(strip), self._width, 3), np.uint8)
        self._page[self._height :] = strip

    def laid_out(self, frame: RGBImage) -> RGBImage:
        height, width = frame.shape[:2]
        if (height, width) == (self._height, self._width):
            cv2.cvtColor(frame, cv2.COLOR_RGB2BGR, dst=self._page[: self._height])
            return self._page
        # The camera has changed its frame size; the file cannot change its own.
        scale = min(self._width / width, self._height / height)
        inner_w, inner_h = max(1, int(width * scale)), max(1, int(height * scale))
        small = cv2.resize(frame, (inner_w, inner_h), interpolation=cv2.INTER_AREA)
        self._page[: self._height] = 0
        self._page[:inner_h, :inner_w] = small[..., ::-1]
        return self._page
