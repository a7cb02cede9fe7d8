"""The one place where video goes to and from the browser over WebRTC."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import streamlit as st
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamError
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit_webrtc import WebRtcMode, create_video_source_track, webrtc_streamer
from streamlit_webrtc.process import AsyncVideoProcessTrack

from allcell.formats.pixels import RGBImage
from allcell.settings import settings
from allcell.stream.frames import PATIENCE_S
from allcell.ui.frame import page_stays

# It warns of each frame that came late; the page's readout says so in numbers.
logging.getLogger("streamlit_webrtc.source").setLevel(logging.ERROR)

#: VP8's bit rates in bit/s: start, least, most. aiortc's own (500 kbit/s, at most 1.5 Mbit/s) show
#: a 720p camera at 640x360 for its first half minute.
_START_BPS, _LEAST_BPS, _MOST_BPS = 3_000_000, 1_000_000, 6_000_000

_WORDS = {
    "start": "Start",
    "stop": "Stop",
    "select_device": "Choose the camera",
    "select_camera": "Camera",
    "device_ask_permission": "Please allow the camera in the browser's question.",
}
_INSTEAD = "Or choose the virtual microscope, which needs no camera."
#: What to do, by the browser's name of the error; `insecure` is a page without https.
CURES = {
    "insecure": "The browser gives a page without https no camera. Open it as http://localhost on "
    f"the computer that has the camera, or over https (README, Live video). {_INSTEAD}",
    "NotAllowedError": "The browser denies this page the camera. Allow it with the symbol beside "
    f"the address, then press Start again. {_INSTEAD}",
    "NotFoundError": f"No camera was found. Plug one in, then press Start again. {_INSTEAD}",
    "NotReadableError": "The camera is in use by another program. Close that program, then press "
    f"Start again. {_INSTEAD}",
    "OverconstrainedError": "The chosen camera is not there any more. Choose another one below the "
    f"picture, then press Start again. {_INSTEAD}",
    "AbortError": "The camera stopped while it was being opened. Unplug it and plug it in again, "
    f"then press Start. {_INSTEAD}",
}


#: Longest wait for a frame to be drawn before the one before it is shown again.
_AWAITED_S = 0.03
_SHOWN = "live.component"


@dataclass(frozen=True)
class Link:
    """How the connection to the browser stands.

    Attributes:
        playing: Video flows.
        connecting: Start was pressed, no video yet.
    """

    playing: bool
    connecting: bool

    @property
    def on(self) -> bool:
        """Whether the user wants video."""
        return self.playing or self.connecting


def from_browser(
    process: Callable[[RGBImage, float], RGBImage], *, width_px: int, height_px: int
) -> Link:
    """The visitor's own camera: each frame goes through `process` and back to the screen.

    Args:
        process: Called in a thread of the stream with a frame and the seconds that it may take
            beyond drawing.
        width_px: Width that the camera is asked for.
        height_px: Height likewise.
    """

    def callback(frame: av.VideoFrame) -> av.VideoFrame:
        picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        shown = process(picture, PATIENCE_S)
        return frame if shown is picture else av.VideoFrame.from_ndarray(shown, format="rgb24")

    return _stream(
        f"live.browser.{height_px}",
        mode=WebRtcMode.SENDRECV,
        video_frame_callback=callback,
        media_stream_constraints={
            "video": {
                "width": {"ideal": width_px},
                "height": {"ideal": height_px},
                "frameRate": {"ideal": 30},
                # A phone's camera on the far side, which is the one at the eyepiece.
                "facingMode": {"ideal": "environment"},
            },
            "audio": False,
        },
    )


def _asset(name: str) -> str:
    return (Path(__file__).parent / "assets" / name).read_text(encoding="utf-8")


def from_server(newest: Callable[[], RGBImage | None], *, fps: float) -> Link:
    """Frames that the server makes, shown in the browser.

    Args:
        newest: The frame to show now; None before the first. It runs on the server's event loop
            and must return at once.
        fps: Frames a second.
    """

    def callback(pts: int, time_base: Fraction) -> av.VideoFrame:
        picture = newest()
        if picture is None:
            picture = _waiting_picture()
        return av.VideoFrame.from_ndarray(picture, format="rgb24")

    track = create_video_source_track(callback, key="live.server.track", fps=round(fps))
    return _stream("live.server", mode=WebRtcMode.RECVONLY, source_video_track=track)


def _stream(key: str, **how: Any) -> Link:
    tune()
    _keep_connection(key)
    # Its overloads do not know options that are passed on.
    streamer: Any = webrtc_streamer
    context = streamer(
        key,
        # Without a list the library looks for a public STUN server, which hangs offline.
        rtc_configuration={"iceServers": ice_servers()},
        video_html_attrs={
            "autoPlay": True,
            "controls": False,
            "playsInline": True,
            "muted": True,
            "style": {"width": "100%", "borderRadius": "8px", "background": "#14191b"},
        },
        translations=_WORDS,
        media_toggle_controls=False,
        **how,
    )
    # Only who shares a camera can lack one.
    cures = CURES if how["mode"] is WebRtcMode.SENDRECV else {}
    st.components.v2.component(
        "allcell_video_help", js=_asset("video_help.js"), css=_asset("video_help.css")
    )(key="live.video_help", data={"cures": cures})
    return Link(context.state.playing, context.state.signalling)


async def _prompt_recv(track: Any) -> Any:
    """What `AsyncVideoProcessTrack.recv` does, without its delay of one to two frames.

    The library hands back what was finished when a frame arrives, so always an older one. Here the
    frame's own result is awaited, a few milliseconds as a rule and never longer than a frame lasts.
    """
    if track.readyState != "live":
        raise MediaStreamError
    with track._worker_exception_lock:
        if track._worker_exception:
            raise track._worker_exception
    track._start()
    frame = await track.track.recv()
    track._in_queue.put(frame)
    patience_s = time.monotonic() + _AWAITED_S
    while not track._out_deque and time.monotonic() < patience_s:
        await asyncio.sleep(0.002)
    with track._out_lock:
        if track._out_deque:
            track._last_out_frame = track._out_deque[-1]
            track._out_deque.clear()
    shown = track._last_out_frame or frame
    shown.pts, shown.time_base = frame.pts, frame.time_base
    return shown


_subscribe = MediaRelay.subscribe


def _subscribe_to_newest(relay: MediaRelay, track: Any, buffered: bool = False) -> Any:
    """`MediaRelay.subscribe`, which buffers unless told otherwise."""
    return _subscribe(relay, track, buffered)


def _keep_connection(key: str) -> None:
    """Tell the library that its component has been on the page all the time, if it has.

    It takes a run of the script that it did not see for a change of page and hangs up. On a busy
    machine its count of runs jumps by two without any (the count follows messages, which wait).
    """
    stayed = page_stays() and st.session_state.get(_SHOWN) == key
    st.session_state[_SHOWN] = key
    if stayed and key in st.session_state:
        st.session_state[key]._last_rendered_run_count = None


def ice_servers() -> list[dict[str, Any]]:
    """STUN and TURN servers of the settings, or else of Streamlit's secrets; none by default."""
    if settings().ice_servers:
        return [dict(server) for server in settings().ice_servers]
    try:
        return [dict(server) for server in st.secrets.get("ice_servers", [])]
    except StreamlitSecretNotFoundError:
        return []


@lru_cache(maxsize=1)
def tune() -> None:
    """Let VP8 start with a sharp picture, and frames go out as soon as they are drawn; once."""
    from aiortc import codecs
    from aiortc.codecs import vpx

    # Between its tracks the library keeps every frame that a busy machine has not sent yet: the
    # video would fall behind by minutes and fill the memory. Here the newest one is enough.
    setattr(MediaRelay, "subscribe", _subscribe_to_newest)  # noqa: B010 (likewise)
    # A thread of Python waits up to this long for another one, again and again while a frame is
    # made: the usual 5 ms, beside a page's script, would be seen.
    sys.setswitchinterval(0.001)
    setattr(AsyncVideoProcessTrack, "recv", _prompt_recv)  # noqa: B010 (mypy knows it as fixed)
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


@lru_cache(maxsize=1)
def _waiting_picture() -> RGBImage:
    return np.full((360, 640, 3), 32, np.uint8)
