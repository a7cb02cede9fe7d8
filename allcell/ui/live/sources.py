"""Which camera, video or slide the Live page shows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from allcell.environment.leftovers import temporary_folder
from allcell.errors import ImageError
from allcell.settings import settings
from allcell.stream.microscope import ZOOMS, VirtualMicroscope
from allcell.stream.server_camera import ServerCamera, camera_name
from allcell.stream.sources import FrameSource
from allcell.stream.video_file import VideoFile
from allcell.ui.live.controls import FROZEN
from allcell.ui.live.desk import LiveDesk, known_desk
from allcell.ui.sessions import uploads
from allcell.ui.shell.problems import show_problem

Kind = Literal["microscope", "browser", "file", "server"]

_TITLES: dict[Kind, str] = {
    "microscope": "Virtual microscope",
    "browser": "This device's camera",
    "file": "Video file",
    "server": "Camera of the server",
}
_SIZES = {"1280 x 720, sharp": (1280, 720), "640 x 360, fast": (640, 360)}
_STEP = 0.25


@dataclass(frozen=True)
class SourceChoice:
    """Where frames come from.

    Attributes:
        kind: Which sort of source.
        size_px: Width and height requested from it.
        address: The server's camera, or the file's temporary path; empty otherwise.
        name: What messages call it.
    """

    kind: Kind
    size_px: tuple[int, int]
    address: str = ""
    name: str = ""

    @property
    def ready(self) -> bool:
        """Whether there is something to show."""
        return self.kind in ("microscope", "browser") or bool(self.address)


def choose_source() -> SourceChoice:
    """The control for the source. The server's own cameras are offered only if it allows any."""
    kinds: list[Kind] = ["microscope", "browser", "file"]
    if settings().cameras:
        kinds.append("server")
    # As wide as the picture and what stands beside it.
    left, right = st.columns([2, 1], gap="large", vertical_alignment="bottom")
    with left:
        kind = st.segmented_control(
            "Source",
            kinds,
            default=kinds[0],
            required=True,
            format_func=lambda k: _TITLES[k],
            key="live.source",
            persist_state="session",
            wrap=True,
            on_change=_start_over,
            help="The virtual microscope is a rendered slide: it needs neither camera nor network.",
        )
    size = _SIZES["1280 x 720, sharp"]
    if kind in ("microscope", "browser"):
        with right:
            size = _SIZES[
                st.selectbox(
                    "Picture",
                    list(_SIZES),
                    key="live.size",
                    persist_state="session",
                    help="On two cores, encoding 1280 x 720 takes longer than finding the cells.",
                )
            ]
    if kind == "server":
        address = st.selectbox(
            "Camera of the server", settings().cameras, format_func=camera_name, key="live.camera"
        )
        return SourceChoice(kind, size, address, camera_name(address))
    if kind == "file":
        return _choose_file(size)
    return SourceChoice(kind, size)


def _start_over() -> None:
    """Reset for another source: the frozen frame and the tally belong to the last one."""
    st.session_state[FROZEN] = False
    if (desk := known_desk()) is not None:
        desk.end_recording()
        desk.viewer.start_over()


def _choose_file(size: tuple[int, int]) -> SourceChoice:
    limits = settings()
    file = st.file_uploader(
        "Video: MP4, MOV, WebM, MKV, AVI or Ogg",
        type=["mp4", "m4v", "mov", "webm", "mkv", "avi", "ogv"],
        max_upload_size=max(1, limits.max_video_bytes // 2**20),
        key="live.file",
        on_change=_start_over,
        help=f"Up to {limits.max_video_s / 60:.0f} minutes. The decoder reads it from a temporary "
        "file, which is deleted with the session.",
    )
    if file is None:
        st.session_state.pop("live.file_kept", None)
        return SourceChoice("file", size)
    try:
        data = uploads.content(file)
    except ImageError as error:
        show_problem(error)
        return SourceChoice("file", size)
    digest = hashlib.sha256(data).hexdigest()[:16]
    kept = st.session_state.get("live.file_kept")
    if kept is None or kept[0] != digest:
        folder = temporary_folder("video")
        path = Path(folder.name) / "video"
        path.write_bytes(data)
        # The folder is deleted with the session, which holds the only reference to it.
        kept = st.session_state["live.file_kept"] = (digest, folder, str(path))
    return SourceChoice("file", size, kept[2], "The video")


def open_source(choice: SourceChoice) -> FrameSource:
    """Open a server-side source.

    Raises:
        ImageError: If the video cannot be read.
        DeviceError: If the camera does not answer or is not allowed.
    """
    if choice.kind == "file":
        return VideoFile(Path(choice.address), name=choice.name, loop=True)
    if choice.kind == "server":
        return ServerCamera(choice.address)
    return VirtualMicroscope(*choice.size_px)


@st.fragment
def stage_controls(desk: LiveDesk) -> None:
    """The stage of the virtual microscope: arrows (keys too), next field, objective, wandering."""
    microscope = desk.microscope
    if microscope is None:
        return
    st.caption("A rendered slide, not a patient's. The arrow keys move the stage, N changes field.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        wander = st.toggle("Wander", value=microscope.auto, key="live.wander")
        microscope.auto = wander
        for name, icon, key, right, down in (
            ("Left", "arrow_back", "ArrowLeft", -_STEP, 0.0),
            ("Right", "arrow_forward", "ArrowRight", _STEP, 0.0),
            ("Up", "arrow_upward", "ArrowUp", 0.0, -_STEP),
            ("Down", "arrow_downward", "ArrowDown", 0.0, _STEP),
        ):
            st.button(
                "",
                icon=f":material/{icon}:",
                key=f"live.move.{name}",
                help=f"Move the stage: {name.lower()}",
                shortcut=key.removeprefix("Arrow"),
                on_click=microscope.move,
                args=(right, down),
            )
        st.button("Next field", key="live.next", shortcut="N", on_click=microscope.next_field)
        zoom = st.segmented_control(
            "Objective",
            ZOOMS,
            default=1.0,
            required=True,
            format_func=lambda z: f"{z:g}x",
            key="live.zoom",
            label_visibility="collapsed",
        )
        microscope.set_zoom(zoom)
