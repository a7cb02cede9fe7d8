"""Runs a source on the server through the frame worker, and keeps the newest drawn frame."""

from __future__ import annotations

import threading
from collections.abc import Callable

from allcell.formats.pixels import RGBImage
from allcell.stream.sources import FrameSource

#: The last frame of an ended video is redrawn this often, so that controls still act on it.
_AFTER_END_S = 0.25


class Feed:
    """Reads a source in a thread of its own and keeps the newest processed frame.

    A video track's callback runs on the server's event loop: it may only pick up what is ready.

    Args:
        source: Closed together with the feed.
        process: Draws a frame, RGB uint8 (H, W, 3); usually `Viewer.process`.
    """

    def __init__(self, source: FrameSource, process: Callable[[RGBImage], RGBImage]) -> None:
        self.source = source
        self._process = process
        self._stop = threading.Event()
        self._shown: RGBImage | None = None
        self._number = 0
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    @property
    def number(self) -> int:
        """How many frames have been processed."""
        return self._number

    def newest(self) -> RGBImage | None:
        """The newest processed frame, RGB uint8 (H, W, 3); None before the first. Never waits."""
        return self._shown

    def wait(self, timeout_s: float) -> bool:
        """Wait for the first frame.

        Returns:
            Whether it came in time.
        """
        return self._first.wait(timeout_s)

    def close(self) -> None:
        """Stop and close the source."""
        self._stop.set()
        self.source.close()
        self._thread.join(1.0)

    def _run(self) -> None:
        last: RGBImage | None = None
        while not self._stop.is_set():
            frame = self.source.read(timeout_s=0.2)
            if frame is not None:
                last = frame.image
            elif not self.source.ended:
                continue
            elif last is None:
                return
            else:
                self._stop.wait(_AFTER_END_S)
            if last is not None:
                self._shown = self._process(last)
                self._number += 1
                self._first.set()
