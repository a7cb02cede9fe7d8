"""Low latency and a sharp picture from the WebRTC libraries, which delay frames needlessly."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import lru_cache
from typing import Any

from aiortc import MediaStreamTrack, codecs
from aiortc.codecs import vpx
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.mediastreams import MediaStreamError
from streamlit_webrtc import process
from streamlit_webrtc.process import AsyncVideoProcessTrack

from allcell.ui.live.relay import use_relay

#: VP8's bit rates in bit/s: start, least, most. aiortc's own (500 kbit/s, at most 1.5 Mbit/s) show
#: a 720p camera at 640x360 for its first half minute.
_START_BPS, _LEAST_BPS, _MOST_BPS = 3_000_000, 1_000_000, 6_000_000
#: Longest wait for a frame to be drawn before the previous one is shown again.
_AWAITED_S = 0.03


_remove_frame = JitterBuffer._remove_frame


def _whole_frame(buffer: Any, sequence_number: int) -> JitterFrame | None:
    """What `JitterBuffer._remove_frame` does, without its delay of one frame.

    The library considers a frame complete when the first packet of the next one arrives. Its own
    last packet already says so by RTP's marker bit (RFC 7741, section 4.1, for VP8, which browsers
    choose here; they set it for H.264 as well). As in the library, one packet yields at most one
    frame: after a retransmitted packet, single-packet frames stay late by those that waited for it.
    """
    if buffer._prefetch or not buffer._is_video:
        return _remove_frame(buffer, sequence_number)
    packets: list[Any] = []
    for count in range(buffer.capacity):
        packet = buffer._packets[(buffer._origin + count) % buffer.capacity]
        if packet is None:
            return None
        ended = bool(packets) and packet.timestamp != packets[0].timestamp
        if not ended:
            packets.append(packet)
        if ended or packet.marker:
            buffer.remove(len(packets))
            data = b"".join(part._data for part in packets)
            if data:
                return JitterFrame(data=data, timestamp=packets[0].timestamp)
            # Padding only, with which a browser probes the bandwidth.
            return _whole_frame(buffer, sequence_number)
    return None


async def _prompt_recv(track: Any) -> Any:
    """What `AsyncVideoProcessTrack.recv` does, without its delay of one to two frames.

    The library returns what is finished when a frame arrives, so always an older one. Here the
    frame's own result is awaited, usually a few milliseconds and never longer than a frame lasts.
    A late result is shown in place of the next one only if it comes while that one is awaited.
    """
    if track.readyState != "live":
        raise MediaStreamError
    with track._worker_exception_lock:
        if track._worker_exception:
            raise track._worker_exception
    track._start()
    frame = await track.track.recv()
    _take_newest(track)
    track._in_queue.put(frame)
    patience_s = time.monotonic() + _AWAITED_S
    while not track._out_deque and time.monotonic() < patience_s:
        await asyncio.sleep(0.002)
    _take_newest(track)
    shown = track._last_out_frame or frame
    shown.pts, shown.time_base = frame.pts, frame.time_base
    return shown


def _take_newest(track: Any) -> None:
    with track._out_lock:
        if track._out_deque:
            track._last_out_frame = track._out_deque[-1]
            track._out_deque.clear()


def _draw(track: Any) -> None:
    """What `AsyncVideoProcessTrack._worker_thread` does, and it closes its event loop.

    The library leaves that to the garbage collector, which may come much later: three file handles
    for each time that a camera was started.
    """
    with closing(asyncio.new_event_loop()) as loop:
        while (frame := track._in_queue.get()) != process.__SENTINEL__:
            while not track._in_queue.empty():
                newer = track._in_queue.get_nowait()
                if newer == process.__SENTINEL__:
                    return
                frame = newer
            drawn = loop.run_until_complete(track.processor.recv_queued([frame]))
            with track._out_lock:
                track._out_deque.clear()
                track._out_deque.extend(drawn)


_stop_drawing: Callable[[Any], None] = AsyncVideoProcessTrack.stop
_end_track: Callable[[Any], None] = MediaStreamTrack.stop


def _stop(track: Any) -> None:
    """`AsyncVideoProcessTrack.stop`, also for a track that never had a frame, and only once."""
    if track.readyState != "live":
        return
    if track._thread is not None:
        _stop_drawing(track)
    else:
        _end_track(track)
        track.track.stop()
    # The last frame, and with it the threads of its conversion, would wait for the collector.
    track._last_out_frame = None


@lru_cache(maxsize=1)
def tune() -> None:
    """Make VP8 start with a sharp picture, and pass frames on as soon as they arrive; once."""
    # It warns about each late frame; the page's readout gives the numbers.
    logging.getLogger("streamlit_webrtc.source").setLevel(logging.ERROR)
    setattr(JitterBuffer, "_remove_frame", _whole_frame)  # noqa: B010 (mypy forbids assigning it)
    use_relay()
    setattr(AsyncVideoProcessTrack, "_worker_thread", _draw)  # noqa: B010
    setattr(AsyncVideoProcessTrack, "stop", _stop)  # noqa: B010
    # A thread waits up to this long for another to release the GIL, many times while a frame is
    # made: with a page's script running as well, the default of 5 ms would be visible.
    sys.setswitchinterval(0.001)
    setattr(AsyncVideoProcessTrack, "recv", _prompt_recv)  # noqa: B010
    vpx.DEFAULT_BITRATE, vpx.MIN_BITRATE, vpx.MAX_BITRATE = _START_BPS, _LEAST_BPS, _MOST_BPS
    for codec in codecs.CODECS["video"]:
        if codec.mimeType.lower() == "video/vp8":
            codec.parameters.update(
                {
                    "x-google-start-bitrate": str(_START_BPS // 1000),
                    "x-google-min-bitrate": str(_LEAST_BPS // 1000),
                    "x-google-max-bitrate": str(_MOST_BPS // 1000),
                }
            )
