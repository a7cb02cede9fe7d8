"""A camera that the machine running allcell opens, as a source of frames."""

from __future__ import annotations

import re

import cv2

from allcell.errors import DeviceError
from allcell.settings import settings
from allcell.stream.sources import USUAL_FPS, ThreadedSource, rgb

#: A camera that has sent nothing for this long is not there.
CAMERA_TIMEOUT_S = 4.0


class ServerCamera(ThreadedSource):
    """A camera that the machine running allcell opens: a V4L2 device or an RTSP address.

    Args:
        address: One of `allowed`: a device number, or an rtsp:// address.
        allowed: Cameras that may be opened; if None, the setting `cameras`, by default none.
        timeout_s: How long to wait for its first frame.

    Raises:
        DeviceError: If the address is not allowed, or sends no picture in time.
    """

    def __init__(
        self,
        address: str,
        *,
        allowed: tuple[str, ...] | None = None,
        timeout_s: float = CAMERA_TIMEOUT_S,
    ) -> None:
        known = settings().cameras if allowed is None else allowed
        if address not in known:
            raise DeviceError(
                "This camera is not among those that the server may open.",
                "Whoever runs the server can name cameras in ALLCELL_CAMERAS.",
            )
        super().__init__(camera_name(address), USUAL_FPS)
        self._address = address
        self._timeout_s = timeout_s
        self._thread.start()
        with self._fresh:
            self._fresh.wait_for(lambda: self._newest is not None or self.ended, timeout_s + 0.5)
            answered = self._newest is not None
        if not answered:
            self._stop.set()
            raise DeviceError(
                self.error or f"{self.name} does not answer.",
                "Check that it is on, connected and not used by another program.",
            )

    def _run(self) -> None:
        capture = self._open()
        try:
            rate = capture.get(cv2.CAP_PROP_FPS)
            self.fps = rate if 1 <= rate <= 240 else USUAL_FPS
            while not self._stop.is_set():
                done, bgr = capture.read()
                if not done:
                    if not self._stop.is_set():
                        self.error = f"{self.name} has stopped sending pictures."
                    return
                self._publish(rgb(bgr))
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        timeout_ms = int(1e3 * self._timeout_s)
        if self._address.isdecimal():
            return cv2.VideoCapture(int(self._address))
        return cv2.VideoCapture(
            self._address,
            cv2.CAP_FFMPEG,
            [
                *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms),
                *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms),
            ],
        )


def camera_name(address: str) -> str:
    """A camera's display name: its number or host, without user name and password."""
    if address.isdecimal():
        return f"Camera {address} of the server"
    host = re.sub(r"^[a-z]+://(.*@)?", "", address, flags=re.IGNORECASE)
    return f"The camera at {re.split(r'[/?]', host)[0]}"
