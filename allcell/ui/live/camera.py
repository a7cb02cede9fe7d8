"""The one place where video goes to and from the browser over WebRTC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import av
import numpy as np
import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit_webrtc import WebRtcMode, create_video_source_track, webrtc_streamer

from allcell.formats.pixels import RGBImage
from allcell.settings import settings
from allcell.stream.frames import PATIENCE_S
from allcell.ui.live.webrtc_tuning import tune
from allcell.ui.shell.assets import asset
from allcell.ui.shell.frame import page_stays

_WORDS = {
    "start": "Start",
    "stop": "Stop",
    "select_device": "Choose the camera",
    "select_camera": "Camera",
    "device_ask_permission": "Please allow the camera when the browser asks.",
}
_INSTEAD = "Or choose the virtual microscope, which needs no camera."
#: What to do, by the browser's name for the error; `insecure` is a page without https.
CURES = {
    "insecure": "The browser gives no camera to a page without https. Open it as http://localhost "
    f"on the computer that has the camera, or over https (README, Live video). {_INSTEAD}",
    "NotAllowedError": "The browser denies this page the camera. Allow it with the symbol next to "
    f"the address, then press Start again. {_INSTEAD}",
    "NotFoundError": f"No camera was found. Plug one in, then press Start again. {_INSTEAD}",
    "NotReadableError": "The camera is in use by another program. Close that program, then press "
    f"Start again. {_INSTEAD}",
    "OverconstrainedError": "The chosen camera is no longer there. Choose another one below the "
    f"picture, then press Start again. {_INSTEAD}",
    "AbortError": "The camera stopped while it was being opened. Unplug it and plug it in again, "
    f"then press Start. {_INSTEAD}",
}


_SHOWN = "live.component"


@dataclass(frozen=True)
class Link:
    """How the connection to the browser stands.

    Attributes:
        playing: Whether video is flowing.
        connecting: Whether Start was pressed and no video has come yet.
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
        process: Called in a thread of the stream with a frame, RGB uint8 (H, W, 3), and the
            seconds that it may take beyond drawing.
        width_px: Width requested from the camera.
        height_px: Height requested from the camera.
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
                # A phone's rear camera, which is the one at the eyepiece.
                "facingMode": {"ideal": "environment"},
            },
            "audio": False,
        },
    )


def from_server(newest: Callable[[], RGBImage | None], *, fps: float) -> Link:
    """Frames that the server makes, shown in the browser.

    Args:
        newest: Returns the frame to show now, RGB uint8 (H, W, 3); None before the first. It runs
            on the server's event loop and must return at once.
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
    # Its type overloads do not accept forwarded options.
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
    # Only a page that asks for a camera can fail to get one.
    cures = CURES if how["mode"] is WebRtcMode.SENDRECV else {}
    st.components.v2.component(
        "allcell_video_help", js=asset("video_help.js"), css=asset("video_help.css")
    )(key="live.video_help", data={"cures": cures, "words": _WORDS})
    return Link(context.state.playing, context.state.signalling)


def _keep_connection(key: str) -> None:
    """Keep the library from hanging up although its component has stayed on the page.

    It takes a script run that it did not see for a change of page and hangs up. On a busy machine
    its count of runs may jump by two without one, as the count follows messages, which queue.
    """
    stayed = page_stays() and st.session_state.get(_SHOWN) == key
    st.session_state[_SHOWN] = key
    if stayed and key in st.session_state:
        st.session_state[key]._last_rendered_run_count = None


def ice_servers() -> list[dict[str, Any]]:
    """STUN and TURN servers from the settings or else Streamlit's secrets; none by default."""
    if settings().ice_servers:
        return [dict(server) for server in settings().ice_servers]
    try:
        return [dict(server) for server in st.secrets.get("ice_servers", [])]
    except StreamlitSecretNotFoundError:
        return []


@lru_cache(maxsize=1)
def _waiting_picture() -> RGBImage:
    return np.full((360, 640, 3), 32, np.uint8)
