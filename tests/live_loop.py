"""Live video without a browser: the server's half of a connection, and aiortc as the other one."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import RTCPeerConnection, VideoStreamTrack
from streamlit_webrtc.source import VideoSourceTrack
from streamlit_webrtc.webrtc import WebRtcMode, WebRtcWorker

from allcell.ui.live.relay import Relay
from allcell.ui.live.webrtc_tuning import tune

#: Frames that must arrive before a connection counts as open.
_SEEN = 3
_WAIT_S = 20.0
#: What `WebRtcWorker` wants to be told, beyond what differs here.
_USUAL: dict[str, Any] = dict.fromkeys(
    (
        *("rtc_configuration", "source_audio_track", "sink_video_track", "sink_audio_track"),
        *("player_factory", "in_recorder_factory", "out_recorder_factory"),
        *("audio_frame_callback", "queued_video_frames_callback", "queued_audio_frames_callback"),
        *("on_video_ended", "on_audio_ended", "video_processor_factory", "audio_processor_factory"),
    )
) | {
    "async_processing": True,
    "video_receiver_size": 4,
    "audio_receiver_size": 4,
    "sendback_video": True,
    "sendback_audio": True,
}


@dataclass(frozen=True)
class Held:
    """What this process holds.

    Attributes:
        threads: Threads, those of libraries too.
        files: File handles.
        memory_mb: Resident memory.
    """

    threads: int
    files: int
    memory_mb: float

    @classmethod
    def now(cls, pid: int | str = "self") -> Held:
        """What a process holds at this moment (Linux)."""
        proc = Path("/proc") / str(pid)
        pages = int((proc / "statm").read_text().split()[1])
        return cls(
            len(os.listdir(proc / "task")),
            len(os.listdir(proc / "fd")),
            pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        )


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        """Run something on it, and wait."""
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(_WAIT_S)

    def tasks(self) -> list[str]:
        """What still runs on it."""

        async def names() -> list[str]:
            mine = asyncio.current_task()
            return [repr(t.get_coro()) for t in asyncio.all_tasks() if t is not mine]

        found: list[str] = self.do(names())
        return found

    def close(self) -> None:
        """End it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_WAIT_S)
        self.loop.close()


async def _made(what: Callable[[], Any]) -> Any:
    return what()


class LiveServer:
    """The server's side of Live: a relay, and a worker for each connection."""

    def __init__(self, width_px: int = 320, height_px: int = 180) -> None:
        tune()
        self.here, self.browser = Loop(), Loop()
        self.relay: Relay = self.here.do(_made(Relay))
        self._picture = np.full((height_px, width_px, 3), 90, np.uint8)

    def _newest(self, pts: int, time_base: Fraction) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(self._picture, format="rgb24")

    def _drawn(self, frame: av.VideoFrame) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")

    def connect(self, *, camera: bool, frames: bool = True) -> Connection:
        """Open a connection, and wait for pictures.

        Args:
            camera: Whether the browser sends video, too.
            frames: Whether to wait for pictures; else it is left while it is being opened.
        """
        source = None
        if not camera:
            source = self.here.do(_made(lambda: VideoSourceTrack(self._newest, 30)))
        worker: WebRtcWorker[Any, Any] = WebRtcWorker(
            mode=WebRtcMode.SENDRECV if camera else WebRtcMode.RECVONLY,
            source_video_track=source,
            video_frame_callback=self._drawn if camera else None,
            loop=self.here.loop,
            relay=self.relay,
            **_USUAL,
        )
        client, seen = self.browser.do(self._offer(camera))
        offer = client.localDescription
        answer = worker.process_offer(offer.sdp, offer.type, timeout=_WAIT_S)
        connection = Connection(self, worker, client, source)
        if frames:
            self.browser.do(client.setRemoteDescription(answer))
            self.browser.do(asyncio.wait_for(seen.wait(), _WAIT_S))
        return connection

    async def _offer(self, camera: bool) -> tuple[RTCPeerConnection, asyncio.Event]:
        client, seen = RTCPeerConnection(), asyncio.Event()
        if camera:
            client.addTrack(VideoStreamTrack())
        else:
            client.addTransceiver("video", direction="recvonly")

        @client.on("track")
        def look(track: Any) -> None:
            async def pull() -> None:
                for _ in range(_SEEN):
                    await track.recv()
                seen.set()
                while True:
                    await track.recv()

            task = asyncio.ensure_future(pull())
            # The track's end ends it; its error is of no interest.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

        await client.setLocalDescription(await client.createOffer())
        return client, seen

    def close(self) -> None:
        """End both event loops."""
        self.here.close()
        self.browser.close()


@dataclass(frozen=True, eq=False)
class Connection:
    """An open connection.

    Attributes:
        server: What opened it.
        worker: The server's side.
        client: The browser's side.
        source: What the server shows, if it does.
    """

    server: LiveServer
    worker: WebRtcWorker[Any, Any]
    client: RTCPeerConnection
    source: VideoSourceTrack | None

    def stop(self) -> None:
        """As the Stop button."""
        self.worker.stop()
        if self.source is not None:
            self.source.stop()
        self.server.browser.do(self.client.close())

    def vanish(self) -> None:
        """As a tab that is closed: the browser's side is gone first."""
        self.server.browser.do(self.client.close())
        self.worker.stop()
        if self.source is not None:
            self.source.stop()


def settle() -> None:
    """Collect what aiortc leaves in cycles."""
    gc.collect()
