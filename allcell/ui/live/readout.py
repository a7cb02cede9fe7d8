"""The state of the stream, second by second: the tally and the measured speed."""

from __future__ import annotations

import streamlit as st

from allcell.models.classes import CELL_CLASSES
from allcell.stream.status import LiveStatus
from allcell.stream.tally import TallyState
from allcell.ui.live.camera import Link
from allcell.ui.live.desk import LiveDesk
from allcell.ui.shell.problems import show_problem
from allcell.ui.shell.wording import interval_text, percent

#: Without a frame for this many refreshes, something is wrong with the camera or the network.
_PATIENCE = 4
_UNSEEN = "live.unseen"


@st.fragment(run_every=1.0)
def readout(desk: LiveDesk, link: Link, expected_fps: float | None) -> None:
    """What is wrong, if anything, the tally and the speed; refreshed each second without the page.

    One fragment for everything: after each run of a fragment Streamlit drops downloads that have
    been pending for two runs.

    Args:
        desk: The stream.
        link: How the connection stands.
        expected_fps: Frames a second that the source sends.
    """
    status = desk.viewer.status(expected_fps)
    _trouble(desk, link, status)
    _tally(desk, desk.viewer.tally(), running=link.on)
    if not link.on or status.frame_px is None:
        return
    if desk.viewer.settings.frozen:
        st.caption("The picture is frozen: the model is paused.")
    else:
        _speed(status)


def _trouble(desk: LiveDesk, link: Link, status: LiveStatus) -> None:
    source = desk.watched.feed.source if desk.watched else None
    if source is not None and source.error:
        show_problem(source.error)
    if status.error:
        show_problem(f"{status.error} The video goes on without new boxes.")
    unseen = st.session_state.get(_UNSEEN, 0)
    unseen = unseen + 1 if link.on and status.frames_in <= 0 else 0
    st.session_state[_UNSEEN] = unseen
    if unseen < _PATIENCE:
        return
    if link.playing:
        st.warning(
            "No picture is arriving. Is the camera still plugged in, and not in use by another "
            "program? Press Stop, then Start."
        )
    else:
        st.warning(
            "The connection is not established. Browser and server must reach each other by UDP: "
            "in one network they can unless a firewall forbids it; across networks the server "
            "needs a TURN server (README, Live video)."
        )


def _tally(desk: LiveDesk, tally: TallyState, *, running: bool) -> None:
    with st.container(key="allcell-tally", gap="xsmall"):
        columns = st.columns(len(CELL_CLASSES), wrap=False)
        for column, cell in zip(columns, CELL_CLASSES, strict=True):
            column.metric(cell.heading, tally.counts.by_class.get(cell.name, "n/a"))
        share = tally.share
        if not tally.counts.tells_blasts:
            st.caption(
                "Cells are counted once while they are in view. There is no blast fraction: the "
                "model does not tell blasts from healthy white cells."
            )
        elif share.fraction is None:
            st.caption("Cells are counted once while they are in view.")
        else:
            st.markdown(
                f"Blast fraction of counted cells: **{percent(share.fraction)}**, {share.k} of "
                f"{share.n}, exact 95 % interval {interval_text(share)}"
            )
            st.caption(
                "Suggested classes, from the video. The interval covers sampling error only. A "
                "cell that comes back after a jump of the stage counts again: "
                f"{tally.fields} {'field' if tally.fields == 1 else 'fields'} so far."
            )
        if tally.paused and running:
            st.warning(f"Counting is paused. {tally.paused}")
        st.button(
            "Count from zero",
            key="live.reset",
            type="tertiary",
            icon=":material/restart_alt:",
            on_click=desk.viewer.reset_tally,
        )


def _speed(status: LiveStatus) -> None:
    width, height = status.frame_px or (0, 0)
    with st.container(key="allcell-readout", gap="xsmall"):
        shown, inferred, latency = st.columns(3, gap="small", wrap=False)
        shown.metric("Shown / s", f"{status.frames_shown:.0f}", help="Frames shown a second.")
        inferred.metric(
            "Inferred / s",
            f"{status.frames_inferred:.0f}",
            help="Frames a second on which the model looked for cells.",
        )
        latency.metric(
            "Latency",
            f"{status.latency.median:.0f} ms" if status.latency else "n/a",
            chart_data=list(status.history_ms) or None,
            chart_type="line",
            help="From the arrival of a frame at the server to its finished boxes, median of the "
            "last seconds. The way to and from the browser comes on top.",
        )
        if status.slow:
            st.info(status.slow)
        parts = [
            f"{status.frames_in:.0f} frames in, {status.frames_dropped:.0f} skipped a second",
            f"{width} x {height} px",
        ]
        if status.latency and status.inference:
            parts += [
                f"frame to boxes p95 {status.latency.p95:.0f} ms",
                f"inference {status.inference.median:.1f} ms (p95 {status.inference.p95:.1f})",
            ]
        if status.input_px:
            parts.append(f"model's input {status.input_px} px")
        if status.red_cell_px:
            parts.append(f"red cells {status.red_cell_px:.0f} px")
        parts += [status.model, status.runtime]
        if status.viewers > 1:
            parts.append(f"{status.viewers} viewers share the model")
        st.caption(". ".join([", ".join(parts[:2]), *parts[2:]]) + ".")
