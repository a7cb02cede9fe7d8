"""Live: a microscope or camera, with boxes that stay on the cells while the stage moves."""

import streamlit as st

from allcell.errors import AllcellError
from allcell.ui.shell.catalog import catalog, ready
from allcell.ui.shell.frame import require_frame
from allcell.ui.shell.problems import show_problem

require_frame()
# Imported only now: video over WebRTC takes a second that the other pages need not wait for.
from allcell.ui.live import camera  # noqa: E402
from allcell.ui.live import controls as live_controls  # noqa: E402
from allcell.ui.live import keep as live_keep  # noqa: E402
from allcell.ui.live import readout as live_readout  # noqa: E402
from allcell.ui.live import sources as live_sources  # noqa: E402
from allcell.ui.live.desk import live_desk  # noqa: E402

st.title("Live microscope", anchor=False)
choice = live_sources.choose_source()
picture, side = st.columns([2, 1], gap="large")
with side:
    spec = live_controls.choose_model(catalog())
    if spec is None:
        st.stop()
    worker = ready(spec, live_controls.get_worker)
    if worker is None:
        st.stop()
    # The counts stand beside the picture, above what is rarely changed: both are watched together.
    threshold, counts = st.container(), st.container(key="allcell-counts")
    settings = live_controls.choose_settings(worker, threshold)
desk = live_desk(settings)

# On a phone the counts come between the picture and its controls (see assets/frame.css).
with picture, st.container(key="allcell-video"):
    # For errors: above the picture, which then stays dark.
    trouble = st.container()
    opened = True
    expected_fps: float | None = 30.0
    if choice.kind == "browser":
        desk.stop()
        width, height = choice.size_px
        link = camera.from_browser(desk.viewer.process, width_px=width, height_px=height)
    elif not choice.ready:
        desk.stop()
        link = camera.Link(False, False)
        st.info("Choose a video to see its cells boxed while it plays.")
    else:
        link = camera.from_server(desk.newest, fps=30.0)
        try:
            if link.on:
                desk.play(choice, lambda: live_sources.open_source(choice))
                expected_fps = desk.watched.feed.source.fps if desk.watched else None
            else:
                desk.stop()
        except AllcellError as error:
            opened = False
            show_problem(error, place=trouble)
with picture:
    live_sources.stage_controls(desk)
    live_keep.buttons(desk, running=link.on and opened)
if opened:  # else the measurements are those of another source
    with counts:
        live_readout.readout(desk, link, expected_fps)
live_keep.kept(desk, settings)
