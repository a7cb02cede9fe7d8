"""What one browser session keeps of its live video."""

from __future__ import annotations

import logging
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from allcell.environment.leftovers import temporary_folder
from allcell.errors import AllcellError
from allcell.formats.pixels import RGBImage
from allcell.settings import settings
from allcell.stream.feed import Feed
from allcell.stream.frames import Viewer
from allcell.stream.live_settings import LiveSettings
from allcell.stream.microscope import VirtualMicroscope
from allcell.stream.recorder import Recorder
from allcell.stream.snapshots import Strip
from allcell.stream.sources import FrameSource
from allcell.ui.sessions import budget
from allcell.ui.sessions.ledger import Held
from allcell.ui.shell.session_watch import session_is_open

log = logging.getLogger(__name__)

_KEY = "allcell.live"
#: A server-side source that has had no viewer for this long is closed: the tab is gone.
UNWATCHED_S = 1.5
#: After this long without a viewer it is not opened again.
FORGOTTEN_S = 60.0


class WatchedFeed:
    """A feed whose source is closed while it has no viewer, and opened again when it has one.

    Args:
        open_source: Opens the source.
        process: See `Feed`.
        choice: The user's choice that it is opened for.
        is_open: Whether the user's tab is still there. When a browser vanishes, its connection
            goes on asking for frames for half a minute.

    Raises:
        AllcellError: If the source cannot be opened.
    """

    def __init__(
        self,
        open_source: Callable[[], FrameSource],
        process: Callable[[RGBImage], RGBImage],
        choice: object,
        is_open: Callable[[], bool] = lambda: True,
    ) -> None:
        self.choice = choice
        self._open_source = open_source
        self._process = process
        self._is_open = is_open
        self.feed = Feed(open_source(), process)
        self._seen_s = time.monotonic() + 5.0  # a browser takes a moment to connect
        self._paused = False
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="feed watch", daemon=True).start()

    def newest(self) -> RGBImage | None:
        """The frame to show now; counts as a sign of a viewer."""
        if self._is_open():
            self._seen_s = max(self._seen_s, time.monotonic())
        return self.feed.newest()

    @property
    def closed(self) -> bool:
        """Whether its source is closed, for good or until there is a viewer."""
        return self._paused or self._ended.is_set()

    def close(self) -> None:
        """Stop reading and close the source, for good."""
        self._ended.set()
        self.feed.close()

    def _watch(self) -> None:
        while not self._ended.wait(0.25):
            unseen_s = time.monotonic() - self._seen_s
            if not self._paused and unseen_s > UNWATCHED_S:
                self.feed.close()
                self._paused = True
            elif self._paused and unseen_s < UNWATCHED_S:
                # A busy machine may only have asked late.
                try:
                    self.feed = Feed(self._open_source(), self._process)
                except AllcellError as error:
                    log.warning("The source could not be opened again: %s", error)
                    return
                self._paused = False
            elif self._paused and unseen_s > FORGOTTEN_S:
                return
        if not self._paused:
            self.feed.close()


class LiveDesk:
    """The stream of one session, its snapshots and its recording.

    Attributes:
        viewer: Draws the boxes.
        strip: Snapshots that were kept.
        watched: The running server-side source, if there is one.
        recording: The file being written, or written last.
    """

    def __init__(self, settings: LiveSettings) -> None:
        self.viewer = Viewer(settings)
        self.strip = Strip()
        self.watched: WatchedFeed | None = None
        self.recording: Recorder | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def holds(self) -> list[Held]:
        """See `Holder.holds`."""
        return [snapshot.frame for snapshot in self.strip.snapshots()]

    def spare(self) -> None:
        """See `Holder.spare`: nothing here can be made again."""

    def close(self) -> None:
        """See `Holder.close`: end the stream, finish the recording and let go of all frames."""
        self.stop()
        self.forget_recording()
        self.strip.clear()
        self.viewer.close()

    @property
    def would_be_lost(self) -> bool:
        """Whether there are snapshots or a recording, which a reload of the page would lose."""
        return bool(len(self.strip)) or self.recording is not None

    @property
    def microscope(self) -> VirtualMicroscope | None:
        """The virtual microscope, while it runs."""
        source = self.watched.feed.source if self.watched and not self.watched.closed else None
        return source if isinstance(source, VirtualMicroscope) else None

    def newest(self) -> RGBImage | None:
        """What the server's source shows now; None before its first frame."""
        return self.watched.newest() if self.watched else None

    def play(self, choice: object, open_source: Callable[[], FrameSource]) -> None:
        """Run the source of this choice, and close any other.

        Args:
            choice: Compared with that of the running source.
            open_source: Opens it.

        Raises:
            AllcellError: If it cannot be opened.
        """
        if self.watched and self.watched.choice == choice:
            self.watched.newest()  # opens it again if it was closed
            return
        self.stop()
        self.watched = WatchedFeed(open_source, self.viewer.process, choice, session_is_open())

    def stop(self) -> None:
        """Close the server's source, if one runs."""
        if self.watched:
            self.watched.close()
            self.watched = None

    def record(self, suffix: str) -> None:
        """Begin a recording, replacing the last one of this session.

        It is written to a temporary folder of this session, or to the folder in the settings, where
        it stays.

        Args:
            suffix: Ending of the file, a key of `recorder.CODECS`.
        """
        self.forget_recording()
        self.recording = Recorder(self._recording_path(suffix))
        self.viewer.recorder = self.recording

    def _recording_path(self, suffix: str) -> Path:
        kept = settings().recordings_dir
        if kept is None:
            self._folder = temporary_folder("recording")
            return Path(self._folder.name) / f"allcell{suffix}"
        now = datetime.now(UTC)
        # Two sessions may begin in the same millisecond.
        return kept / f"allcell-{now:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}{suffix}"

    def end_recording(self) -> None:
        """Finish the file; it stays until it is forgotten."""
        self.viewer.recorder = None
        if self.recording:
            self.recording.close()

    def forget_recording(self) -> None:
        """Finish the file and forget it; it is deleted unless the settings name a folder for it."""
        self.end_recording()
        self.recording = None
        if self._folder:
            self._folder.cleanup()
            self._folder = None

    def delete_recording(self) -> None:
        """Delete the file, wherever it is."""
        recording = self.recording
        self.forget_recording()
        if recording is not None:
            recording.path.unlink(missing_ok=True)


def known_desk() -> LiveDesk | None:
    """The live video of this browser session, if there has been any."""
    desk = st.session_state.get(_KEY)
    return desk if isinstance(desk, LiveDesk) else None


def live_desk(settings: LiveSettings) -> LiveDesk:
    """The live video of this browser session, with these settings from the next frame on."""
    desk = known_desk()
    if desk is None:
        desk = st.session_state[_KEY] = LiveDesk(settings)
        budget.join(desk)
    desk.viewer.configure(settings)
    return desk
