"""What stays of a live video: a frozen frame analysed, snapshots, a recording."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from datetime import UTC, datetime

import streamlit as st

from allcell.analysis import Analysis, analyse
from allcell.errors import AllcellError
from allcell.imaging.draw import draw
from allcell.imaging.images import RGBImage, encode_jpeg, encode_png
from allcell.report.snapshots import snapshots_zip, to_result
from allcell.result import Result
from allcell.settings import settings
from allcell.stream.live_settings import LiveSettings
from allcell.stream.recorder import CODECS
from allcell.stream.snapshots import Snapshot
from allcell.ui.field.answer import answer
from allcell.ui.field.bench import bench
from allcell.ui.field.pictures import Picture
from allcell.ui.live.desk import LiveDesk
from allcell.ui.shell.cache import get_detector
from allcell.ui.shell.problems import show_problem

_MIMES = {".mp4": "video/mp4", ".webm": "video/webm"}
_FROZEN_RESULT = "live.frozen_result"
#: The analysis whose numbers the user wants even if they are withheld.
_INSISTED = "live.insisted"
_THUMBNAIL_PX = 220
_FREEZES_WITHIN_S = 0.6


def buttons(desk: LiveDesk, *, running: bool) -> None:
    """Snapshot and recording.

    Args:
        desk: The stream.
        running: Whether frames come in.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Snapshot",
            icon=":material/photo_camera:",
            key="live.snapshot",
            shortcut="S",
            disabled=not running,
            on_click=_snap,
            args=(desk,),
        )
        _record(desk, running)
    if st.session_state.pop("live.no_snapshot", False):
        st.info("There is no inferred frame to keep yet. Try again in a moment.")


def kept(desk: LiveDesk, settings: LiveSettings) -> None:
    """The frozen frame and the strip of snapshots."""
    if settings.frozen:
        _frozen(desk, settings)
    else:
        for gone in (_FROZEN_RESULT, _INSISTED):
            st.session_state.pop(gone, None)
    _strip(desk)


def _snap(desk: LiveDesk) -> None:
    snapshot = desk.viewer.snapshot()
    if snapshot is None:
        st.session_state["live.no_snapshot"] = True
    else:
        desk.strip.add(snapshot)


def _record(desk: LiveDesk, running: bool) -> None:
    recording = desk.recording
    if recording is not None and recording.running:
        st.button(
            "Stop recording",
            icon=":material/stop_circle:",
            key="live.record.stop",
            type="primary",
            on_click=desk.end_recording,
        )
        return
    with st.popover("Record", icon=":material/fiber_manual_record:", disabled=not running):
        suffix = st.radio(
            "File",
            list(CODECS),
            format_func=lambda s: "MP4, for players" if s == ".mp4" else "WebM, for browsers",
            key="live.record.suffix",
            help=f"The video with its boxes. It is written to {_where()}.",
        )
        st.button("Begin", key="live.record.begin", on_click=desk.record, args=(suffix,))
    if recording is None:
        return
    if recording.error:
        st.warning(recording.error)
    if recording.path.is_file():
        suffix = recording.path.suffix
        st.download_button(
            f"Recording, {recording.seconds:.0f} s ({suffix[1:].upper()})",
            recording.path.read_bytes,
            f"allcell-{datetime.now(UTC):%Y%m%d-%H%M%S}{suffix}",
            _MIMES[suffix],
            icon=":material/download:",
            on_click="ignore",
            key="live.record.download",
        )
        st.button("Delete it", key="live.record.delete", on_click=desk.delete_recording)


def _where() -> str:
    if settings().recordings_dir is not None:
        return "the folder for recordings on the computer that runs this app, and stays there"
    return "a temporary file on the computer that runs this app, and deleted with the session"


def _frozen(desk: LiveDesk, settings: LiveSettings) -> None:
    frame = _frozen_frame(desk)
    with st.container(border=True, key="allcell-frozen"):
        st.subheader("The frozen picture", anchor=False)
        if frame is None:
            st.caption("There is none: no picture is arriving. Press Start first.")
            return
        analyse_it, open_it = st.columns(2)
        if analyse_it.button("Analyse at full resolution", key="live.analyse", width="stretch"):
            try:
                found = analyse(get_detector(settings.spec.name), frame, "frozen")
                st.session_state[_FROZEN_RESULT] = (id(frame), found)
            except AllcellError as error:
                show_problem(error)
        if open_it.button("Open it on the Detect page", key="live.to_detect", width="stretch"):
            name = f"live-{datetime.now(UTC):%H%M%S}.png"
            bench().add(Picture.of(name, encode_png(frame), "camera"))
            st.switch_page("pages/detect.py")
        known = st.session_state.get(_FROZEN_RESULT)
        # It may be the answer of another model, or on another frame.
        if known is None or (known[0], known[1].spec) != (id(frame), settings.spec):
            return
        analysis = known[1]
        insisted = st.session_state.get(_INSISTED) is analysis

        def insist(wanted: bool) -> None:
            st.session_state[_INSISTED] = analysis if wanted else None

        whole = analysis.result(confidence=settings.confidence, iou=settings.iou, insisted=insisted)
        # Hiding a class would tell which boxes are of it.
        shown = (
            whole
            if whole.withheld
            else replace(whole, detections=settings.visible(analysis.candidates))
        )
        left, right = st.columns([2, 1], gap="large")
        left.image(
            encode_jpeg(shown.draw(frame, labels=settings.labels)),
            alt="The frozen picture with its boxes",
        )
        with right:
            answer(whole, insist, "live.frozen")
            st.button(
                "Keep it in the strip",
                key="live.keep_frozen",
                on_click=desk.strip.add,
                args=(_snapshot_of(settings, analysis, shown, frame),),
            )


def _frozen_frame(desk: LiveDesk) -> RGBImage | None:
    """The frozen frame; just after the switch it takes a moment to come."""
    patience_s = time.monotonic() + _FREEZES_WITHIN_S
    while (frame := desk.viewer.frozen_frame()) is None and time.monotonic() < patience_s:
        time.sleep(0.02)
    return frame


def _snapshot_of(
    settings: LiveSettings, analysis: Analysis, shown: Result, frame: RGBImage
) -> Snapshot:
    spec = analysis.spec
    return Snapshot(
        frame,
        shown.detections,
        spec,
        get_detector(spec.name).engine.description,
        spec.confidence if settings.confidence is None else settings.confidence,
        spec.iou if settings.iou is None else settings.iou,
        ()
        if shown.withheld or settings.classes is None
        else tuple(set(spec.classes) - settings.classes),
        analysis.scale.red_cell_px,
        analysis.timing,
        datetime.now(UTC),
        analysis.weights_sha256,
        warnings=shown.warnings,
        insisted=shown.insisted,
    )


def _strip(desk: LiveDesk) -> None:
    snapshots = desk.strip.snapshots()
    if not snapshots:
        return
    st.subheader(f"Snapshots: {len(snapshots)}", anchor=False)
    with st.container(horizontal=True, gap="small", key="allcell-strip"):
        for snapshot in reversed(snapshots):
            result = to_result(snapshot)
            found = [f"{n} {cell.brief}" for cell, n in result.counts.listed() if n is not None]
            said = " ".join(filter(None, [", ".join(found), result.standing]))
            with st.container(width=_THUMBNAIL_PX, gap="xxsmall"):
                st.image(_thumbnail(snapshot), alt=f"Snapshot of {snapshot.taken_at:%H:%M:%S}")
                st.caption(f"{snapshot.taken_at:%H:%M:%S} UTC. {said}")
                st.button(
                    "Remove",
                    key=f"live.remove.{snapshot.name}",
                    type="tertiary",
                    on_click=desk.strip.remove,
                    args=(snapshot,),
                )
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            f"Download {'all ' if len(snapshots) > 1 else ''}{len(snapshots)} (ZIP)",
            lambda: snapshots_zip(snapshots),
            "allcell-snapshots.zip",
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
            key="live.download",
            type="primary",
            help="Pictures with and without boxes, CSV, COCO, YOLO labels, and how each was taken.",
        )
        st.button("Remove all", key="live.clear", on_click=desk.strip.clear, type="tertiary")


def _identity(snapshot: Snapshot) -> str:
    # All sessions share the cache, and two may take a snapshot at the same moment.
    return f"{snapshot.name}-{hashlib.sha256(snapshot.frame.tobytes()).hexdigest()}"


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Snapshot: _identity})
def _thumbnail(snapshot: Snapshot) -> bytes:
    result = to_result(snapshot)
    # What stands in the strip below a picture is said in words beside the thumbnail.
    picture = draw(
        snapshot.frame, result.shown_boxes, result.shown_classes, labels=False, notice=False
    )
    return encode_jpeg(picture, quality=85)
