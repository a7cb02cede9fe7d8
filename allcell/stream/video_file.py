"""An uploaded video as a source of frames."""

from __future__ import annotations

import re
import time
from pathlib import Path

import cv2

from allcell.errors import ImageError
from allcell.settings import settings
from allcell.stream.sources import USUAL_FPS, ThreadedSource, rgb

#: Two cores cannot keep up with larger frames.
MAX_VIDEO_PIXELS = 3840 * 2160
#: First bytes of the containers that are passed to the decoder. Playlists are not: one may name any
#: address, or any file on the server, and the decoder would open it.
_CONTAINERS = re.compile(
    rb"^(....ftyp|\x1aE\xdf\xa3|RIFF....AVI |OggS|\x00\x00\x01\xba)", re.DOTALL
)
_OTHER_VIDEO = "Choose an MP4, MOV, WebM, MKV, AVI or Ogg video."


class VideoFile(ThreadedSource):
    """A video, played at its own speed.

    Args:
        path: The file.
        name: Its name in messages.
        loop: Whether to start again at its end.

    Raises:
        ImageError: If it is not a video, or exceeds the limits of the settings.
    """

    def __init__(self, path: Path, *, name: str = "The video", loop: bool = False) -> None:
        self._path = path
        self._loop = loop
        _check_file(path, name)
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        try:
            fps = _check_video(self._capture, name)
        except ImageError:
            self._capture.release()
            raise
        super().__init__(name, fps)
        self._thread.start()

    def _run(self) -> None:
        try:
            start_s, number, most = time.perf_counter(), 0, self.fps * settings().max_video_s
            while not self._stop.is_set():
                done, bgr = self._capture.read()
                if not done or (not self._loop and number >= most):
                    if not self._loop or number == 0:
                        break
                    # Reopened: not every container can be rewound.
                    self._capture.release()
                    self._capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
                    start_s, number = time.perf_counter(), 0
                    continue
                self._publish(rgb(bgr))
                number += 1
                self._stop.wait(max(0.0, start_s + number / self.fps - time.perf_counter()))
            if number == 0 and not self._stop.is_set():
                self.error = f"{self.name} holds no picture that can be read. {_OTHER_VIDEO}"
        finally:
            self._capture.release()


def _check_file(path: Path, name: str) -> None:
    most = settings().max_video_bytes
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise ImageError(f"{name} cannot be opened.", "Check that it still exists.") from error
    if size > most:
        raise ImageError(
            f"{name} has {size / 2**20:,.0f} MB; at most {most / 2**20:,.0f} MB are accepted.",
            "Shorten it, or save it with a smaller picture.",
        )
    if not _CONTAINERS.match(head):
        raise ImageError(f"{name} is not a video that can be read.", _OTHER_VIDEO)


def _check_video(capture: cv2.VideoCapture, name: str) -> float:
    """Refuse a damaged, too large or too long video; else return its frames per second."""
    width, height, fps, frames = (
        capture.get(what)
        for what in (
            cv2.CAP_PROP_FRAME_WIDTH,
            cv2.CAP_PROP_FRAME_HEIGHT,
            cv2.CAP_PROP_FPS,
            cv2.CAP_PROP_FRAME_COUNT,
        )
    )
    if not capture.isOpened() or width < 1 or height < 1:
        raise ImageError(f"{name} is damaged or in an unknown format.", _OTHER_VIDEO)
    if width * height > MAX_VIDEO_PIXELS:
        raise ImageError(
            f"{name} has {width:.0f} x {height:.0f} pixels; at most 3840 x 2160 are accepted.",
            "Save it with a smaller picture.",
        )
    fps = fps if 1 <= fps <= 240 else USUAL_FPS
    most_s = settings().max_video_s
    if frames > 0 and frames / fps > most_s:
        raise ImageError(
            f"{name} is {frames / fps / 60:.1f} minutes long; at most {most_s / 60:.0f} are "
            "accepted.",
            "Shorten it.",
        )
    return float(fps)
