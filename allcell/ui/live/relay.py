"""Passes the frames of one track on to several, and lets go of all of them when they end.

aiortc's own relay keeps a task, a track and a video frame for every connection that was ever
opened. Two of its habits cause that: a subscription that is stopped while it waits for a frame
waits for ever, and one that never got a frame stays in its table.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamError
from streamlit_webrtc import relay as webrtc_relay

log = logging.getLogger(__name__)


class Subscription(MediaStreamTrack):
    """One reader of a track; it gets the newest frame only.

    Args:
        relay: What it belongs to.
        source: The track.
    """

    def __init__(self, relay: Relay, source: MediaStreamTrack) -> None:
        super().__init__()
        self.kind = source.kind
        self._relay: Relay | None = relay
        self._source: MediaStreamTrack | None = source
        self._newest: Any = None
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def recv(self) -> Any:
        """The next frame.

        Raises:
            MediaStreamError: If this subscription or its source has ended.
        """
        relay, source = self._relay, self._source
        if self.readyState != "live" or relay is None or source is None:
            raise MediaStreamError
        self._loop = asyncio.get_running_loop()
        relay.read(source, self)
        await self._news.wait()
        self._news.clear()
        frame, self._newest = self._newest, None
        if frame is None:
            self.stop()
            raise MediaStreamError
        return frame

    def show(self, frame: Any) -> None:
        """Pass a frame on, or None at the end; on the event loop."""
        self._newest = frame
        self._news.set()

    def stop(self) -> None:
        """End it, from any thread; whoever waits for a frame is told so."""
        super().stop()
        relay, source = self._relay, self._source
        self._relay = self._source = None
        if relay is None or source is None or self._loop is None or self._loop.is_closed():
            return

        def leave() -> None:
            relay.leave(source, self)
            self.show(None)

        # What the relay keeps is changed on the event loop only.
        self._loop.call_soon_threadsafe(leave)


class Relay(MediaRelay):
    """A relay that keeps nothing of a track that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self._readers: dict[MediaStreamTrack, set[Subscription]] = {}
        self._tasks: dict[MediaStreamTrack, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        """How many tracks are being read."""
        return len(self._tasks)

    def subscribe(self, track: MediaStreamTrack, buffered: bool = False) -> MediaStreamTrack:
        """See `MediaRelay.subscribe`; always unbuffered.

        Between its tracks the library buffers every frame that a busy machine has not sent yet: the
        video would fall behind by minutes and fill the memory. Here the newest frame is enough.
        """
        return Subscription(self, track)

    def read(self, source: MediaStreamTrack, reader: Subscription) -> None:
        """Pass the frames of a track on to a reader from now on; on the event loop."""
        self._readers.setdefault(source, set()).add(reader)
        task = self._tasks.get(source)
        if task is None or task.done():
            self._tasks[source] = asyncio.ensure_future(self._pass_on(source))

    def leave(self, source: MediaStreamTrack, reader: Subscription) -> None:
        """Pass no more frames on to a reader; the last one ends the reading. On the event loop."""
        readers = self._readers.get(source, set())
        readers.discard(reader)
        if not readers:
            self._readers.pop(source, None)
            task = self._tasks.pop(source, None)
            if task is not None:
                task.cancel()

    async def _pass_on(self, source: MediaStreamTrack) -> None:
        frame: Any = True
        while frame is not None:
            try:
                frame = await source.recv()
            except MediaStreamError:
                frame = None
            except Exception:  # whatever a source raises, its readers must not wait for it
                log.warning("A track failed.", exc_info=True)
                frame = None
            for reader in tuple(self._readers.get(source, ())):
                reader.show(frame)
                if frame is None:
                    # Nobody may be waiting who would stop it, and tracks that draw end with it.
                    reader.stop()


def use_relay() -> None:
    """Let the server use this relay; called before the first connection of the process.

    The library keeps the relay on Streamlit's runtime, under a name that only its own module has.
    """
    if not hasattr(webrtc_relay, "_allcell"):
        setattr(webrtc_relay, "_allcell", True)  # noqa: B010
        setattr(webrtc_relay, "MediaRelay", Relay)  # noqa: B010
