"""Detect: pictures in, every white cell boxed, counted and ready to download."""

import streamlit as st

from allcell.models.registry import ModelSpec
from allcell.ui.detect import cleared, intake, preload
from allcell.ui.detect.actions import clear_all
from allcell.ui.field.bench import bench
from allcell.ui.shell import controls
from allcell.ui.shell.catalog import catalog
from allcell.ui.shell.frame import require_frame

require_frame()
desk = bench()

# Each part keeps its place whether or not there are pictures, so that no part of the empty page
# lingers while the first ones are analysed.
intro = st.container(key="allcell-intro")
drop, choice = st.columns([3, 1], gap="medium")
start = st.container(key="allcell-start")

with drop:
    intake.choose_files(desk)
with choice:
    spec = controls.choose_model(catalog())

if not desk.pictures:
    if "allcell.review" in st.session_state:
        # The next pictures are another case: they never become part of one that is kept.
        st.session_state["allcell.review"].keep_only(())
    with intro:
        cleared.offer_undo(desk)
        st.title("Find leukemic cells in blood smears", anchor=False)
        st.markdown(
            "1. Drop photographs of a stained smear anywhere on this page, or paste one.\n"
            "2. The white cells found are boxed with a suggested class and counted.\n"
            "3. Check the cells, move the threshold, download the result. Nothing is stored."
        )
    with start:
        intake.use_camera(desk)
        st.header("No image at hand? Open a synthetic sample", anchor=False)
        intake.samples(desk)
    preload.start()
    st.stop()

cleared.forget()
more, clear = st.columns([4, 1], gap="medium")
with more.expander("Camera and samples", type="compact"):
    intake.use_camera(desk)
    intake.samples(desk)
with clear.container(key="allcell-clear", horizontal=True, horizontal_alignment="right"):
    clear_all(desk)
# Imported only now: statistics and tables take a second that the first page need not wait for.
if isinstance(spec, ModelSpec):
    from allcell.ui.detect.workspace import workspace

    workspace(desk, spec)
elif spec is not None:
    from allcell.ui.detect.whole_fields import whole_fields

    whole_fields(desk, spec)
